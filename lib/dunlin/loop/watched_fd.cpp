#include <dunlin/loop/watched_fd.hpp>

#include <dunlin/loop/outcome.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <cerrno>

namespace dunlin::detail {

watch* watched_fd::attach(long& why) noexcept {
    if (home_ == nullptr) [[unlikely]]
        return attach_first(why);
    DUNLIN_ASSERT(home_ == scheduler::current()); // used on another thread than its scheduler's
    return watch_;
}

watch* watched_fd::attach_first(long& why) noexcept {
    if (loose_.number < 0 && !loose_.is_borrowed) {
        why = failure(errc::closed);
        return nullptr;
    }
    scheduler* const running = scheduler::current();
    DUNLIN_ASSERT(running != nullptr); // an operation outside of any scheduler
    watch* const made = running->add_watch(loose_.number);
    if (made == nullptr) {
        why = -ENOMEM;
        return nullptr;
    }
    made->is_borrowed = loose_.is_borrowed;
    made->is_shared = loose_.is_shared;
    home_ = running;
    watch_ = made;
    return made;
}

void watched_fd::release() noexcept {
    if (home_ != nullptr) {
        DUNLIN_ASSERT(home_ == scheduler::current()); // closed on another thread
        home_->release_watch(*watch_);
    } else if (!loose_.is_borrowed) {
        unique_fd{loose_.number}.close();
    }
    home_ = nullptr;
    loose_ = loose{-1, false, false};
}

watched_fd watched_fd::share_ownership() noexcept {
    DUNLIN_ASSERT(home_ != nullptr);
    ++watch_->owners;
    watched_fd other;
    other.home_ = home_;
    other.watch_ = watch_;
    return other;
}

} // namespace dunlin::detail
