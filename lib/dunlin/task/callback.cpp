#include <dunlin/task/callback.hpp>

#include <dunlin/loop/remote.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <atomic>
#include <cstdint>

namespace dunlin::detail {

namespace {

/// Who has the value:   pending ──▶ being_made ──▶ there ──▶ gone
///                            └──▶ closed, gone
enum class phase : std::uint8_t {
    pending,
    being_made, ///< By the one who claimed it.
    there,
    closed, ///< Nobody is left to give it.
    gone,   ///< Taken, or the side that waits is gone.
};

} // namespace

/// The block is freed by the last of: the callback, its completers, a post that is under way.
struct alignas(std::max_align_t) callback_state final : post_node {
    callback_state(scheduler& made_on, void (*destroys)(void*) noexcept) noexcept
        : home{&made_on}, way_in{made_on.get_remote()}, destroy{destroys} {}
    callback_state(const callback_state&) = delete;
    callback_state& operator=(const callback_state&) = delete;
    ~callback_state() {
        if (now_in.load(std::memory_order_acquire) == phase::there) destroy(this + 1);
    }

    void acquire() noexcept { references.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        this->~callback_state();
        ::operator delete(static_cast<void*>(this));
    }

    /// From pending to another, once only.
    bool leave_pending(phase entered) noexcept {
        phase expected = phase::pending;
        return now_in.compare_exchange_strong(expected, entered, std::memory_order_acq_rel);
    }

    /// Something has come, or will never come: on the loop's thread, or from another.
    void wake() noexcept {
        // Only compared: it may be gone, and another one may be where it was.
        if (scheduler::current() == home && way_in.is_alive()) return wake_waiter();
        acquire();
        if (!way_in.post(*this)) release();
    }
    void wake_waiter() noexcept {
        if (waiter != nullptr) home->schedule(waiter->task());
    }
    void run() noexcept override {
        wake_waiter();
        release();
    }
    void abandon() noexcept override { release(); }

    std::atomic<std::uint32_t> references{1};
    std::atomic<std::uint32_t> completers{0};
    std::atomic<phase> now_in{phase::pending};
    scheduler* const home;
    remote way_in;
    void (*const destroy)(void*) noexcept;
    operation* waiter = nullptr; ///< The loop's thread only.
};

callback_state* make_callback(std::size_t size, void (*destroy)(void*) noexcept) noexcept {
    scheduler* const here = scheduler::current();
    DUNLIN_ASSERT(here != nullptr); // a callback belongs to a running scheduler
    void* const block = ::operator new(sizeof(callback_state) + size, std::nothrow);
    if (block == nullptr) return nullptr;
    return ::new (block) callback_state{*here, destroy};
}

void* room_of(callback_state& state) noexcept { return &state + 1; }

void abandon_callback(callback_state* state) noexcept {
    if (state == nullptr) return;
    DUNLIN_ASSERT(state->waiter == nullptr); // somebody still waits for it
    if (state->leave_pending(phase::gone)) {
        // Nobody posts any more: what is out for long need not keep the scheduler's eventfd.
        const remote released{std::move(state->way_in)};
    } else {
        phase expected = phase::there;
        if (state->now_in.compare_exchange_strong(expected, phase::gone, std::memory_order_acq_rel))
            state->destroy(room_of(*state)); // else who makes it now leaves it to the last of us
    }
    state->release();
}

void add_completer(callback_state& state) noexcept {
    state.acquire();
    state.completers.fetch_add(1, std::memory_order_relaxed);
}

void drop_completer(callback_state& state) noexcept {
    if (state.completers.fetch_sub(1, std::memory_order_acq_rel) == 1 &&
        state.leave_pending(phase::closed))
        state.wake();
    state.release();
}

bool claim_callback(callback_state& state) noexcept {
    return state.leave_pending(phase::being_made);
}

void publish_callback(callback_state& state) noexcept {
    state.now_in.store(phase::there, std::memory_order_release);
    state.wake();
}

// ---- waiting for it

bool callback_wait::is_over() noexcept {
    switch (state_->now_in.load(std::memory_order_acquire)) {
    case phase::there:
        if (is_lost()) break;
        return true;
    case phase::closed:
    case phase::gone:
        outcome_ = failure(errc::closed);
        return true;
    case phase::pending:
    case phase::being_made:
        break;
    }
    outcome_ = why_not_wait();
    return outcome_ != 0;
}

bool callback_wait::begin() noexcept {
    if (state_ == nullptr) {
        outcome_ = -static_cast<outcome>(std::errc::not_enough_memory);
        return finish();
    }
    DUNLIN_ASSERT(context_->sched == state_->home); // awaited where it was made
    if (state_->waiter != nullptr) {
        outcome_ = failure(errc::busy);
        return finish();
    }
    if (!spend()) {
        context_->sched->schedule_later(*context_);
    } else if (is_over()) {
        return finish();
    }
    state_->waiter = this;
    wait();
    return false;
}

bool callback_wait::attempt() noexcept {
    if (!is_over()) return false;
    state_->waiter = nullptr;
    return true;
}

void callback_wait::leave() noexcept {
    if (!is_waiting_) return;
    state_->waiter = nullptr;
    abandon();
}

void callback_wait::note_taken() noexcept {
    state_->now_in.store(phase::gone, std::memory_order_release);
}

} // namespace dunlin::detail
