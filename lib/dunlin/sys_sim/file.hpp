// An open file description, as open(2) calls it: what one or several descriptors refer to, and what
// epoll watches.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace dunlin::sys_sim {

class epoll_item;
class host;

/// What is common to sockets, event counters, pipes and epoll sets. Results are n or -errno.
class file : public std::enable_shared_from_this<file> {
public:
    explicit file(host& owner) noexcept : owner_{owner} {}
    virtual ~file();
    file(const file&) = delete;
    file& operator=(const file&) = delete;

    /// What poll(2) would say now: EPOLLIN and so on, whatever was asked for. Asking may make the
    /// file remember that somebody waits for room (as tcp_poll does).
    [[nodiscard]] virtual std::uint32_t events() = 0;
    [[nodiscard]] virtual bool can_be_polled() const noexcept { return true; }

    virtual long read(void* into, std::size_t size);
    virtual long write(const void* data, std::size_t size);

    /// The last descriptor has been closed.
    virtual void close() {}

    /// Something has happened: epoll items that asked for one of `key` become ready, or all if it
    /// is zero (wake_up_interruptible_poll in Linux).
    void wake(std::uint32_t key);

    [[nodiscard]] host& owner() const noexcept { return owner_; }

    bool is_nonblocking = false;
    int other_flags = 0;               ///< O_APPEND and the like, which mean nothing here.
    std::size_t descriptors = 0;       ///< How many refer to it.
    std::vector<epoll_item*> watchers; ///< Newest first, as in Linux.

private:
    host& owner_;
};

} // namespace dunlin::sys_sim
