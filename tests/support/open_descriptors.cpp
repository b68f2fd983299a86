#include <support/test_loop.hpp>

#include <filesystem>
#include <iterator>

namespace dunlin::test {

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator entries{"/proc/self/fd"};
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}

} // namespace dunlin::test
