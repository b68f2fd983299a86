// Why a name could not be looked up: what getaddrinfo(3) says, as `std::error_code`s of a category
// of its own, "resolver".
#pragma once

#include <dunlin/util/api.hpp>

#include <system_error>

namespace dunlin {

/// The values are those of libc's EAI_… macros, so that every code it gives can be kept, also one
/// that is not listed. Two never come: EAI_SYSTEM is the error of the system that it stands for,
/// EAI_MEMORY is std::errc::not_enough_memory.
enum class resolver_errc {
    no_such_name = -2,    ///< The name does not exist (EAI_NONAME).
    try_again = -3,       ///< No name server answers now: resource_unavailable_try_again.
    failed = -4,          ///< The name server says that it will not answer (EAI_FAIL).
    no_address = -5,      ///< The name exists and has no address (EAI_NODATA).
    no_such_service = -8, ///< The service has no port here (EAI_SERVICE).
};

/// The category named "resolver"; messages are those of gai_strerror(3). It is never destroyed, and
/// may be used from any thread.
[[nodiscard]] DUNLIN_API const std::error_category& resolver_category() noexcept;

/// Lets a `resolver_errc` be used wherever a `std::error_code` is wanted.
[[nodiscard]] inline std::error_code make_error_code(resolver_errc why) noexcept {
    return {static_cast<int>(why), resolver_category()};
}

} // namespace dunlin

template <>
struct std::is_error_code_enum<dunlin::resolver_errc> : std::true_type {};
