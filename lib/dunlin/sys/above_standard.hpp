// Keeps what we open away from the numbers 0, 1 and 2.
#pragma once

namespace dunlin::sys {

/// A number above 2 for a descriptor that was just made (or the -1 of a failure, errno set): `made`
/// itself nearly always. Only where a program was started with its standard input, output or error
/// closed is it duplicated upwards, close-on-exec; else a line meant for a terminal would go to a
/// client.
[[nodiscard]] int duplicated_above_standard(int made) noexcept;

[[nodiscard]] inline int above_standard(int made) noexcept {
    return made > 2 || made < 0 ? made : duplicated_above_standard(made);
}

} // namespace dunlin::sys
