// A server: accepts connections, runs a session for each, and stops well.
//
//     io_task<> session(tcp_socket client);
//
//     io_task<> server() {
//         auto listener = co_await or_return(tcp_listener::bind(endpoint::loopback_v4(8888)));
//         co_await serve(std::move(listener), session, {.max_connections = 50'000}).or_return();
//     }
//
// What it does beside the loop of `accept` and `spawn`: it keeps to a number of connections, ends
// sessions whose client stays silent, survives the lack of descriptors (accept.hpp), lets a
// session's last answer arrive although the client still sends, and, asked to stop, lets busy
// sessions finish.
#pragma once

#include <dunlin/net/tcp_listener.hpp>
#include <dunlin/net/tcp_socket.hpp>
#include <dunlin/task/child_failure.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/util/api.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace dunlin {

/// What a server has done so far. Read it at any time on the loop's thread.
struct serve_counters {
    std::uint64_t accepted = 0;
    std::uint64_t active = 0;    ///< Sessions that run now.
    std::uint64_t failed = 0;    ///< Sessions that ended with an error or an exception.
    std::uint64_t timed_out = 0; ///< Clients that `idle_timeout` was over for.
    std::uint64_t lingered = 0;  ///< Connections kept open for their last answer.
    std::uint64_t cut = 0;       ///< Sessions that were destroyed at the end of a drain.
};

/// Settings of `serve`.
struct serve_options {
    /// So many connections at once, those that only linger included. At the limit it stops
    /// accepting; further ones wait in the kernel's queue (`listen_options::backlog`). At least 1.
    std::size_t max_connections = 100'000;

    /// Ends, with the error `timeout`, a session's wait for its client (to send, or to take what is
    /// sent to it) in which nothing moves for so long, or up to a sixteenth longer; in a write or
    /// `read_exactly` of many steps each begins it anew. Zero: none.
    ///
    /// It costs nothing per message and no timer per session: all sessions are looked at now and
    /// then, at most sixteen times in that span. So it has its limits. It ends only what the
    /// session's own task awaits, on the client's own socket: not a read within a `when_any` or
    /// `when_all`, or in a task that the session has spawned, nor one of another socket. And a
    /// client that sends a byte now and then makes no wait that long. There use `.timeout()`.
    std::chrono::nanoseconds idle_timeout{0};

    /// How long busy sessions may go on after a stop was asked for; then they are destroyed.
    std::chrono::nanoseconds drain = std::chrono::seconds{10};

    /// How long at most a connection lingers whose session has ended with input unread (see
    /// `tcp_socket::lingering_close`). Zero: not at all.
    ///
    /// It is about a socket that the session still has at its end: the handler's parameter. One
    /// that was moved out of it, into a local or a member of one, is closed with that before the
    /// session is over, and the last answer may be lost: there, end with
    /// `co_await sock.lingering_close(2s).ignore()`.
    std::chrono::nanoseconds linger = std::chrono::seconds{2};

    /// Counted here, if given. It must outlive `serve`.
    serve_counters* counters = nullptr;
};

namespace detail {

/// Whether a handler takes its socket by value, so that the session's own frame keeps it.
template <class CallOperator>
inline constexpr bool takes_by_value = false;
template <class R>
inline constexpr bool takes_by_value<R (*)(tcp_socket)> = true;
template <class R>
inline constexpr bool takes_by_value<R (*)(tcp_socket) noexcept> = true;
template <class R, class H>
inline constexpr bool takes_by_value<R (H::*)(tcp_socket)> = true;
template <class R, class H>
inline constexpr bool takes_by_value<R (H::*)(tcp_socket) const> = true;
template <class R, class H>
inline constexpr bool takes_by_value<R (H::*)(tcp_socket) noexcept> = true;
template <class R, class H>
inline constexpr bool takes_by_value<R (H::*)(tcp_socket) const noexcept> = true;
template <class Handler>
consteval bool keeps_its_socket() {
    if constexpr (requires { &Handler::operator(); })
        return takes_by_value<decltype(&Handler::operator())>;
    else
        return takes_by_value<Handler>;
}

/// Keeps the socket of a session that would not keep it itself. `call` is of plain types, as g++ 12
/// warns of a frame with a field of a closure's type.
template <class Task>
Task keep_socket(Task (*call)(void*, tcp_socket&&), void* handler, tcp_socket client) {
    if constexpr (is_result<typename Task::value_type>)
        co_await call(handler, std::move(client)).or_return();
    else
        // tidy: a task<>, which gives nothing
        co_await call(handler, std::move(client));
}

/// Starts the sessions of a server, whatever the type of the handler.
class session_starter {
public:
    virtual void start(task_group& in, tcp_socket client) = 0;

protected:
    session_starter() noexcept = default;
    session_starter(const session_starter&) = default;
    session_starter& operator=(const session_starter&) = default;
    ~session_starter() = default;
};

template <class Handler>
class starter_of final : public session_starter {
public:
    explicit starter_of(Handler&& handler) : handler_{std::move(handler)} {}
    void start(task_group& in, tcp_socket client) override {
        // A coroutine around the session would outlive its socket, whose last words would be lost.
        if constexpr (keeps_its_socket<Handler>())
            in.spawn_borrowed(handler_, std::move(client));
        else
            in.spawn(keep_socket<session>, call, static_cast<void*>(&handler_), std::move(client));
    }

private:
    using session = std::invoke_result_t<Handler&, tcp_socket>;
    static session call(void* handler, tcp_socket&& client) {
        return (*static_cast<Handler*>(handler))(std::move(client));
    }

    Handler handler_;
};

[[nodiscard]] DUNLIN_API io_task<> serve(tcp_listener listener, session_starter& sessions,
                                         serve_options options, error_hook on_error);

} // namespace detail

/// Serves on `listener` until this task is asked to stop (or to drain), then lets the sessions
/// finish, and succeeds.
///
/// `handler(tcp_socket)` gives an `io_task<>` (or `task<>`); it is kept until the end and called
/// for each client. A session that fails ends alone: `on_error` hears of it, else it is only
/// counted; its exceptions, too, unless nobody hears them: then the log does.
///
/// The end: the listener closes. A session that is idle is stopped at once: one whose task waits to
/// read from its own client, has answered what it has read (a write has been done since), and whose
/// answers have been acknowledged; what lies in its receive buffer is read and answered first.
/// `.idle()` and `.busy()` on a read say otherwise. The others get `options.drain`; then their
/// frames are destroyed. The log tells how many are idle and how many busy, if there are any.
///
/// Error: the listener's, if accepting fails for good (the sessions are drained then, too). Loop
/// thread; allocates a frame per session, which is recycled.
template <class Handler>
    requires(std::is_invocable_v<Handler&, tcp_socket>)
[[nodiscard]] io_task<> serve(tcp_listener listener, Handler handler, serve_options options = {},
                              error_hook on_error = {}) {
    detail::starter_of<Handler> sessions{std::move(handler)};
    co_await detail::serve(std::move(listener), sessions, options, on_error).or_return();
}

} // namespace dunlin
