// A function's name as it was written, from what the compiler says of a coroutine.
#pragma once

#include <dunlin/util/api.hpp>

#include <string_view>

namespace dunlin::detail {

/// `my::session` for what `std::source_location::function_name()` gives inside the coroutine
/// `io_task<> my::session(tcp_socket)`. g++ 12 gives "void my::session(my::session(…)::…Frame*)",
/// clang and later g++ give the function's signature.
[[nodiscard]] DUNLIN_API std::string_view written_name(std::string_view function_name) noexcept;

/// Whether a coroutine of that (written) name is one of ours around a user's, which nobody wants to
/// see in a stack: all that stand in `dunlin::detail`.
[[nodiscard]] inline bool is_wrapper(std::string_view written) noexcept {
    return written.starts_with("dunlin::detail::");
}

} // namespace dunlin::detail
