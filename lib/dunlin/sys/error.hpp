// The errors that the kernel has no name for.
//
// An error of dunlin is a `std::error_code`. What the kernel reported stays as it was, in
// `std::system_category()`; what only a framework can know (who gave up, who closed) is an `errc`
// of the category "dunlin". Each has a nearest `std::errc`, so that code which does not care who
// said it may compare with that; and each can be told from the kernel's own, so that a
// `timeout` of ours is never mistaken for the ETIMEDOUT of a dead connection:
//
//     if (why == dunlin::errc::timeout) ...      // a timeout of ours, nothing else
//     if (why == std::errc::timed_out) ...       // that, or the kernel's ETIMEDOUT
#pragma once

#include <dunlin/util/api.hpp>

#include <system_error>

namespace dunlin {

/// Why an operation ended without a result, where the kernel has no number for it. Zero is not
/// among them: it means "no error".
enum class errc {
    timeout = 1,   ///< The operation's own timeout expired. Equivalent to std::errc::timed_out.
    stopped,       ///< Its task was asked to stop, or an outer timeout expired: operation_canceled.
    closed,        ///< The object was closed on this side: bad_file_descriptor.
    busy,          ///< Another task is doing the same already: device_or_resource_busy.
    end_of_stream, ///< The stream ended before everything that was asked for had come.
    not_pollable,  ///< epoll cannot wait for it (a file, /dev/null): operation_not_permitted.
    bad_address,   ///< The text is not an address, or its port not a port: invalid_argument.
    too_long,      ///< What came is longer than the limit that was given: message_size.
};

/// The category named "dunlin". It is constant-initialised and never destroyed, so it may be used
/// before and after main, and from any thread.
[[nodiscard]] DUNLIN_API const std::error_category& dunlin_category() noexcept;

/// Lets an `errc` be used wherever a `std::error_code` is wanted.
[[nodiscard]] inline std::error_code make_error_code(errc why) noexcept {
    return {static_cast<int>(why), dunlin_category()};
}

} // namespace dunlin

template <>
struct std::is_error_code_enum<dunlin::errc> : std::true_type {};
