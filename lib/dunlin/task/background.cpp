#include <dunlin/task/background.hpp>

#include <dunlin/loop/attachment.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <exception>
#include <string>

namespace dunlin {

namespace {

/// Its address stands for the kind of attachment.
constexpr char kind_of_background = 0;

std::string words_for(const child_failure& failed) {
    if (failed.exception() == nullptr) {
        const std::error_code why = failed.error();
        return why.message() + " (" + why.category().name() + ":" + std::to_string(why.value()) +
               ")";
    }
    try {
        std::rethrow_exception(failed.exception());
    } catch (const std::exception& thrown) {
        return std::string{"exception: "} + thrown.what();
    } catch (...) {
        return "exception of a type of its own";
    }
}

void log_failure(const child_failure& failed) noexcept {
    const scheduler* const here = scheduler::current();
    DUNLIN_ASSERT(here != nullptr);
    try {
        here->log(log_level::error, "a background task has failed: " + words_for(failed),
                  failed.spawned_at());
    } catch (...) { // no memory for the words
        here->log(log_level::error, "a background task has failed", failed.spawned_at());
    }
}

class background_group final : public detail::attachment {
public:
    background_group() noexcept : attachment{&kind_of_background} {}

    void end() noexcept override { group.end(); }
    void destroy() noexcept override { delete this; }

    task_group group{on_child_error::carry_on, log_failure};
};

background_group* find_in(const scheduler& home) noexcept {
    return static_cast<background_group*>(home.attached(&kind_of_background));
}

} // namespace

task_group& background() {
    scheduler* const here = scheduler::current();
    DUNLIN_ASSERT(here != nullptr); // it belongs to a scheduler
    background_group* found = find_in(*here);
    if (found == nullptr) {
        found = new background_group;
        here->attach(*found);
    }
    return found->group;
}

void detail::end_background(scheduler& home, std::chrono::nanoseconds grace) noexcept {
    background_group* const found = find_in(home);
    if (found == nullptr) return;
    const scheduler::as_current here{home};
    task_group& group = found->group;
    group.request_stop();
    const std::int64_t deadline = deadline_after(now().time_since_epoch().count(), grace);
    while (!group.is_empty()) {
        const std::int64_t present = now().time_since_epoch().count();
        if (present >= deadline) break;
        if (!home.poll_once(std::chrono::nanoseconds{deadline - present})) break;
    }
    group.end();
}

} // namespace dunlin
