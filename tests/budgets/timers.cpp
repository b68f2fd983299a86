// Small costs, to be counted: `timers WHAT COUNT` does one thing so many times.
#include <dunlin/dunlin.hpp>

#include <cstdlib>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;

namespace {

/// A byte that is there is read.
dunlin::io_task<> ready(bool timed, long count) {
    auto pair = co_await dunlin::or_return(dunlin::socket_pair());
    std::byte one[1] = {};
    for (long i = 0; i < count; ++i) {
        co_await pair.second.write(one).or_return();
        if (timed)
            co_await pair.first.read(one).timeout(1h).or_return();
        else
            co_await pair.first.read(one).or_return();
    }
}

dunlin::io_task<> read_all(dunlin::tcp_socket from, bool timed, long count) {
    std::byte one[1] = {};
    for (long i = 0; i < count; ++i) {
        if (timed)
            co_await from.read(one).timeout(1h).or_return();
        else
            co_await from.read(one).or_return();
    }
}

/// A byte is waited for.
dunlin::io_task<> waiting(bool timed, long count) {
    auto pair = co_await dunlin::or_return(dunlin::socket_pair());
    dunlin::task_group readers;
    readers.spawn(read_all, std::move(pair.first), timed, count);
    std::byte one[1] = {};
    for (long i = 0; i < count; ++i) {
        co_await dunlin::yield().or_return();
        co_await dunlin::yield().or_return();
        co_await pair.second.write(one).or_return();
    }
    co_await readers.join().or_return();
}

/// One of a million timers is armed and disarmed.
void wheel(long count) {
    dunlin::timer_queue queue{0};
    std::vector<dunlin::timer_node> pending(1'000'000);
    std::int64_t at = 1;
    for (auto& each : pending)
        queue.arm(each, at += 7'919);
    dunlin::timer_node one;
    for (long i = 0; i < count; ++i) {
        queue.arm(one, 1'000'000 + i * 31);
        queue.disarm(one);
    }
    for (auto& each : pending)
        queue.disarm(each);
}

} // namespace

int main(int, char** words) {
    const std::string_view what = words[1];
    const long count = std::atol(words[2]);
    if (what == "wheel") {
        wheel(count);
        return 0;
    }
    const bool timed = what.ends_with("_timed");
    return dunlin::run(what.starts_with("ready") ? ready(timed, count) : waiting(timed, count));
}
