// What becomes of each awaiter of sync/ in the six cases that every awaiter meets.
#include "scenes.hpp"

using namespace dunlin;
using namespace dunlin::test;

namespace {

template <class Scene>
struct stage {
    test_loop loop;
    Scene scene;
    task_context* waiting = nullptr;

    auto start() { return loop.start(observe(await_in(scene), waiting)); }
    auto start_waiting() {
        auto started = start();
        loop.run_until_idle();
        REQUIRE_FALSE(started.is_done());
        return started;
    }
};

} // namespace

#define ALL_SCENES                                                                                 \
    event_scene, mutex_scene, semaphore_scene, one_shot_scene, channel_receive_scene,              \
        channel_send_scene, remote_receive_scene, remote_send_scene

TEMPLATE_TEST_CASE("what is there already is had without waiting",
                   "[sync][six:event_wait_operation:ready][six:mutex_lock_operation:ready]"
                   "[six:semaphore_acquire_operation:ready][six:one_shot_operation:ready]"
                   "[six:channel_receive_operation:ready][six:channel_send_operation:ready]"
                   "[six:remote_receive_operation:ready][six:remote_send_operation:ready]",
                   ALL_SCENES) {
    stage<TestType> s;
    s.scene.provide();
    auto started = s.start();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
    CHECK(s.loop.counters().resumptions == 1);
}

TEMPLATE_TEST_CASE("what comes later is waited for, and had in the next turn",
                   "[sync][six:event_wait_operation:later][six:mutex_lock_operation:later]"
                   "[six:semaphore_acquire_operation:later][six:one_shot_operation:later]"
                   "[six:channel_receive_operation:later][six:channel_send_operation:later]"
                   "[six:remote_receive_operation:later][six:remote_send_operation:later]",
                   ALL_SCENES) {
    stage<TestType> s;
    auto started = s.start_waiting();
    s.scene.provide();
    REQUIRE_FALSE(started.is_done());
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEMPLATE_TEST_CASE("a wait that is woken for nothing goes on",
                   "[sync][six:event_wait_operation:spurious][six:mutex_lock_operation:spurious]"
                   "[six:semaphore_acquire_operation:spurious][six:one_shot_operation:spurious]"
                   "[six:channel_receive_operation:spurious][six:channel_send_operation:spurious]"
                   "[six:remote_receive_operation:spurious][six:remote_send_operation:spurious]",
                   ALL_SCENES) {
    stage<TestType> s;
    auto started = s.start_waiting();
    for (int i = 0; i < 3; ++i)
        wake_for_nothing(s.loop, s.waiting);
    REQUIRE_FALSE(started.is_done());
    s.scene.provide();
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result());
}

TEMPLATE_TEST_CASE("a wait that is stopped has taken nothing",
                   "[sync][six:event_wait_operation:stopped][six:mutex_lock_operation:stopped]"
                   "[six:semaphore_acquire_operation:stopped][six:one_shot_operation:stopped]"
                   "[six:channel_receive_operation:stopped][six:channel_send_operation:stopped]"
                   "[six:remote_receive_operation:stopped][six:remote_send_operation:stopped]",
                   ALL_SCENES) {
    stage<TestType> s;
    auto started = s.start_waiting();
    started.stop();
    REQUIRE_FALSE(started.is_done()); // the stop only queues it
    s.loop.turn();
    REQUIRE(started.is_done());
    CHECK(started.result().error() == errc::stopped);
    s.scene.provide();
    s.loop.run_until_idle();
    CHECK(s.scene.is_there(s.loop));
}

TEMPLATE_TEST_CASE("a wait that is destroyed has taken nothing",
                   "[sync][six:event_wait_operation:destroyed][six:mutex_lock_operation:destroyed]"
                   "[six:semaphore_acquire_operation:destroyed][six:one_shot_operation:destroyed]"
                   "[six:channel_receive_operation:destroyed][six:channel_send_operation:destroyed]"
                   "[six:remote_receive_operation:destroyed][six:remote_send_operation:destroyed]",
                   ALL_SCENES) {
    stage<TestType> s;
    auto started = s.start_waiting();
    started.destroy();
    s.scene.provide();
    s.loop.run_until_idle();
    CHECK(s.scene.is_there(s.loop));
}

TEMPLATE_TEST_CASE(
    "a wait that is destroyed after it was woken, before its turn, has taken nothing",
    "[sync][six:event_wait_operation:destroyed-ready]"
    "[six:mutex_lock_operation:destroyed-ready]"
    "[six:semaphore_acquire_operation:destroyed-ready]"
    "[six:one_shot_operation:destroyed-ready]"
    "[six:channel_receive_operation:destroyed-ready]"
    "[six:channel_send_operation:destroyed-ready]"
    "[six:remote_receive_operation:destroyed-ready]"
    "[six:remote_send_operation:destroyed-ready]",
    ALL_SCENES) {
    stage<TestType> s;
    auto started = s.start_waiting();
    s.scene.provide();
    SECTION("by somebody outside of the loop") { started.destroy(); }
    SECTION("in the turn in which it is queued") {
        // What is posted runs before the tasks, and after what was posted for the wait itself.
        bool was_queued = false;
        const auto destroy = [&] {
            was_queued = s.waiting->is_queued();
            started.destroy();
        };
        REQUIRE(s.loop.sched().get_remote().post(destroy));
        s.loop.turn();
        CHECK(was_queued);
    }
    CHECK_FALSE(started.is_done());
    s.loop.run_until_idle();
    CHECK(s.scene.is_there(s.loop));
}
