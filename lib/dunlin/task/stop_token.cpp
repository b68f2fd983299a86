#include <dunlin/task/stop_token.hpp>

#include <dunlin/loop/remote.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <atomic>
#include <cstdint>
#include <new>

namespace dunlin::detail {

namespace {

/// Something to run on the scheduler's thread whose maker may be gone by then.
class shared_post : public post_node {
public:
    void acquire() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }

    /// True for the last, which deletes it.
    [[nodiscard]] bool is_last_release() noexcept {
        return references_.fetch_sub(1, std::memory_order_acq_rel) == 1;
    }

protected:
    shared_post() noexcept = default;
    ~shared_post() = default;

private:
    std::atomic<std::uint32_t> references_{1};
};

template <class Shared>
void release(Shared* shared) noexcept {
    if (shared->is_last_release()) delete shared;
}

/// Posts it once more or not at all.
template <class Shared>
void post_shared(const remote& to, Shared* shared) noexcept {
    shared->acquire();
    if (!to.post(static_cast<post_node&>(*shared))) release(shared);
}

[[nodiscard]] scheduler& running_scheduler() noexcept {
    scheduler* const here = scheduler::current();
    DUNLIN_ASSERT(here != nullptr);
    DUNLIN_ASSERT(here->current_task() != nullptr); // it was awaited
    return *here;
}

} // namespace

// ---- their stop, our task

class stop_relay final : public shared_post {
public:
    stop_relay(scheduler& home, time_scope& scope) noexcept
        : home_{&home}, task_{home.current_task()}, scope_{&scope}, way_in_{home.get_remote()} {}

    /// Any thread; once.
    void post() noexcept { post_shared(way_in_, this); }

    /// The scope is about to go.
    void let_go() noexcept { scope_ = nullptr; }

    void run() noexcept override {
        if (scope_ != nullptr) {
            // A deadline that has passed: that way it also comes later to what is shielded now.
            scope_->deadline = 0;
            task_->expire_scopes(home_->turn_time());
        }
        release(this);
    }
    void abandon() noexcept override { release(this); }

private:
    scheduler* home_;
    task_context* task_;
    time_scope* scope_; ///< Loop thread, as the two before.
    const remote way_in_;
};

stop_relay* make_stop_relay(time_scope& scope) noexcept {
    return new (std::nothrow) stop_relay{running_scheduler(), scope};
}

void end_stop_relay(stop_relay* relay) noexcept {
    if (relay == nullptr) return;
    relay->let_go();
    release(relay);
}

void post_stop(stop_relay& relay) noexcept { relay.post(); }

// ---- our stop, their token

class stop_forward final : public shared_post, public stop_hearer {
public:
    explicit stop_forward(scheduler& home) : way_in_{home.get_remote()} {
        if (home.current_task()->is_stopping()) was_heard_ = source.request_stop();
    }

    /// The stop may come in the midst of a walk over tasks, and stopping the token runs code that
    /// is not ours: so that comes later, between tasks.
    void hear_stop() noexcept override {
        if (was_heard_) return;
        was_heard_ = true;
        post_shared(way_in_, this);
    }
    void run() noexcept override {
        if (is_wanted_) source.request_stop();
        release(this);
    }
    void abandon() noexcept override { release(this); }

    void let_go() noexcept { is_wanted_ = false; }

    std::stop_source source;

private:
    const remote way_in_;
    bool was_heard_ = false;
    bool is_wanted_ = true;
};

stop_forward* make_stop_forward() noexcept {
    try {
        return new stop_forward{running_scheduler()};
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void end_stop_forward(stop_forward* forward) noexcept {
    if (forward == nullptr) return;
    forward->let_go();
    release(forward);
}

std::stop_token token_of(const stop_forward& forward) noexcept {
    return forward.source.get_token();
}

stop_hearer& hearer_of(stop_forward& forward) noexcept { return forward; }

} // namespace dunlin::detail
