#include <dunlin/sys/fd.hpp>

#include <dunlin/sys/os.hpp>

namespace dunlin {

void unique_fd::close() noexcept {
    if (number_ < 0) return;
    // Linux frees the number whatever close(2) answers, EINTR included: trying again could close
    // a descriptor that another thread was given meanwhile.
    sys::os::close(number_);
    number_ = -1;
}

} // namespace dunlin
