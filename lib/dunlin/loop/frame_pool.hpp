// Memory for coroutine frames and read buffers, recycled per thread.
//
// A block goes back to the pool of the thread that frees it, whatever scheduler it served: a frame
// may be born before `run` and die after it. The word in front of every frame says what its block
// is. A task's root frame shares its block with the task's context:
//
//     | task_context | word | root frame ... |          | word | frame of a child ... |
//
// Built with DUNLIN_POOLS=0 (sanitizers, valgrind) each block comes from and goes to operator
// new and delete directly, so that a use after free is seen. Any thread; nothing here throws.
#pragma once

#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>

namespace dunlin::detail {

/// Memory for a coroutine frame, or nullptr when there is none. See `expect_root`.
[[nodiscard]] DUNLIN_API void* allocate_frame(std::size_t size) noexcept;

/// Gives a frame back, and the room for a context in front of it if it has one.
DUNLIN_API void free_frame(void* frame) noexcept;

/// Frames that were made on this thread less those that were given back on it: how many are left,
/// if no frame changes its thread.
[[nodiscard]] DUNLIN_API std::int64_t frames_left() noexcept;

/// The next frame made on this thread gets room in front of it for a task's context. Called right
/// before the coroutine function is.
DUNLIN_API void expect_root() noexcept;

/// Takes the expectation back if no frame has used it.
DUNLIN_API void unexpect_root() noexcept;

/// The room for a context in front of this frame, or nullptr if it was not made as a root.
[[nodiscard]] DUNLIN_API void* context_room_of(void* frame) noexcept;

/// The bytes in front of a root frame's word.
inline constexpr std::size_t context_room = 152;

/// Room for a context alone, for a task whose frame was made before it was spawned; or nullptr.
[[nodiscard]] DUNLIN_API void* allocate_context() noexcept;
DUNLIN_API void free_context(void* room) noexcept;

/// Bytes in a buffer that `read()` leases.
inline constexpr std::size_t buffer_size = std::size_t{32} * 1024;

/// A block of `buffer_size` bytes, or nullptr when there is none.
[[nodiscard]] DUNLIN_API std::byte* allocate_buffer() noexcept;
DUNLIN_API void free_buffer(std::byte* block) noexcept;

} // namespace dunlin::detail
