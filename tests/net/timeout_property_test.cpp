// Timeouts and races at random on one socket: no byte is lost. Only the test moves the clock.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>

#include <support/fake_clock.hpp>
#include <support/net_support.hpp>

#include <algorithm>
#include <random>
#include <string>

using namespace dunlin;
using namespace dunlin::test;

TEST_CASE("sessions with timeouts at random lose no byte", "[net][timeout]") {
    test_loop loop;
    std::mt19937 random{7};
    auto ends = GENERATE(false, true) ? loop.tcp_pair() : loop.socket_pair();
    std::string got;
    const auto collects = [&]() -> task<> {
        for (;;) {
            const std::chrono::nanoseconds limit{static_cast<int>(random() % 4)};
            switch (random() % 5) {
            case 0: {
                const auto data = co_await ends.here.read().timeout(limit);
                if (data && data.value().is_end()) co_return;
                if (data) got += data.value().text();
                break;
            }
            case 1: {
                const auto text = co_await read_text(ends.here).timeout(limit);
                if (text && text.value().empty()) co_return;
                if (text) got += text.value();
                break;
            }
            case 2: {
                auto raced = co_await when_any(ends.here.read(), sleep_for(limit));
                if (raced && raced.value().index() == 0) {
                    if (std::get<0>(raced.value()).is_end()) co_return;
                    got += std::get<0>(raced.value()).text();
                }
                break;
            }
            case 3: {
                auto raced = co_await when_any(sleep_for(limit), ends.here.read());
                if (raced && raced.value().index() == 1) {
                    if (std::get<1>(raced.value()).is_end()) co_return;
                    got += std::get<1>(raced.value()).text();
                }
                break;
            }
            default: {
                std::string into(5, '?');
                std::size_t moved = 0;
                const auto all =
                    co_await ends.here.read_exactly(bytes_of(into), &moved).timeout(limit);
                got += into.substr(0, moved);
                if (!all && all.error() == errc::end_of_stream) co_return;
                break;
            }
            }
        }
    };
    auto started = loop.start(collects());
    const std::string sent = pattern(20'000);
    for (std::size_t at = 0; at < sent.size();) {
        const std::size_t size = std::min<std::size_t>(random() % 12, sent.size() - at);
        ends.there.send(sent.substr(at, size));
        at += size;
        fake_clock::advance(std::chrono::nanoseconds{static_cast<int>(random() % 3)});
        loop.turn();
    }
    ends.there.shutdown_write();
    loop.run_until([&] {
        fake_clock::advance(1ns);
        return started.is_done();
    });
    CHECK(got == sent);
}
