// A server (`serve`) on a port of its own, whose time only the test moves, and clients made by
// hand.
#pragma once

#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <dunlin/net/serve.hpp>
#include <dunlin/task/sleep.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dunlin::test {

/// What the library has logged in this test.
inline std::vector<std::string> logged;

inline bool has_logged(std::string_view words) {
    for (const std::string& each : logged)
        if (each.find(words) != std::string::npos) return true;
    return false;
}

inline scheduler_options logging() {
    logged.clear();
    scheduler_options options;
    options.log = [](log_level, std::string_view words, std::source_location) noexcept {
        logged.emplace_back(words);
    };
    return options;
}

class server {
public:
    template <class Handler>
    explicit server(Handler handler, serve_options options = {}, error_hook on_error = {}) {
        auto listener = listen_somewhere();
        where = where_it_listens(listener);
        number = listener.fd().get();
        options.counters = &counts;
        serving.emplace(
            loop.start(dunlin::serve(std::move(listener), std::move(handler), options, on_error)));
        loop.run_until_idle();
    }

    /// A client that has been accepted.
    raw_peer connect() {
        const auto before = counts.accepted;
        raw_peer made = connect_raw(where);
        loop.run_until([&] { return counts.accepted == before + 1; });
        loop.run_until_idle();
        return made;
    }

    /// A client whose session waits for it says something, and is heard.
    void hear(raw_peer& from, std::string_view words) {
        const auto before = loop.counters().events;
        from.send(words);
        loop.run_until([&] { return loop.counters().events > before; });
        loop.run_until_idle();
    }

    /// What the client gets, exactly so much.
    std::string answer(raw_peer& to, std::size_t size) {
        std::string got;
        loop.run_until([&] {
            if (const auto more = to.try_receive(size - got.size())) {
                REQUIRE_FALSE(more->empty());
                got += *more;
            }
            return got.size() == size;
        });
        return got;
    }

    /// Whether the client has been told the end, without anything before it.
    bool is_ended(raw_peer& client) {
        loop.run_until_idle();
        const auto came = client.try_receive();
        return came && came->empty();
    }

    void after(std::chrono::nanoseconds span) {
        fake_clock::advance(span);
        loop.run_until_idle();
    }

    /// Lets real time go by (acknowledgements take some) and the clock with it.
    template <class Predicate>
    void pass_until(Predicate is_true) {
        loop.run_until([&] {
            if (is_true()) return true;
            fake_clock::advance(1ms);
            return false;
        });
    }

    bool is_over() { return serving->is_done(); }

    test_loop loop{logging()};
    serve_counters counts;
    endpoint where;
    int number = -1;                              ///< The listener's.
    std::optional<pending<result<void>>> serving; ///< First to be destroyed.
};

// ---- handlers

inline io_task<> echo(tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

/// Answers a line, whatever else comes.
inline io_task<> answer_once(tcp_socket client) {
    const auto data = co_await client.read().or_return();
    CHECK_FALSE(data.is_end());
    co_await client.write("the answer").or_return();
}

} // namespace dunlin::test
