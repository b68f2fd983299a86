#include <dunlin/task/task_group.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>
#include <dunlin/util/planted.hpp>

#include <new>
#include <type_traits>
#include <utility>

namespace dunlin {

static_assert(std::is_trivially_destructible_v<error_hook>);

// ---- the group

task_group::task_group(on_child_error policy, error_hook on_error) noexcept
    : sched_{scheduler::current()}, policy_{policy}, on_error_{on_error} {
    DUNLIN_ASSERT(sched_ != nullptr); // a group belongs to a running scheduler
    sched_->add_owner(*this);
}

task_group::~task_group() {
    DUNLIN_ASSERT(sched_ == scheduler::current()); // destroyed on another thread
    has_ended_ = true;                             // what destructors spawn now is not run
    static_cast<void>(destroy_children());
    if (is_gone_ != nullptr) *is_gone_ = true;
    sched_->forget(static_cast<detail::task_owner&>(*this));
    sched_->remove_owner(*this);
    DUNLIN_ASSERT(waiter_ == nullptr); // somebody still waits in join or drain
}

std::int64_t task_group::deadline_in(std::chrono::nanoseconds grace) noexcept {
    return detail::deadline_after(now().time_since_epoch().count(), grace);
}

void task_group::add(detail::promise_base& root, task_name name) noexcept {
    void* const frame = root.handle().address();
    void* room = detail::context_room_of(frame);
    if (room == nullptr) room = detail::allocate_context();
    if (room == nullptr || has_ended_) {
        if (room != nullptr && detail::context_room_of(frame) == nullptr)
            detail::free_context(room);
        root.handle().destroy();
        if (!has_ended_) note_refused(name.here());
        return;
    }
    auto& child = *::new (room) task_context{*sched_, *this, root, name.here(), name.literal()};
    child.number = sched_->next_task_number();
    child.raise_stop(stop_);
    // A session's helpers have the session's client.
    const task_context* const maker = sched_->current_task();
    if (maker != nullptr && maker->number == made_in) child.own_key = maker->own_key;
    add_task(child);
    ++size_;
    sched_->schedule(child);
}

void task_group::remove(task_context& child) noexcept {
    remove_task(child);
    --size_;
}

/// Destroys the frames of a child that is in no list any more, and its context with them.
void task_group::destroy(task_context& child) noexcept {
    scheduler& sched = *child.sched;
    DUNLIN_ASSERT(&child != sched.current_task()); // a task cannot destroy itself
    sched.retire(child);
    const bool is_apart = detail::context_room_of(child.root->handle().address()) == nullptr;
    detail::destroy_left(child.root); // from inside out: what it awaits is in its frame
    if (is_apart) detail::free_context(&child);
}

bool task_group::destroy_children() noexcept {
    bool is_gone = false;
    bool* const outer = std::exchange(is_gone_, &is_gone);
    while (first_task != nullptr) { // destructors of the children's locals may come back here
        task_context& child = *first_task;
        remove(child);
        destroy(child);
        if (is_gone) { // and one of them may have owned this group
            if (outer != nullptr) *outer = true;
            return false;
        }
    }
    is_gone_ = outer;
    return true;
}

void task_group::task_ended(task_context& ended) noexcept {
    detail::promise_base& root = *ended.root;
    remove(ended);
    bool is_gone = false; // the hook may end the group, and a child may own it
    bool* const outer = std::exchange(is_gone_, &is_gone);
    if (root.ending == detail::promise_base::how::exception) {
        ++failures_;
        const bool is_dealt_with = on_error_ && policy_ == on_child_error::carry_on;
        if (first_exception_ == nullptr && !is_dealt_with) first_exception_ = root.exception;
        if (policy_ == on_child_error::stop_siblings) request_stop();
        tell({}, root.exception, ended.spawned, &ended, nullptr);
    } else if (root.ending == detail::promise_base::how::error) {
        const bool was_asked = stop_ != detail::stop_level::none && root.error() == errc::stopped;
        if (!was_asked) {
            const detail::error_path* const path =
                root.error_is_on_path ? &sched_->path() : nullptr;
            note_error(root.error(), path);
            tell(root.error(), nullptr, ended.spawned, &ended, path);
        }
    }
    if (is_gone) {
        if (outer != nullptr) *outer = true;
        return destroy(ended);
    }
    is_gone_ = outer;
    wake_waiter();
    if (observer_ != nullptr) observer_->about_to_go(ended);
    destroy(ended); // last: the group itself may be among its locals
}

void task_group::note_error(std::error_code why, const detail::error_path* path) noexcept {
    ++failures_;
    if (policy_ == on_child_error::carry_on || first_error_) return;
    first_error_ = why;
    if (path != nullptr) first_path_ = *path;
    request_stop();
}

void task_group::note_refused(std::source_location here) noexcept {
    const std::error_code why = std::make_error_code(std::errc::not_enough_memory);
    note_error(why, nullptr);
    tell(why, nullptr, here, nullptr, nullptr);
}

void task_group::tell(std::error_code why, const std::exception_ptr& thrown,
                      std::source_location spawned, const task_context* child,
                      const detail::error_path* path) noexcept {
    if (on_error_) on_error_(child_failure{why, thrown, spawned, child, path});
}

void task_group::wake_waiter() noexcept {
    if (waiter_ != nullptr && size_ <= waiter_->most_left()) sched_->schedule(waiter_->task());
}

void task_group::request_stop() noexcept { request(detail::stop_level::all); }

void task_group::request_drain() noexcept { request(detail::stop_level::drain); }

void task_group::request(detail::stop_level level) noexcept {
    if (stop_ < level) stop_ = level;
    for (task_context* child = first_task; child != nullptr; child = child->sibling_next) {
        if (DUNLIN_PLANTED(drain_forgets) && level == detail::stop_level::drain &&
            child->sibling_next == nullptr)
            break;
        child->raise_stop(level);
        if (child->leaf != nullptr && !DUNLIN_PLANTED(stop_without_wake)) child->leaf->interrupt();
    }
}

void task_group::end() noexcept {
    has_ended_ = true;
    if (sched_->current_task() == nullptr)
        end_now();
    else
        sched_->end_after_entry(*this);
}

void task_group::end_now() noexcept {
    if (destroy_children()) wake_waiter();
}

// ---- waiting for it

namespace detail {

group_operation::~group_operation() {
    if (is_claimed_) leave();
    if (is_waiting_) abandon();
}

bool group_operation::claim() noexcept {
    // A task cannot wait for its own end.
    DUNLIN_ASSERT(context_->owner != static_cast<task_owner*>(group_));
    if (group_->waiter_ != nullptr) return false;
    group_->waiter_ = this;
    is_claimed_ = true;
    return true;
}

void group_operation::leave() noexcept {
    group_->waiter_ = nullptr;
    is_claimed_ = false;
}

/// A stop goes on to the children; this task stays until they are gone.
void group_operation::interrupt() noexcept {
    if (context_->is_draining() && !DUNLIN_PLANTED(stop_not_forwarded))
        group_->request(context_->stop);
}

std::error_code group_operation::error() const noexcept {
    if (outcome_ == -1) return group_->first_error_;
    return operation::error();
}

void group_operation::begin_path(error_path& path, std::source_location where) const noexcept {
    if (outcome_ != -1) {
        path.restart(where);
        return;
    }
    path = group_->first_path_;
    path.append(where);
}

} // namespace detail

bool join_operation::is_over() noexcept {
    if (!group_->is_empty()) return false;
    if (group_->first_exception_ != nullptr) {
        outcome_ = 0; // thrown by `take`
    } else if (group_->first_error_) {
        outcome_ = -1; // see error()
    } else if (context_->is_stopping()) {
        outcome_ = detail::failure(errc::stopped);
    } else if (has_expired_) {
        outcome_ = detail::failure(errc::timeout);
    }
    return true;
}

bool join_operation::begin() noexcept {
    interrupt(); // a stop that came before goes on to the children as well
    if (!claim()) {
        outcome_ = detail::failure(errc::busy);
        return finish();
    }
    if (is_over()) {
        leave();
        return finish();
    }
    wait();
    return false;
}

bool join_operation::attempt() noexcept {
    if (!is_over()) {
        if (!has_timed_out() || has_expired_) return false;
        has_expired_ = true;
        group_->request_stop();
        return false;
    }
    leave();
    return true;
}

void join_operation::take() {
    if (std::exception_ptr thrown = group_->take_exception())
        std::rethrow_exception(std::move(thrown));
}

bool drain_operation::is_over() noexcept {
    if (group_->is_empty()) return true;
    if (now().time_since_epoch().count() < deadline_ && !has_timed_out()) return false;
    outcome_ = static_cast<detail::outcome>(group_->size());
    static_cast<void>(group_->destroy_children()); // it is waited for, so it outlives them
    return true;
}

bool drain_operation::begin() noexcept {
    if (!claim()) {
        outcome_ = detail::failure(errc::busy);
        return finish();
    }
    group_->request_drain();
    if (group_->is_empty()) {
        leave();
        return finish();
    }
    context_->sched->arm(*context_, deadline_);
    wait();
    return false;
}

bool drain_operation::attempt() noexcept {
    if (!is_over()) {
        context_->sched->arm(*context_, deadline_);
        return false;
    }
    context_->sched->disarm(*context_);
    leave();
    return true;
}

leaf_description drain_operation::describe() const noexcept {
    leaf_description words{"drain"};
    words.until = deadline_;
    return words;
}

std::size_t drain_operation::take() {
    if (std::exception_ptr thrown = group_->take_exception())
        std::rethrow_exception(std::move(thrown));
    return static_cast<std::size_t>(outcome_);
}

bool room_operation::is_over() noexcept {
    if (group_->size() <= most_left_) return true;
    outcome_ = context_->is_draining() ? detail::failure(errc::stopped) : why_not_wait();
    return outcome_ != 0;
}

bool room_operation::begin() noexcept {
    DUNLIN_ASSERT(most_left_ + 1 > 0); // fewer than no children there cannot be
    if (!claim()) {
        outcome_ = detail::failure(errc::busy);
        return finish();
    }
    if (is_over()) {
        leave();
        return finish();
    }
    wait();
    return false;
}

bool room_operation::attempt() noexcept {
    if (!is_over()) return false;
    leave();
    return true;
}

void room_operation::interrupt() noexcept { operation::interrupt(); }

} // namespace dunlin
