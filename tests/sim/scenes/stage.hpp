// What a general scene stands on: a world under a storm of faults, dice, and words for what must
// hold. A scene knows its seed and the faults in force, and nothing of what it is to find.
#pragma once

#include <dunlin/dunlin.hpp>
#include <dunlin/sim/world.hpp>
#include <dunlin/sys_sim/random.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace scenes {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;

class stage {
public:
    explicit stage(std::uint64_t seed)
        : odds{dunlin::sim::faults::storm(seed)}, world{seed, odds}, dice{seed ^ 0x6c8e'9cf5'7021} {
    }

    /// A host whose tasks must not fail: their errors are looked at in the end.
    dunlin::sim::host& host(std::string_view name);

    /// `stormy` under faults, then none, and everything must end within `limit`: true if it has.
    bool play(nanoseconds stormy, nanoseconds limit);

    /// Ends all, and looks at what is left and at what the hosts' tasks have failed with.
    void finish();

    void require(bool is_true, std::string_view words) { world.require(is_true, words); }

    /// Something has failed with `why`: states that the faults in force explain it. Nothing
    /// explains what befalls a connection that was made after the storm.
    void excuse(std::error_code why, bool was_born_calm, std::string_view what);
    /// A stream has ended before its time: states the same.
    void excuse_end(bool was_born_calm, std::string_view what);

    /// Time that nothing but work takes: a turn of many tasks, under faults.
    [[nodiscard]] nanoseconds patience() const noexcept {
        return !is_calm && odds.pauses > 0 ? nanoseconds{6s} : nanoseconds{60ms};
    }

    /// Whether the scene itself may have broken a connection.
    [[nodiscard]] bool breaks(bool was_born_calm) const noexcept {
        return breaks_always || (breaks_connections && !was_born_calm);
    }

    [[nodiscard]] nanoseconds up_to(nanoseconds most) noexcept {
        return nanoseconds{
            static_cast<std::int64_t>(dice.below(static_cast<std::uint64_t>(most.count()) + 1))};
    }
    [[nodiscard]] std::size_t size_up_to(std::size_t most) noexcept {
        return 1 + static_cast<std::size_t>(dice.below(most));
    }

    const dunlin::sim::faults odds;
    dunlin::sim::world world;
    dunlin::sys_sim::random_source dice;
    bool is_calm = false;
    bool breaks_connections = false; ///< The scene itself does, while the storm lasts.
    bool breaks_always = false;      ///< Also after that.
    bool limits_descriptors = false; ///< Hosts of this scene have few.
    bool is_finished = false;
    std::vector<dunlin::sim::host*> hosts;
};

/// What stands at `offset` of the stream with this number.
[[nodiscard]] constexpr std::byte byte_at(std::uint32_t stream, std::size_t offset) noexcept {
    return static_cast<std::byte>(offset * 131 + (offset >> 8) * 29 + (offset >> 16) * 7 +
                                  stream * 53);
}
[[nodiscard]] std::vector<std::byte> bytes_of(std::uint32_t stream, std::size_t offset,
                                              std::size_t count);
[[nodiscard]] bool is_part_of(std::uint32_t stream, std::size_t offset,
                              std::span<const std::byte> bytes) noexcept;

/// Tries until it listens at this port of all addresses: it may lack a descriptor, or memory.
dunlin::io_task<dunlin::tcp_listener> listen_at(stage* on, std::uint16_t port);

/// Tries until it is connected: the server may not be there yet.
dunlin::io_task<dunlin::tcp_socket> connect_to(stage* on, std::string where);

/// Two ends of a stream on one host: tries until there are descriptors.
dunlin::io_task<std::pair<dunlin::tcp_socket, dunlin::tcp_socket>> make_pair(stage* on);

/// Serves at this port until it is stopped; begins anew should that fail, for want of memory.
template <class Session>
dunlin::io_task<> keep_serving(stage* on, std::uint16_t port, Session session,
                               dunlin::serve_options options = {}) {
    for (;;) {
        auto listener = co_await listen_at(on, port).or_return();
        const auto served = co_await dunlin::serve(std::move(listener), session, options);
        if (served) co_return;
        on->excuse(served.error(), on->is_calm, "serving");
        co_await dunlin::sleep_for(20ms).or_return();
    }
}

// ---- the scenes

void echo(stage& on);
void timeouts(stage& on);
void closing(stage& on);
void groups(stage& on);
void sync(stage& on);
void pipelining(stage& on);
void accepting(stage& on);
void signals(stage& on);

} // namespace scenes
