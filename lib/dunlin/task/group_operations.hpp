// The awaiters behind a task group's `join`, `drain` and `room`; see task_group.hpp.
#pragma once

#include <dunlin/loop/error_path.hpp>
#include <dunlin/loop/operation.hpp>
#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <system_error>

namespace dunlin {

class task_group;

namespace detail {

/// What they have in common: they wait until no more than so many children are left.
class DUNLIN_API group_operation : public operation {
public:
    /// It has its turn when no more children than these are left.
    [[nodiscard]] std::size_t most_left() const noexcept { return most_left_; }

    void interrupt() noexcept override;
    [[nodiscard]] std::error_code error() const noexcept override;

protected:
    explicit group_operation(task_group& group) noexcept : group_{&group} {}
    ~group_operation();

    /// Becomes the one that waits for the group; false if another does.
    [[nodiscard]] bool claim() noexcept;
    void leave() noexcept;

    void begin_path(error_path& path, std::source_location where) const noexcept override;

    task_group* group_;
    std::size_t most_left_ = 0;
    bool is_claimed_ = false;
};

} // namespace detail

/// The awaiter behind `task_group::join`.
class [[nodiscard]] DUNLIN_API join_operation final : public detail::group_operation,
                                                      public spellings<join_operation> {
public:
    using value_type = void;
    explicit join_operation(task_group& group) noexcept : group_operation{group} {}
    ~join_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return leaf_description{"join"};
    }
    void take(); ///< Throws what a child threw.

private:
    bool is_over() noexcept;

    bool has_expired_ = false; ///< Its timeout has stopped the children.
};

/// The awaiter behind `task_group::drain`.
class [[nodiscard]] DUNLIN_API drain_operation final : public detail::group_operation,
                                                       public spellings<drain_operation> {
public:
    using value_type = std::size_t;
    drain_operation(task_group& group, std::int64_t deadline) noexcept
        : group_operation{group}, deadline_{deadline} {}
    ~drain_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override;
    void interrupt() noexcept override {} // it is the answer to a stop already
    std::size_t take();                   ///< Throws what a child threw.

private:
    bool is_over() noexcept;

    std::int64_t deadline_;
};

/// The awaiter behind `task_group::room`.
class [[nodiscard]] DUNLIN_API room_operation final : public detail::group_operation,
                                                      public spellings<room_operation> {
public:
    using value_type = void;
    room_operation(task_group& group, std::size_t fewer_than) noexcept : group_operation{group} {
        most_left_ = fewer_than - 1;
    }
    ~room_operation() = default;

    bool begin() noexcept;
    bool attempt() noexcept override;
    void interrupt() noexcept override;
    [[nodiscard]] bool is_idle() const noexcept override { return true; }
    void take() noexcept {}

private:
    bool is_over() noexcept;
};

} // namespace dunlin
