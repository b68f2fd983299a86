// epoll(7), after fs/eventpoll.c: the interest list and the ready list of one set.
#pragma once

#include <dunlin/sys_sim/file.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include <sys/epoll.h>

namespace dunlin::sys_sim {

class epoll_file;

/// One entry of an interest list. It is of a description *and* a number: a duplicate of a
/// descriptor has one of its own, and both stay until the description is gone.
class epoll_item {
public:
    epoll_item(epoll_file& set, file& target, int fd, const ::epoll_event& asked);
    ~epoll_item();
    epoll_item(const epoll_item&) = delete;
    epoll_item& operator=(const epoll_item&) = delete;

    /// ep_poll_callback: something has happened to the target.
    void notice(std::uint32_t key);

    epoll_file& set;
    file& target;
    int fd;
    std::uint32_t events;
    std::uint64_t data;
    std::uint64_t number; ///< In the order of their adding.

    // The ready list: first in, first out.
    epoll_item* next = nullptr;
    epoll_item* prev = nullptr;
    bool is_linked = false;
};

class epoll_file final : public file {
public:
    using file::file;
    ~epoll_file() override;

    [[nodiscard]] std::uint32_t events() override;
    void close() override;

    long add(file& target, int fd, const ::epoll_event& asked);
    long modify(file& target, int fd, const ::epoll_event& asked);
    long remove(file& target, int fd);
    [[nodiscard]] std::uint64_t next_number() noexcept { return ++last_number_; }
    /// The target is gone for good.
    void forget(epoll_item& item);

    /// Up to `room` events; those that are not edge-triggered go to the end of the list again.
    int collect(::epoll_event* into, int room);
    /// Whether `collect` would give something; drops what is ready no more.
    [[nodiscard]] bool has_ready();

    void link(epoll_item& item);
    void unlink(epoll_item& item) noexcept;
    [[nodiscard]] std::size_t ready_count() const noexcept { return ready_count_; }
    /// Reports an item about which nothing is new, as Linux may.
    void wake_one(std::uint64_t which);
    void shuffle();

    /// Whether `other` can be reached from here: epoll_ctl(2) refuses loops and deep chains.
    [[nodiscard]] bool reaches(const file& other, int depth) const;
    [[nodiscard]] int depth() const;

private:
    std::map<std::pair<int, file*>, std::unique_ptr<epoll_item>> items_;
    epoll_item* first_ = nullptr;
    epoll_item* last_ = nullptr;
    std::size_t ready_count_ = 0;
    std::uint64_t last_number_ = 0;
};

} // namespace dunlin::sys_sim
