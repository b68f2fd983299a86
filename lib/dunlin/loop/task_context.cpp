#include <dunlin/loop/task_context.hpp>

#include <dunlin/loop/operation.hpp>
#include <dunlin/util/planted.hpp>

namespace dunlin {

using detail::stop_level;
using detail::time_scope;

namespace {

/// Whether a stop comes to what is inside of `scope` (null: the whole task); tells the hearers.
bool tell_from_outside(const time_scope* scope, bool whole_task_stops) noexcept {
    if (scope == nullptr) return whole_task_stops;
    const bool comes_from_outside = tell_from_outside(scope->outer, whole_task_stops);
    const bool comes = scope->has_expired || (comes_from_outside && !scope->is_shield);
    if (comes && scope->hearer != nullptr) scope->hearer->hear_stop();
    return comes;
}

} // namespace

void task_context::tell_hearers() noexcept {
    static_cast<void>(tell_from_outside(scopes, requested >= stop_level::all));
}

void task_context::update_stop() noexcept {
    bool has_expired = false;
    stop = requested;
    for (const time_scope* scope = scopes; scope != nullptr; scope = scope->outer) {
        has_expired = has_expired || scope->has_expired;
        if (!scope->is_shield || DUNLIN_PLANTED(shield_leaks)) continue;
        stop = stop_level::none;
        break;
    }
    if (has_expired && stop < stop_level::all) stop = stop_level::all;
}

bool task_context::leave_scope() noexcept {
    const time_scope& left = *scopes;
    scopes = left.outer;
    if (!DUNLIN_PLANTED(scope_stays_over)) update_stop();
    // Who is told to stop from further out as well tells that one, not this; in a shield he was
    // not.
    return left.has_expired && !left.keeps_stopped && (left.is_shield || !is_stopping());
}

void task_context::expire_scopes(std::int64_t now) noexcept {
    bool some_have = false;
    for (time_scope* scope = scopes; scope != nullptr; scope = scope->outer) {
        if (!scope->has_expired && scope->deadline <= now) {
            scope->has_expired = true;
            some_have = true;
        }
        if (scope->is_shield) break;
    }
    if (!some_have) return;
    update_stop();
    tell_hearers();
    if (leaf != nullptr) leaf->interrupt();
}

std::int64_t task_context::next_deadline(std::int64_t now) const noexcept {
    std::int64_t earliest = detail::never;
    const auto consider = [&](std::int64_t deadline) {
        if (deadline > now && deadline < earliest) earliest = deadline;
    };
    if (leaf != nullptr) consider(leaf->deadline());
    for (const time_scope* scope = scopes; scope != nullptr; scope = scope->outer) {
        if (!scope->has_expired) consider(scope->deadline);
        if (scope->is_shield) break;
    }
    return earliest;
}

std::int64_t task_context::deadline_in_force() const noexcept {
    std::int64_t earliest = detail::never;
    const auto consider = [&](std::int64_t deadline) {
        if (deadline < earliest) earliest = deadline;
    };
    for (const task_context* task = this; task != nullptr; task = task->owner->awaiting_task()) {
        if (task->leaf != nullptr) consider(task->leaf->deadline());
        for (const time_scope* scope = task->scopes; scope != nullptr; scope = scope->outer) {
            consider(scope->deadline); // also when it has passed
            if (scope->is_shield) return earliest;
        }
    }
    return earliest;
}

void detail::leave_scope(task_context& task, promise_base& ended) noexcept {
    ended.has_scope = false;
    const bool was_its_doing = task.leave_scope();
    if (was_its_doing && ended.ending == promise_base::how::error && ended.error() == errc::stopped)
        ended.end_with(errc::timeout);
}

} // namespace dunlin
