#include <dunlin/loop/watched_fd.hpp>

#include <dunlin/loop/outcome.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <cerrno>

namespace dunlin::detail {

namespace {

/// Sits in both places of the stand-ins, so that whoever comes is sent away and asks why.
// tidy: nobody awaits it
class occupant final : public operation {
public:
    constexpr occupant() noexcept = default;
    bool attempt() noexcept override { return true; }
};

constinit occupant nobody;
constinit watch closed{.waiting = {&nobody, &nobody}, .fd = -1};
constinit watch out_of_memory{.waiting = {&nobody, &nobody}, .fd = -1};
constinit watch lost{.waiting = {&nobody, &nobody}, .fd = -1};

} // namespace

outcome why_no_watch(const watch& given) noexcept {
    if (&given == &closed) return failure(errc::closed);
    if (&given == &out_of_memory) return -ENOMEM;
    if (&given == &lost) return failure(errc::stopped);
    return 0;
}

watch& watch_of_lost() noexcept { return lost; }

watch* watched_fd::attach_first() noexcept {
    if (word_ == none) return &closed;
    scheduler* const running = scheduler::current();
    DUNLIN_ASSERT(running != nullptr); // an operation outside of any scheduler
    watch* const made = running->add_watch(number());
    if (made == nullptr) return &out_of_memory;
    made->is_borrowed = (word_ & borrowed_bit) != 0;
    made->is_shared = (word_ & shared_bit) != 0;
    made->is_tcp = (word_ & tcp_bit) != 0;
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
