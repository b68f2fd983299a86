#include <dunlin/net/serve.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys/fd.hpp>
#include <dunlin/sys/socket.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>
#include <dunlin/util/assert.hpp>
#include <dunlin/util/planted.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <functional>
#include <source_location>
#include <type_traits>

namespace dunlin {

static_assert(std::is_trivially_destructible_v<serve_options>);

namespace {

/// Keeps a connection open beyond its session when a close would destroy the last answer: with
/// input unread the kernel resets it (RFC 2525, section 2.17).
class last_words final : public detail::child_observer {
public:
    last_words(scheduler& on, const serve_options& options, serve_counters& counters) noexcept
        : sched_{on}, grace_{options.linger}, counters_{counters} {}
    last_words(const last_words&) = delete;
    last_words& operator=(const last_words&) = delete;
    ~last_words() { counters_.active -= active_; } // destroyed with the server

    void has_begun() noexcept {
        ++active_;
        ++counters_.active;
    }
    void were_cut(std::size_t count) noexcept {
        active_ -= count;
        counters_.active -= count;
    }

    void about_to_go(task_context& ended) noexcept override {
        were_cut(1);
        if (grace_.count() <= 0 || DUNLIN_PLANTED(no_last_words)) return;
        detail::watch* const client = sched_.find_watch(ended.own_key);
        if (client == nullptr || client->has_ended || sys::unread(client->fd) <= 0) return;
        auto kept = sys::duplicate(borrowed_fd{client->fd});
        if (!kept) return; // without a descriptor it closes as it would have
        client->is_shared = true;
        ++counters_.lingered;
        keeping_.spawn(linger, tcp_socket{std::move(kept).assume_value()}, grace_);
    }

    task_group& keeping() noexcept { return keeping_; }

private:
    static io_task<> linger(tcp_socket client, std::chrono::nanoseconds grace) {
        co_await client.lingering_close(grace).or_return();
    }

    scheduler& sched_;
    std::chrono::nanoseconds grace_;
    serve_counters& counters_;
    std::size_t active_ = 0; ///< Of this server: several may count in one place.
    task_group keeping_{on_child_error::carry_on};
};

/// Counts the sessions that fail, and passes on that they did.
class failure_counter {
public:
    failure_counter(scheduler& on, serve_counters& counters, error_hook on_error) noexcept
        : sched_{on}, counters_{counters}, on_error_{on_error} {}

    void hear(const child_failure& failed) const noexcept {
        ++counters_.failed;
        error_hook on_error = on_error_;
        if (on_error)
            on_error(failed);
        else if (failed.exception() != nullptr) // a bug: it must not pass unheard
            sched_.log(log_level::error, "a session threw an exception", failed.spawned_at());
    }

private:
    scheduler& sched_;
    serve_counters& counters_;
    error_hook on_error_;
};

/// Ends waits for clients that have lasted for `limit`. Looking at all sessions now and then costs
/// less than a timer for each.
io_task<> end_idle(const task_group& sessions, std::chrono::nanoseconds limit,
                   serve_counters& counters) {
    const std::chrono::nanoseconds shortest{std::max<std::int64_t>(limit.count() / 16, 1)};
    std::chrono::nanoseconds pause = limit;
    for (;;) {
        co_await sleep_for(std::max(pause, shortest)).or_return();
        const std::int64_t present = now().time_since_epoch().count();
        pause = limit;
        for (auto* each = sessions.newest_child(); each != nullptr; each = each->sibling_next) {
            if (each->leaf == nullptr || !each->leaf->waits_for_client()) continue;
            const std::chrono::nanoseconds left{detail::deadline_after(each->since, limit) -
                                                present};
            if (left.count() > 0) {
                pause = std::min(pause, left);
            } else if (each->leaf->deadline() > present) {
                ++counters.timed_out;
                each->leaf->end_by_timeout();
            }
        }
    }
}

/// Waits until fewer than `most` connections are left, those that linger included.
io_task<> wait_for_place(task_group& clients, task_group& lingering, std::size_t most) {
    if (DUNLIN_PLANTED(limit_off_by_one)) ++most;
    while (clients.size() + lingering.size() >= most) {
        const std::size_t last_words = lingering.size();
        if (last_words == 0)
            co_await clients.room(most).or_return();
        else if (last_words >= most)
            co_await lingering.room(most).or_return();
        else
            co_await when_any(clients.room(most - last_words), lingering.room(last_words))
                .or_return();
    }
}

std::chrono::nanoseconds time_until(std::int64_t end) noexcept {
    return std::chrono::nanoseconds{end - now().time_since_epoch().count()};
}

void log_drain(scheduler& sched, const task_group& sessions, std::chrono::nanoseconds grace) {
    std::size_t idle = 0;
    for (auto* each = sessions.newest_child(); each != nullptr; each = each->sibling_next)
        if (each->leaf != nullptr && each->leaf->is_idle()) ++idle;
    char words[120];
    const int size = std::snprintf(
        words, sizeof words, "draining: %zu idle and %zu busy sessions, for at most %.3g s", idle,
        sessions.size() - idle, std::chrono::duration<double>{grace}.count());
    sched.log(log_level::info, {words, static_cast<std::size_t>(size)});
}

void log_cut(scheduler& sched, std::size_t cut) {
    char words[60];
    const char* const were = cut == 1 ? "session was" : "sessions were";
    const int size = std::snprintf(words, sizeof words, "drained: %zu %s cut off", cut, were);
    sched.log(log_level::info, {words, static_cast<std::size_t>(size)});
}

} // namespace

io_task<> detail::serve(tcp_listener listener, session_starter& sessions, serve_options options,
                        error_hook on_error) {
    DUNLIN_ASSERT(options.max_connections >= 1);
    scheduler& sched = *scheduler::current();
    serve_counters own;
    serve_counters& counters = options.counters != nullptr ? *options.counters : own;
    last_words lasting{sched, options, counters};
    const failure_counter failures{sched, counters, on_error};
    const auto hear = [&failures](const child_failure& failed) { failures.hear(failed); };
    task_group clients{on_child_error::carry_on, hear};
    clients.observe(lasting);
    task_group watchdog{on_child_error::carry_on};
    if (options.idle_timeout.count() > 0)
        watchdog.spawn(end_idle, std::cref(clients), options.idle_timeout, std::ref(counters));

    std::error_code why;
    while (!why) {
        if (clients.size() + lasting.keeping().size() >= options.max_connections) {
            const auto room =
                co_await wait_for_place(clients, lasting.keeping(), options.max_connections);
            if (!room) {
                why = room.assume_error();
                break;
            }
        }
        // Those that wait already are served, but new ones may come for ever.
        const task_context& self = *sched.current_task();
        if (self.is_draining() && self.budget == 0) {
            why = errc::stopped;
            break;
        }
        auto client = co_await listener.accept();
        if (!client) {
            why = client.assume_error();
            break;
        }
        ++counters.accepted;
        const std::uint64_t key = client.assume_value().watch_key();
        const std::size_t before = clients.size();
        try {
            sessions.start(clients, std::move(client).assume_value());
        } catch (...) { // memory for a `task<>` is refused, or the handler is no coroutine
            const std::exception_ptr thrown = std::current_exception();
            failures.hear({{}, thrown, std::source_location::current(), nullptr, nullptr});
        }
        if (clients.size() > before) {
            clients.newest_child()->own_key = key;
            lasting.has_begun();
        }
    }

    listener.close();
    const bool has_none = clients.is_empty();
    if (!has_none) log_drain(sched, clients, options.drain);
    const std::int64_t end =
        detail::deadline_after(now().time_since_epoch().count(), options.drain);
    const std::size_t cut = co_await clients.drain(options.drain).or_return();
    counters.cut += cut;
    lasting.were_cut(cut);
    co_await lasting.keeping().drain(time_until(end)).ignore();
    if (!has_none) log_cut(sched, cut);
    if (why != errc::stopped) co_await fail(why);
}

} // namespace dunlin
