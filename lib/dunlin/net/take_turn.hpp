// Paying for what needs no system call: what a task gets from memory, again and again, must not
// keep it running for ever.
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/util/api.hpp>

namespace dunlin::detail {

/// Takes one from the task's budget; when that is spent, waits for the next turn.
///
/// Error: `stopped` or `timeout` if it would have to wait then. Allocates nothing. Loop thread.
class [[nodiscard]] DUNLIN_API take_turn final : public operation, public spellings<take_turn> {
public:
    using value_type = void;
    take_turn() noexcept = default;
    ~take_turn() {
        if (is_waiting_) abandon();
    }

    bool begin() noexcept;
    bool attempt() noexcept override;
    void take() noexcept {}
};

} // namespace dunlin::detail
