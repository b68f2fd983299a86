// Tasks that do to each other whatever is allowed, at random: a seed that fails is replayed
// exactly. What this looks for is seen by the sanitizers and by the library's own assertions.
#include <dunlin/loop/remote.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

#include <array>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

struct world {
    explicit world(unsigned seed) : dice{seed} {}

    unsigned roll(unsigned sides) { return static_cast<unsigned>(dice() % sides); }

    std::minstd_rand dice;
    test_loop loop;
    std::array<tcp_socket, 8> left;
    std::array<tcp_socket, 8> right;
    std::array<std::unique_ptr<task_group>, 4> groups;
    std::array<bool, 4> is_joined{};
    long started = 0;
    long ended = 0;
};

/// Counts its task out, and may touch a group while it is destroyed.
class witness {
public:
    explicit witness(world& in) : in_{&in} { ++in.started; }
    witness(const witness&) = delete;
    witness& operator=(const witness&) = delete;
    ~witness() {
        ++in_->ended;
        task_group* const group = in_->groups[in_->roll(4)].get();
        if (group == nullptr) return;
        switch (in_->roll(200)) {
        case 0:
            group->request_stop();
            break;
        case 1:
            group->end();
            break;
        case 2:
            group->request_drain();
            break;
        default:
            break;
        }
    }

private:
    world* in_;
};

io_task<> wander(world& in, int depth);

io_task<int> step(world& in, int depth) {
    const witness here{in};
    tcp_socket& socket = in.roll(2) == 0 ? in.left[in.roll(8)] : in.right[in.roll(8)];
    std::byte into[64];
    switch (in.roll(13)) {
    case 0:
        co_await sleep_for(std::chrono::nanoseconds{in.roll(2000)}).ignore();
        break;
    case 1:
        co_await sleep_for(std::chrono::nanoseconds{in.roll(2000)}).or_return();
        break;
    case 2:
        co_await socket.read(into).ignore();
        break;
    case 3:
        co_await socket.read(into).or_return();
        break;
    case 4: {
        const std::string words(in.roll(3) == 0 ? 300'000 : 20, 'x');
        co_await socket.write(words).ignore();
        break;
    }
    case 5:
        co_await socket.readable().ignore();
        break;
    case 6:
        co_await socket.writable().ignore();
        break;
    case 7: {
        if (depth < 5) {
            const int got = co_await step(in, depth + 1).or_return();
            co_return got + 1;
        }
        break;
    }
    case 8: {
        task_group own{in.roll(2) == 0 ? on_child_error::carry_on : on_child_error::stop_siblings};
        if (depth < 3)
            for (unsigned i = in.roll(3); i > 0; --i)
                own.spawn(wander, std::ref(in), depth + 1);
        switch (in.roll(4)) {
        case 0:
            co_await own.join().ignore();
            break;
        case 1:
            co_await own.join().or_return();
            break;
        case 2:
            co_await own.drain(std::chrono::nanoseconds{in.roll(3000)}).ignore();
            break;
        default:
            co_await sleep_for(1us).ignore();
            break; // and leaves them to their end
        }
        break;
    }
    case 9:
        co_return errc::end_of_stream;
    case 10:
        throw std::runtime_error{"storm"};
    case 11: {
        const unsigned which = in.roll(8);
        if (in.roll(4) == 0) in.left[which].close();
        if (!in.left[which].is_open()) {
            auto made = socket_pair();
            if (made) {
                in.left[which] = std::move(made.value().first);
                in.right[which] = std::move(made.value().second);
            }
        }
        break;
    }
    default: {
        const unsigned which = in.roll(4);
        task_group* const group = in.groups[which].get();
        if (group != nullptr && depth < 4) group->spawn(wander, std::ref(in), depth + 1);
        break;
    }
    }
    co_return 1;
}

io_task<> wander(world& in, int depth) {
    const witness here{in};
    for (unsigned i = in.roll(20); i > 0; --i) {
        try {
            auto got = co_await step(in, depth);
            if (!got && in.roll(4) == 0) co_await or_return(std::move(got));
        } catch (const std::runtime_error&) {
            if (in.roll(3) == 0) throw;
        }
    }
}

task<> join_it(world& in, unsigned which) {
    try {
        co_await in.groups[which]->join().ignore();
    } catch (const std::runtime_error&) {
    }
    in.is_joined[which] = false;
}

void play(unsigned seed) {
    world in{seed};
    std::vector<pending<void>> joins;
    for (unsigned i = 0; i < 8; ++i) {
        auto made = socket_pair();
        REQUIRE(made);
        in.left[i] = std::move(made.value().first);
        in.right[i] = std::move(made.value().second);
    }
    for (int round = 0; round < 1000; ++round) {
        const unsigned which = in.roll(4);
        auto& group = in.groups[which];
        switch (in.roll(16)) {
        case 0:
            if (!in.is_joined[which]) group.reset();
            break;
        case 1:
            if (group != nullptr) group->request_stop();
            break;
        case 2:
            if (group != nullptr) group->end();
            break;
        case 3:
            if (group != nullptr && !in.is_joined[which]) {
                in.is_joined[which] = true;
                joins.push_back(in.loop.start(join_it(in, which)));
            }
            break;
        default:
            if (group == nullptr)
                group = std::make_unique<task_group>(
                    in.roll(2) == 0 ? on_child_error::carry_on : on_child_error::stop_siblings);
            for (unsigned i = in.roll(8); i > 0; --i)
                group->spawn(wander, std::ref(in), 0);
        }
        for (unsigned i = in.roll(4); i > 0; --i)
            in.loop.turn();
        fake_clock::advance(std::chrono::nanoseconds{in.roll(1500)});
    }
    joins.clear();
    for (auto& group : in.groups) {
        // A witness that dies with the group must not find it half gone.
        const std::unique_ptr<task_group> last = std::move(group);
    }
    CHECK(in.started == in.ended);
    CHECK(in.started > 1000);
    for (unsigned i = 0; i < 8; ++i) {
        in.left[i].close();
        in.right[i].close();
    }
    in.loop.run_until_idle();
}

} // namespace

TEST_CASE("whatever tasks do to each other, each is destroyed once and nothing is left behind",
          "[task][storm]") {
    for (unsigned seed = 1; seed <= 40; ++seed) {
        INFO("seed " << seed);
        play(seed);
    }
}
