// One target of the load generator: its connections, how they are opened, and how they take part
// in a turn.
#pragma once

#include "bench_connection.hpp"
#include "bench_load.hpp"

#include <dunlin/dunlin.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace echo::bench {

/// Its address is in its connections, so it is neither copied nor moved.
class target {
public:
    /// `number` is its index in the plan.
    target(const plan& how, const pattern& bytes, std::size_t number, target_result& into);
    target(const target&) = delete;
    target& operator=(const target&) = delete;
    ~target() = default;

    /// Finds out the address, and opens the active connections (with churn there are none yet) and
    /// the idle ones, which a task in `watchers` looks after each. Who cannot be reached is counted
    /// as an error. Error: `stopped`.
    dunlin::io_task<> open(dunlin::task_group& watchers);

    /// Lets all its connections go, until `in` is over and everything has come back, or nothing has
    /// for too long: then those that wait are lost. Error: `stopped`.
    dunlin::io_task<> run(turn& in);

    /// Closes the connections, having looked whether more comes back than was sent.
    dunlin::io_task<> part();

    /// Whether there is a connection, or a worker, that was not lost.
    [[nodiscard]] bool is_alive() const noexcept;
    [[nodiscard]] const target_spec& spec() const noexcept { return spec_; }
    [[nodiscard]] target_result& result() noexcept { return result_; }

    void forget_served() noexcept;
    /// Tells the result how many messages each connection got.
    void count_served();

private:
    /// A connection as this target knows it.
    struct member {
        connection line;
        target* of = nullptr;
        std::size_t number = 0;
        std::string_view kind;
        std::uint64_t visits = 0; ///< With churn.
        bool is_lost = false;
    };

    [[nodiscard]] dunlin::connect_options options_for(std::size_t number) const noexcept;
    void note_error(std::string words);
    void lose(member& one, std::string_view words);
    void lose(member& one, std::error_code why);

    dunlin::io_task<> find();
    static dunlin::io_task<> open_one(member& one);
    static dunlin::io_task<> open_idle(member& one);
    static dunlin::io_task<> watch(member& one);
    static dunlin::io_task<> take_part(member& one, turn& in);
    static dunlin::io_task<> come_and_go(member& one, turn& in);
    static dunlin::io_task<> visit(member& one, turn& in);
    static dunlin::io_task<> part_one(member& one);

    const plan& how_;
    const target_spec& spec_;
    target_result& result_;
    dunlin::endpoint where_;
    bool is_overdue_ = false; ///< Who is stopped now has waited for too long.
    std::vector<member> active_;
    std::vector<member> idle_;
};

} // namespace echo::bench
