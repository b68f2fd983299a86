// What it costs to bring work to a scheduler from another thread.
#include "driver.hpp"

#include <dunlin/loop/remote.hpp>

#include <support/catch.hpp>

#include <array>
#include <atomic>
#include <thread>

using namespace dunlin;
using namespace dunlin::bench;

namespace {

class counting_node final : public post_node {
public:
    void run() noexcept override { ran.fetch_add(1, std::memory_order_release); }
    void abandon() noexcept override {}
    static inline std::atomic<int> ran;
};

/// A thread that posts when it is told to: all at once, or each when the one before has run.
class poster {
public:
    enum job : int { none, all_at_once, one_by_one, end };

    explicit poster(remote to) : to_{std::move(to)} {}
    ~poster() {
        give(end);
        thread_.join();
    }
    poster(const poster&) = delete;
    poster& operator=(const poster&) = delete;

    void give(job what) {
        job_.store(what, std::memory_order_release);
        job_.notify_one();
    }

private:
    void work() {
        for (;;) {
            job_.wait(none, std::memory_order_acquire);
            const job what = job_.exchange(none, std::memory_order_acq_rel);
            if (what == end) return;
            for (counting_node& each : nodes_) {
                const int before = counting_node::ran.load(std::memory_order_acquire);
                if (!to_.post(each)) return;
                while (what == one_by_one &&
                       counting_node::ran.load(std::memory_order_acquire) == before) {
                }
            }
        }
    }

    remote to_;
    std::array<counting_node, times> nodes_;
    std::atomic<job> job_{none};
    std::thread thread_{[this] { work(); }};
};

} // namespace

TEST_CASE("threads", "[threads]") {
    driver loop;
    poster other{loop.sched().get_remote()};
    const auto run = [&](poster::job what) {
        counting_node::ran = 0;
        other.give(what);
        while (counting_node::ran != times)
            loop.turn();
        return times;
    };

    BENCHMARK("1,000 posts from another thread, all at once") { return run(poster::all_at_once); };
    BENCHMARK("1,000 posts from another thread, each to a scheduler that sleeps") {
        return run(poster::one_by_one);
    };
}
