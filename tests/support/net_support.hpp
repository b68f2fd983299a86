// What tests of sockets need beyond test_loop.hpp: named coroutines around single operations, ways
// to look at a task from outside, and TCP peers of every kind.
#pragma once

#include <support/test_loop.hpp>

#include <dunlin/net/endpoint.hpp>
#include <dunlin/net/tcp_listener.hpp>
#include <dunlin/net/tcp_socket.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace dunlin::test {

// ---- one operation each

inline io_task<std::string> read_text(tcp_socket& from) {
    const auto data = co_await from.read().or_return();
    co_return std::string{data.text()};
}

inline io_task<std::size_t> read_into(tcp_socket& from, std::span<std::byte> into) {
    const std::size_t count = co_await from.read(into).or_return();
    co_return count;
}

inline io_task<> read_all_of(tcp_socket& from, std::span<std::byte> into,
                             std::size_t* moved = nullptr) {
    co_await from.read_exactly(into, moved).or_return();
}

inline io_task<> write_text(tcp_socket& to, std::string text, std::size_t* moved = nullptr) {
    co_await to.write(text, moved).or_return();
}

inline io_task<std::size_t> write_some_text(tcp_socket& to, std::string text) {
    const std::size_t count = co_await to.write_some(text).or_return();
    co_return count;
}

inline io_task<> wait_readable(tcp_socket& on) { co_await on.readable().or_return(); }
inline io_task<> wait_writable(tcp_socket& on) { co_await on.writable().or_return(); }

inline io_task<tcp_socket> accept_one(tcp_listener& listener) {
    auto accepted = co_await listener.accept().or_return();
    co_return std::move(accepted);
}

inline io_task<tcp_socket> connect_to(endpoint where) {
    auto connected = co_await tcp_socket::connect(where).or_return();
    co_return std::move(connected);
}

inline io_task<> say_goodbye(tcp_socket& sock, std::chrono::nanoseconds grace = 10s) {
    co_await sock.lingering_close(grace).or_return();
}

// ---- a task seen from outside

/// `co_await this_task{}` gives the context of the task that awaits it, and never waits.
class this_task final : public operation, public spellings<this_task> {
public:
    using value_type = task_context*;
    this_task() noexcept = default;
    ~this_task() = default;
    bool begin() noexcept { return finish(); }
    bool attempt() noexcept override { return true; }
    task_context* take() noexcept { return &task(); }
};

/// Runs `observed` as it is, and says which task does it.
template <class T>
task<T> observe(task<T> observed, task_context*& who) {
    const auto me = co_await this_task{};
    who = me.assume_value();
    co_return co_await std::move(observed);
}
inline io_task<> observe(io_task<> observed, task_context*& who) {
    const auto me = co_await this_task{};
    who = me.assume_value();
    co_await std::move(observed).or_return();
}

/// The task has its turn although nothing has come for it.
inline void wake_for_nothing(test_loop& loop, task_context* waiting) {
    REQUIRE(waiting != nullptr);
    REQUIRE(waiting->leaf != nullptr);
    loop.sched().schedule(*waiting);
    REQUIRE(loop.turn() >= 1);
}

/// Destroys a task in the turn in which it has become ready, before it has its own turn.
///
/// Make it, start the victim (before or after `aim`) and let both wait; then `pull` the trigger,
/// make the victim ready, and `fire`, which takes one turn: epoll reports both, the trigger first.
class sniper {
public:
    explicit sniper(test_loop& loop) : loop_{loop}, trigger_{loop.socket_pair()} {}

    template <class T>
    void aim(pending<T>& victim) {
        waiting_ = loop_.start(destroy_on_byte<T>, trigger_.here, victim);
        loop_.run_until_idle();
        REQUIRE_FALSE(victim.is_done());
    }
    void pull() { trigger_.there.send("!"); }
    void fire() {
        const auto before = loop_.counters().events;
        loop_.turn();
        CHECK(loop_.counters().events >= before + 2); // the trigger's, and the victim's
        REQUIRE(waiting_.is_done());
    }

private:
    template <class T>
    static task<> destroy_on_byte(tcp_socket& trigger, pending<T>& victim) {
        std::byte one[1];
        co_await trigger.read(one).ignore();
        victim.destroy();
    }

    test_loop& loop_;
    test_loop::connection trigger_;
    pending<void> waiting_;
};

// ---- sockets

/// Two TCP sockets of ours that are connected with each other.
struct two_sockets {
    tcp_socket first;
    tcp_socket second;
};
[[nodiscard]] two_sockets connected_sockets(test_loop& loop);

/// Makes the send buffer as small as the kernel lets it be. (A tiny receive buffer would make TCP
/// wait for timers of its own.)
void shrink_send_buffer(borrowed_fd socket);

/// A listener of ours on 127.0.0.1 and a port that the kernel chose.
[[nodiscard]] tcp_listener listen_somewhere(listen_options options = {});
[[nodiscard]] endpoint where_it_listens(const tcp_listener& listener);

/// Connects to it with a blocking socket.
[[nodiscard]] raw_peer connect_raw(const endpoint& where);

/// Whether poll(2) says that a read of it would not block, after waiting for a second at most.
[[nodiscard]] bool becomes_readable(borrowed_fd fd);

/// A port on 127.0.0.1 that nobody listens to; connects are refused while this lives.
class closed_port {
public:
    closed_port();
    [[nodiscard]] endpoint where() const { return where_; }

private:
    unique_fd bound_;
    endpoint where_;
};

/// A listener whose queue is full: a connect to it hangs.
class full_listener {
public:
    full_listener();
    [[nodiscard]] endpoint where() const { return where_; }

    /// Takes all that is queued, so that the hanging ones get through with their next attempt.
    void accept_all();

private:
    unique_fd listening_;
    unique_fd queued_[2];
    endpoint where_;
};

/// So many bytes, different at every place.
[[nodiscard]] std::string pattern(std::size_t size, std::uint32_t seed = 1);

[[nodiscard]] inline std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline std::span<std::byte> bytes_of(std::string& text) {
    return std::as_writable_bytes(std::span{text});
}

/// What a child process that does `what` ends with: waitpid(2)'s status.
template <class Function>
int status_of_child(Function what);

/// Starts a child process: 0 in it. What it prints is dropped.
[[nodiscard]] int start_child_process();
[[noreturn]] void end_child_process();
[[nodiscard]] int wait_for_child_process(int child);
[[nodiscard]] bool was_aborted(int status);

template <class Function>
int status_of_child(Function what) {
    const int child = start_child_process();
    if (child == 0) {
        what();
        end_child_process();
    }
    return wait_for_child_process(child);
}

} // namespace dunlin::test
