// The one way into a scheduler from another thread.
//
// A `remote` is a reference-counted handle that outlives its scheduler: posting to one that is gone
// is refused, never a crash. What is posted runs on the scheduler's thread, between tasks.
#pragma once

#include <dunlin/util/api.hpp>

#include <new>
#include <type_traits>
#include <utility>

namespace dunlin {

class scheduler;

namespace detail {
struct remote_state;
}

/// Something to run on a scheduler's thread, brought by the caller: posting it allocates nothing.
///
/// From `post` until `run` or `abandon` is called it belongs to the scheduler and must stay alive.
/// It may be posted again from then on, from within either of them too.
class DUNLIN_API post_node {
public:
    post_node() noexcept = default;
    post_node(const post_node&) = delete;
    post_node& operator=(const post_node&) = delete;

    /// Called on the scheduler's thread, in a later turn.
    virtual void run() noexcept = 0;

    /// Called instead of `run` when the scheduler is destroyed first. On its thread too.
    virtual void abandon() noexcept = 0;

    post_node* next = nullptr; ///< The scheduler's, while it is posted.

protected:
    ~post_node() = default;
};

/// A handle to a scheduler that any thread may hold, copy and post to.
class DUNLIN_API remote {
public:
    remote(const remote& other) noexcept;
    remote(remote&& other) noexcept : state_{std::exchange(other.state_, nullptr)} {}
    remote& operator=(remote other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~remote();

    /// Has `node` run on the scheduler's thread. False once the scheduler is gone: then nothing is
    /// called. Lock-free; the scheduler is woken once for many posts. Any thread.
    [[nodiscard]] bool post(post_node& node) const noexcept;

    /// Has `function()` run on the scheduler's thread; it must not throw. False once the scheduler
    /// is gone, or when memory for the copy is refused. If the scheduler ends before its turn
    /// comes, the copy is destroyed unrun. Any thread.
    template <class Function>
    [[nodiscard]] bool post(Function function) const noexcept
        requires(std::is_invocable_v<Function&>)
    {
        auto* const node = new (std::nothrow) owned<Function>{std::move(function)};
        if (node == nullptr) return false;
        if (post(static_cast<post_node&>(*node))) return true;
        delete node;
        return false;
    }

    /// Whether a post would still be taken. Any thread; it may change at any moment.
    [[nodiscard]] bool is_alive() const noexcept;

private:
    friend class scheduler;
    explicit remote(detail::remote_state* state) noexcept;

    template <class Function>
    class owned final : public post_node {
    public:
        explicit owned(Function&& function) noexcept : function_{std::move(function)} {}
        void run() noexcept override {
            Function function{std::move(function_)};
            delete this;
            function();
        }
        void abandon() noexcept override { delete this; }

    private:
        Function function_;
    };

    detail::remote_state* state_;
};

} // namespace dunlin
