// A scene that is played over and over, each time with another allocation refused.
#pragma once

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/task/task_group.hpp>

#include <support/catch.hpp>
#include <support/counted_new.hpp>

#include <exception>
#include <new>
#include <system_error>
#include <thread>

namespace dunlin::test {

/// What became of it.
struct refused_scene {
    bool was_refused = false; ///< It came to that allocation.
    bool is_over = false;
    bool threw = false; ///< bad_alloc, for what is no io_task.
    std::error_code why;
    long leaked = 0; ///< Blocks.
};

/// Plays `scene()`, an io_task<>, with the `nth` allocation refused, on a thread of its own, as a
/// new one has empty pools. `turn(scheduler)` takes one turn; `settle()` waits for what other
/// threads may still hold in the end.
template <class Scene, class Turn, class Settle>
refused_scene play_refused(long nth, Scene scene, Turn turn, Settle settle) {
    refused_scene seen;
    const auto play = [&] {
        scheduler loop;
        task_group group;
        const refusal one{nth};
        try {
            group.spawn(scene);
            for (int i = 0; i < 1000 && !group.is_empty(); ++i)
                turn(loop);
        } catch (const std::bad_alloc&) {
            seen.threw = true;
        }
        seen.was_refused = one.has_happened();
        seen.is_over = group.is_empty();
        seen.why = group.first_error();
        try {
            if (auto thrown = group.take_exception()) std::rethrow_exception(thrown);
        } catch (const std::bad_alloc&) {
            seen.threw = true;
        }
    };
    const long before = live_allocations();
    std::thread{play}.join();
    settle();
    seen.leaked = live_allocations() - before;
    return seen;
}

/// Plays it for every allocation that it makes, then once more with none refused, and checks that
/// it ends and leaks nothing, and in the end without an error. `check(scene)` is called for each
/// that was refused something. Gives the number of these.
template <class Scene, class Turn, class Check, class Settle>
long play_all_refused(Scene scene, Turn turn, Check check, Settle settle) {
    static_cast<void>(play_refused(-1, scene, turn, settle)); // what is made once per program
    for (long nth = 0;; ++nth) {
        REQUIRE(nth < 1000);
        const refused_scene seen = play_refused(nth, scene, turn, settle);
        CAPTURE(nth, seen.why.message());
        CHECK(seen.is_over);
        CHECK(seen.leaked == 0);
        if (seen.was_refused) {
            check(seen);
            continue;
        }
        CHECK_FALSE(seen.why);
        CHECK_FALSE(seen.threw);
        return nth;
    }
}
template <class Scene, class Turn, class Check>
long play_all_refused(Scene scene, Turn turn, Check check) {
    return play_all_refused(scene, turn, check, [] {});
}

} // namespace dunlin::test
