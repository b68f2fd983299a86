// Where a `co_await` stands, in the form in which it costs least: as the compiler hands it over.
//
// g++ 12 keeps every argument of class type of a `co_await` expression in the coroutine's frame,
// defaulted ones included: a `std::source_location` is a word for each `co_await` in the source,
// and two in the condition of a loop. A pointer is passed and forgotten.
#pragma once

#include <bit>
#include <source_location>

namespace dunlin::detail {

/// What a parameter is defaulted with as `__builtin_source_location()`, which means the place of
/// the call, as `std::source_location::current()` does.
using call_place = decltype(__builtin_source_location());

static_assert(sizeof(std::source_location) == sizeof(call_place),
              "a source_location is that pointer: in libstdc++ and libc++");

[[nodiscard]] inline std::source_location to_source_location(call_place at) noexcept {
    return std::bit_cast<std::source_location>(at);
}

} // namespace dunlin::detail
