// The way the newest error came up: the `co_await`s that passed it on, innermost first.
//
// There is one per scheduler, restarted by each new error, so keeping it costs no allocation and no
// byte per connection. `run` and a task group copy it when an error reaches them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace dunlin::detail {

class error_path {
public:
    static constexpr std::size_t capacity = 16;

    constexpr error_path() noexcept {} // not an aggregate; see docs/design.md on g++ 12

    /// A new error begins its way here.
    void restart(std::source_location where) noexcept {
        count_ = 0;
        append(where);
    }
    /// The error is passed up here. Beyond the capacity only the number of steps is kept.
    void append(std::source_location where) noexcept {
        if (count_ < capacity) steps_[count_] = where;
        ++count_;
    }
    void clear() noexcept { count_ = 0; }

    /// How many steps are kept, and how many there were.
    [[nodiscard]] std::size_t size() const noexcept {
        return count_ < capacity ? count_ : capacity;
    }
    [[nodiscard]] std::size_t length() const noexcept { return count_; }
    [[nodiscard]] std::source_location operator[](std::size_t i) const noexcept {
        return steps_[i];
    }

private:
    std::source_location steps_[capacity];
    std::uint32_t count_ = 0;
};

} // namespace dunlin::detail
