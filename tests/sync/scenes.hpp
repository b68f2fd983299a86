// One scene for each awaiter of sync/: a task that waits for it, what lets it go on, and whether
// that is still to be had afterwards.
#pragma once

#include <support/net_support.hpp>

#include <dunlin/loop/remote.hpp>
#include <dunlin/sync/channel.hpp>
#include <dunlin/sync/event.hpp>
#include <dunlin/sync/latch.hpp>
#include <dunlin/sync/mutex.hpp>
#include <dunlin/sync/one_shot.hpp>
#include <dunlin/sync/remote_channel.hpp>
#include <dunlin/sync/semaphore.hpp>

#include <chrono>
#include <optional>
#include <string>

namespace dunlin::test {

/// Each has `operation()`, the awaiter; `provide()`, which lets one of those waiting go on; and
/// `is_there()`, which takes what was provided, and says whether it was there.
struct event_scene {
    event flag;
    auto operation() { return flag.wait(); }
    void provide() { flag.set(); }
    bool is_there(test_loop&) { return flag.is_set(); }
};

struct mutex_scene {
    mutex door;
    mutex_guard held = door.try_lock();
    auto operation() { return door.lock(); }
    void provide() { held.unlock(); }
    bool is_there(test_loop&) {
        held = door.try_lock();
        return static_cast<bool>(held);
    }
};

struct semaphore_scene {
    semaphore slots{0};
    auto operation() { return slots.acquire(3); }
    void provide() { slots.release(3); }
    bool is_there(test_loop&) { return slots.try_acquire(3); }
};

struct one_shot_scene {
    one_shot<std::string> answer;
    auto operation() { return answer.wait(); }
    void provide() { REQUIRE(answer.set("x")); }
    bool is_there(test_loop& loop) {
        const auto got = loop.run(answer.wait());
        return got && got.assume_value() == "x";
    }
};

/// The same for both kinds of channel.
template <class Channel>
struct receive_scene {
    Channel items{1};
    auto operation() { return items.receive(); }
    void provide() { REQUIRE(items.try_send("x")); }
    bool is_there(test_loop&) {
        const auto got = items.try_receive();
        return got && got.assume_value() == "x";
    }
};

/// The value that is to be sent is seen to stay where it is.
template <class Channel>
struct send_scene {
    send_scene() { REQUIRE(items.try_send("first")); }
    Channel items{1};
    std::string value = "a value that is not sent";
    auto operation() { return items.send(std::move(value)); }
    void provide() { REQUIRE(items.try_receive()); }
    bool is_there(test_loop&) {
        const bool is_untouched = value == "a value that is not sent";
        return is_untouched && items.size() == 0 && items.try_send("next").has_value();
    }
};

using channel_receive_scene = receive_scene<channel<std::string>>;
using channel_send_scene = send_scene<channel<std::string>>;
using remote_receive_scene = receive_scene<remote_channel<std::string>>;
using remote_send_scene = send_scene<remote_channel<std::string>>;

/// What became of a wait, for all kinds of values.
template <class Scene>
io_task<> await_in(Scene& scene) {
    auto ended = co_await scene.operation();
    if (!ended) co_await fail(ended.error());
}
template <class Scene>
io_task<> await_in_for(Scene& scene, std::chrono::nanoseconds span) {
    auto ended = co_await scene.operation().timeout(span);
    if (!ended) co_await fail(ended.error());
}

} // namespace dunlin::test
