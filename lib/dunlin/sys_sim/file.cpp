#include <dunlin/sys_sim/file.hpp>

#include <dunlin/sys_sim/epoll_file.hpp>

#include <cerrno>

namespace dunlin::sys_sim {

file::~file() {
    while (!watchers.empty())
        watchers.front()->set.forget(*watchers.front());
}

long file::read(void*, std::size_t) { return -EINVAL; }
long file::write(const void*, std::size_t) { return -EINVAL; }

void file::wake(std::uint32_t key) {
    for (epoll_item* const item : watchers)
        item->notice(key);
}

} // namespace dunlin::sys_sim
