// What a scheduler keeps for others: the owners of its tasks, those of them that are to be ended,
// and what was attached to it.
#include <dunlin/loop/scheduler.hpp>

#include <dunlin/util/assert.hpp>

namespace dunlin {

void scheduler::destroy_attached() noexcept {
    const as_current here{*this};
    detail::attachment* newest = nullptr;
    do { // what ends may attach something
        newest = attached_;
        for (detail::attachment* each = newest; each != nullptr; each = each->next)
            each->end();
    } while (attached_ != newest);
    while (detail::attachment* const each = attached_) {
        attached_ = each->next;
        each->destroy();
    }
}

void scheduler::end_owners() noexcept {
    while (to_end_ != nullptr) {
        detail::task_owner& owner = *to_end_;
        to_end_ = owner.next_to_end;
        owner.is_to_end = false;
        owner.end_now();
    }
}

detail::attachment* scheduler::attached(const void* kind) const noexcept {
    detail::attachment* each = attached_;
    while (each != nullptr && each->kind != kind)
        each = each->next;
    return each;
}

void scheduler::attach(detail::attachment& kept) noexcept {
    DUNLIN_ASSERT(attached(kept.kind) == nullptr); // there is one already
    kept.next = attached_;
    attached_ = &kept;
}

void scheduler::end_after_entry(detail::task_owner& owner) noexcept {
    if (owner.is_to_end) return;
    owner.is_to_end = true;
    owner.next_to_end = to_end_;
    to_end_ = &owner;
}

void scheduler::add_owner(detail::task_owner& owner) noexcept {
    owner.is_listed = true;
    owner.made_in = running_ != nullptr ? running_->number : 0;
    owner.prev_owner = last_owner_;
    owner.next_owner = nullptr;
    (last_owner_ != nullptr ? last_owner_->next_owner : first_owner_) = &owner;
    last_owner_ = &owner;
}

void scheduler::remove_owner(detail::task_owner& owner) noexcept {
    if (!owner.is_listed) return;
    owner.is_listed = false;
    (owner.prev_owner != nullptr ? owner.prev_owner->next_owner : first_owner_) = owner.next_owner;
    (owner.next_owner != nullptr ? owner.next_owner->prev_owner : last_owner_) = owner.prev_owner;
}

void scheduler::forget(detail::task_owner& owner) noexcept {
    if (!owner.is_to_end) return;
    owner.is_to_end = false;
    for (detail::task_owner** link = &to_end_; *link != nullptr; link = &(*link)->next_to_end) {
        if (*link != &owner) continue;
        *link = owner.next_to_end;
        return;
    }
}

} // namespace dunlin
