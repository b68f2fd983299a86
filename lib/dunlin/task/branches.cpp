#include <dunlin/task/branches.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>
#include <dunlin/util/planted.hpp>

namespace dunlin::detail {

namespace {

constexpr outcome see_error = -1; // its value is in error_

} // namespace

bool branches_operation::begin() noexcept {
    bool lacks_memory = false;
    for (std::size_t i = 0; i < count_; ++i)
        lacks_memory = lacks_memory || branches_[i].root == nullptr;
    if (lacks_memory) {
        fail_with(std::make_error_code(std::errc::not_enough_memory));
    } else if (count_ == 0 && over_at_ == over_at::first_end) {
        fail_with(std::make_error_code(std::errc::invalid_argument)); // nobody can win
    }
    if (is_decided_ || count_ == 0) {
        complete();
        return finish();
    }
    scheduler& sched = *context_->sched;
    sched.add_owner(*this);
    const std::source_location here = context_->innermost->where;
    for (std::size_t i = 0; i < count_; ++i) {
        branch& each = branches_[i];
        auto& made = *::new (static_cast<void*>(each.room))
                         task_context{sched, *this, *each.root, here, nullptr};
        made.number = sched.next_task_number();
        made.raise_stop(context_->stop);
        made.own_key = context_->own_key;
        add_task(made);
        each.is_live = true;
        ++live_;
        sched.schedule(made);
    }
    wait();
    return false;
}

bool branches_operation::attempt() noexcept {
    if (live_ != 0) {
        if (has_timed_out() && !has_expired_ && !is_decided_) {
            has_expired_ = true;
            stop_rest(stop_level::lost);
        }
        return false;
    }
    complete();
    return true;
}

void branches_operation::complete() noexcept {
    if (thrown_ != nullptr) return; // thrown by `take`
    if (!error_) return;
    if (has_expired_ && error_ == errc::stopped && !context_->is_stopping()) error_ = errc::timeout;
    outcome_ = see_error;
    for (std::size_t i = 0; i < count_; ++i)
        branches_[i].destroy_frame();
}

leaf_description branches_operation::describe() const noexcept {
    return leaf_description{over_at_ == over_at::first_error ? "when_all" : "when_any"};
}

/// A stop goes on to the branches; this task stays until they have ended.
void branches_operation::interrupt() noexcept {
    if (context_->is_stopping())
        stop_rest(stop_level::lost);
    else if (context_->is_draining())
        stop_rest(stop_level::drain);
}

void branches_operation::stop_rest(stop_level level) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        if (!branches_[i].is_live) continue;
        task_context& other = branches_[i].context();
        other.raise_stop(level);
        if (other.leaf != nullptr) other.leaf->interrupt();
    }
}

std::error_code branches_operation::error() const noexcept {
    return outcome_ == see_error ? error_ : operation::error();
}

void branches_operation::begin_path(error_path& path, std::source_location where) const noexcept {
    if (failed_at_.line() == 0) {
        path.restart(where);
    } else {
        path.restart(failed_at_);
        path.append(where);
    }
}

void branches_operation::fail_with(std::error_code why) noexcept {
    is_decided_ = true;
    error_ = why;
}

void branches_operation::task_ended(task_context& ended) noexcept {
    const std::size_t index = index_of(ended);
    branch& over = branches_[index];
    over.is_live = false;
    --live_;
    remove_task(ended);
    scheduler& sched = *context_->sched;
    sched.retire(ended);

    const bool has_value = over.root->ending == promise_base::how::value;
    const bool decides = !is_decided_ && (over_at_ == over_at::first_end || !has_value);
    if (decides) {
        is_decided_ = true;
        winner_ = index;
        if (over.root->ending == promise_base::how::exception) {
            thrown_ = over.root->exception;
        } else if (!has_value) {
            error_ = over.root->error();
            if (over.root->error_is_on_path && sched.path().size() != 0)
                failed_at_ = sched.path()[0];
        }
        leave_unstarted();
        if (!DUNLIN_PLANTED(losers_not_stopped)) stop_rest(stop_level::lost);
    }
    const bool is_wanted = has_value && (decides || !is_decided_);
    if (live_ == 0) sched.schedule(*context_);
    if (!is_wanted) over.destroy_frame(); // last: what owns this task may be among its locals
}

/// The decision came before these had their first turn, so they have none: what they would take,
/// nobody would get. Their frames are destroyed with the others'.
void branches_operation::leave_unstarted() noexcept {
    scheduler& sched = *context_->sched;
    for (std::size_t i = 0; i < count_; ++i) {
        branch& each = branches_[i];
        // Whatever has been started has a leaf, unless it runs.
        if (!each.is_live || each.context().leaf != nullptr) continue;
        DUNLIN_ASSERT(&each.context() != sched.current_task());
        sched.retire(each.context());
        each.is_live = false;
        --live_;
    }
}

/// A context lies in its branch.
std::size_t branches_operation::index_of(const task_context& of) const noexcept {
    const auto distance = reinterpret_cast<const std::byte*>(&of) - branches_[0].room;
    return static_cast<std::size_t>(distance) / sizeof(branch);
}

void branches_operation::destroy_branches() noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        branch& each = branches_[i];
        if (each.is_live) {
            DUNLIN_ASSERT(&each.context() != context_->sched->current_task()); // not from inside
            each.is_live = false;
            remove_task(each.context());
            context_->sched->retire(each.context());
        }
        each.destroy_frame();
    }
    if (is_listed) context_->sched->remove_owner(*this);
    if (is_waiting_) abandon();
}

void branches_operation::rethrow_if_thrown() {
    if (thrown_ == nullptr) return;
    for (std::size_t i = 0; i < count_; ++i)
        branches_[i].destroy_frame();
    std::rethrow_exception(std::exchange(thrown_, nullptr));
}

} // namespace dunlin::detail
