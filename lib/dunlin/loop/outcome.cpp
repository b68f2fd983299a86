#include <dunlin/loop/outcome.hpp>

namespace dunlin::detail {

std::error_code to_error(long failed) noexcept {
    if (failed <= -0x10000) return make_error_code(static_cast<errc>(-failed - 0x10000));
    return {static_cast<int>(-failed), std::system_category()};
}

} // namespace dunlin::detail
