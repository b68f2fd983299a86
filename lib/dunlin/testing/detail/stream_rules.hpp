// The rules of check_stream.hpp: sentences, and the coroutines that try them.
#pragma once

#include <dunlin/task/task.hpp>
#include <dunlin/testing/detail/stream_scene.hpp>

#include <cstdint>
#include <span>

namespace dunlin::detail {

/// What a rule asks for.
enum class rule_needs : std::uint8_t {
    two_ends,
    clogged,      ///< Ends that a writer can fill.
    half_close,   ///< The option `is_half_closeable`.
    dropped_used, ///< The option `may_be_dropped_while_used`.
};

struct stream_rule {
    const char* sentence; ///< True of every stream.
    io_task<> (*try_it)(stream_scene& scene);
    rule_needs needs = rule_needs::two_ends;
};

[[nodiscard]] std::span<const stream_rule> rules_about_bytes() noexcept;
[[nodiscard]] std::span<const stream_rule> rules_about_ends() noexcept;
[[nodiscard]] std::span<const stream_rule> rules_about_waits() noexcept;

} // namespace dunlin::detail
