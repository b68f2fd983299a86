// `readable()` and `writable()`: the two futures under everything.
//
// They are level promises: they complete when poll(2) would say so at that moment. Since somebody
// else may read the descriptor behind our back, they trust no cached readiness: each asks poll(2)
// first and waits for epoll's next edge only if it says no, then asks again.
#pragma once

#include <dunlin/loop/io_operation.hpp>

namespace dunlin {

/// Waits until a read(2) would not block: bytes, the end of the stream, a hang-up or an error.
///
/// Takes nothing from the descriptor, whatever becomes of it. Errors: `closed`, `stopped`, `busy`
/// (somebody reads it), `not_pollable` (a regular file, /dev/null), bad_file_descriptor.
/// Occupies the reader's place. Loop thread; allocates nothing.
class [[nodiscard]] DUNLIN_API readable_operation final : public io_operation,
                                                          public spellings<readable_operation>,
                                                          public drain_hints<readable_operation> {
public:
    using value_type = void;
    explicit readable_operation(detail::watched_fd& on) noexcept
        : io_operation{on.attach(), detail::direction::input} {}
    ~readable_operation() = default;
    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("readable");
    }
    void take() noexcept {}

private:
    friend class io_operation;
    bool try_now() noexcept override;
};

/// Waits until a write(2) would not block. Otherwise like `readable_operation`, in the writer's
/// place.
class [[nodiscard]] DUNLIN_API writable_operation final : public io_operation,
                                                          public spellings<writable_operation> {
public:
    using value_type = void;
    explicit writable_operation(detail::watched_fd& on) noexcept
        : io_operation{on.attach(), detail::direction::output} {}
    ~writable_operation() = default;
    bool begin() noexcept;
    bool attempt() noexcept override;
    [[nodiscard]] leaf_description describe() const noexcept override {
        return described_as("writable");
    }
    void take() noexcept {}

private:
    friend class io_operation;
    bool try_now() noexcept override;
};

} // namespace dunlin
