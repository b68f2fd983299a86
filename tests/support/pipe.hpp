// A pipe, and short ways to fill and empty it by hand.
#pragma once

#include <support/catch.hpp>

#include <dunlin/sys/fd.hpp>

#include <cstddef>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <unistd.h>

namespace dunlin::test {

struct pipe_ends {
    unique_fd reader, writer;
};

inline pipe_ends make_pipe(int flags = O_NONBLOCK) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | flags) == 0);
    return {unique_fd{ends[0]}, unique_fd{ends[1]}};
}

inline void put(borrowed_fd into, std::string_view bytes) {
    REQUIRE(::write(into.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
}

/// One read(2) of at most `most` bytes.
inline std::string take(borrowed_fd from, std::size_t most = 65536) {
    std::string bytes(most, '\0');
    const ssize_t n = ::read(from.get(), bytes.data(), most);
    bytes.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return bytes;
}

/// Until the (non-blocking) descriptor takes no more.
inline std::size_t fill(borrowed_fd into) {
    const std::string block(4096, '.');
    std::size_t sum = 0;
    for (ssize_t n = 0; (n = ::write(into.get(), block.data(), block.size())) > 0;)
        sum += static_cast<std::size_t>(n);
    return sum;
}

/// Until the (non-blocking) descriptor has no more; gives the number of bytes.
inline std::size_t empty_out(borrowed_fd from) {
    std::size_t sum = 0;
    for (std::string got; !(got = take(from)).empty();)
        sum += got.size();
    return sum;
}

} // namespace dunlin::test
