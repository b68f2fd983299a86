// So many at a time.
//
//     co_await slots.acquire().or_return();
//     const semaphore::permit held{slots};   // gives it back however this scope ends
#pragma once

#include <dunlin/sync/wait_queue.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <utility>

namespace dunlin {

/// The awaiter behind `semaphore::acquire`.
///
/// Error: `stopped`, `timeout`; then nothing was acquired. Destroyed between the release that
/// served it and its turn, it passes on what it would have got. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API semaphore_acquire_operation final
    : public detail::queued_operation,
      public spellings<semaphore_acquire_operation> {
public:
    using value_type = void;
    semaphore_acquire_operation(detail::wait_queue& queue, std::size_t count) noexcept
        : queued_operation{queue, count} {}
    ~semaphore_acquire_operation() = default;

    void take() noexcept {}
};

/// A number of permits. Tasks wait in the order in which they came: one that wants many is not
/// overtaken by others who want few.
///
/// It outlives those who wait for it (asserted). Neither copied nor moved. Allocates nothing. Loop
/// thread.
class semaphore {
public:
    explicit semaphore(std::size_t permits) noexcept : queue_{permits} {}

    /// Waits until there are `count` permits for us, and takes all of them at once. More than there
    /// will ever be is waited for for ever.
    [[nodiscard]] semaphore_acquire_operation acquire(std::size_t count = 1) noexcept {
        return semaphore_acquire_operation{queue_, count};
    }

    /// The same without waiting: false, and nothing taken, if there are too few or others wait.
    [[nodiscard]] bool try_acquire(std::size_t count = 1) noexcept {
        return queue_.try_take(count);
    }

    /// Gives `count` permits back, or adds new ones.
    void release(std::size_t count = 1) noexcept { queue_.release(count); }

    /// Permits that are there for whoever comes.
    [[nodiscard]] std::size_t available() const noexcept { return queue_.units(); }

    /// Gives back, in the end, what has been acquired; so a task that is destroyed while it holds
    /// some takes none of them along. Movable. The semaphore outlives it.
    class [[nodiscard]] permit {
    public:
        explicit permit(semaphore& of, std::size_t count = 1) noexcept : of_{&of}, count_{count} {}
        permit(permit&& other) noexcept
            : of_{other.of_}, count_{std::exchange(other.count_, std::size_t{0})} {}
        permit& operator=(permit&& other) noexcept {
            if (this != &other) {
                release();
                of_ = other.of_;
                count_ = std::exchange(other.count_, std::size_t{0});
            }
            return *this;
        }
        ~permit() { release(); }

        /// Before its end.
        void release() noexcept {
            if (count_ != 0) of_->release(std::exchange(count_, std::size_t{0}));
        }

    private:
        semaphore* of_;
        std::size_t count_;
    };

private:
    detail::wait_queue queue_;
};

} // namespace dunlin
