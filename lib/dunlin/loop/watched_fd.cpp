#include <dunlin/loop/watched_fd.hpp>

#include <dunlin/loop/outcome.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <cerrno>

namespace dunlin::detail {

watch* watched_fd::attach_first(long& why) noexcept {
    if (word_ == none) {
        why = failure(errc::closed);
        return nullptr;
    }
    scheduler* const running = scheduler::current();
    DUNLIN_ASSERT(running != nullptr); // an operation outside of any scheduler
    watch* const made = running->add_watch(number());
    if (made == nullptr) {
        why = -ENOMEM;
        return nullptr;
    }
    made->is_borrowed = (word_ & borrowed_bit) != 0;
    made->is_shared = (word_ & shared_bit) != 0;
    word_ = reinterpret_cast<std::uintptr_t>(made);
    return made;
}

void watched_fd::release() noexcept {
    if (is_attached()) {
        watch& w = *attached();
        DUNLIN_ASSERT(&w.home() == scheduler::current()); // closed on another thread
        w.home().release_watch(w);
    } else if ((word_ & borrowed_bit) == 0) {
        unique_fd{number()}.close();
        if (scheduler* const running = scheduler::current()) running->wake_starved();
    }
    word_ = none;
}

watched_fd watched_fd::share_ownership() noexcept {
    DUNLIN_ASSERT(is_attached());
    ++attached()->owners;
    watched_fd other;
    other.word_ = word_;
    return other;
}

} // namespace dunlin::detail
