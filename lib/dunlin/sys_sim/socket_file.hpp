// What every socket can be asked. None of these calls waits: -EAGAIN says that it would have to.
#pragma once

#include <dunlin/sys/address.hpp>
#include <dunlin/sys_sim/file.hpp>

#include <cerrno>
#include <cstdint>
#include <memory>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace dunlin::sys_sim {

// What has ended, as bits (RCV_SHUTDOWN, SEND_SHUTDOWN).
inline constexpr unsigned ends_receiving = 1;
inline constexpr unsigned ends_sending = 2;
inline constexpr unsigned ends_both = 3;

// With which of epoll's bits readers and writers are woken (sock_def_readable,
// sk_stream_write_space).
inline constexpr std::uint32_t wakes_readers = EPOLLIN | EPOLLPRI | EPOLLRDNORM | EPOLLRDBAND;
inline constexpr std::uint32_t wakes_writers = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

class socket_file : public file {
public:
    using file::file;

    virtual long bind(const sys::raw_address&) { return -EOPNOTSUPP; }
    virtual long listen(int) { return -EOPNOTSUPP; }
    /// -EINPROGRESS when it goes on; `finish_connect` tells the rest once `is_connecting` is over.
    virtual long connect(const sys::raw_address&) { return -EOPNOTSUPP; }
    [[nodiscard]] virtual bool is_connecting() const noexcept { return false; }
    virtual long finish_connect() { return 0; }
    /// The connection, or the errno.
    virtual long accept(std::shared_ptr<socket_file>&) { return -EOPNOTSUPP; }
    virtual long receive(void* into, std::size_t size, int flags) = 0;
    virtual long send(const void* data, std::size_t size, int flags) = 0;
    virtual long shutdown(int how) = 0;
    virtual long name(sys::raw_address& into) const = 0;
    virtual long peer_name(sys::raw_address& into) const = 0;
    /// What accept4(2) gives: also of a connection that is no more.
    virtual void name_of_peer(sys::raw_address& into) const { static_cast<void>(peer_name(into)); }
    virtual long set_option(int level, int option, const void* value, ::socklen_t size);
    /// `size` is the room, and then what was used.
    virtual long get_option(int level, int option, void* value, ::socklen_t& size);
    [[nodiscard]] virtual long unread() const = 0; ///< FIONREAD
    [[nodiscard]] virtual long unsent() const = 0; ///< TIOCOUTQ
    /// A fault: the connection breaks, as the peer and this end see it.
    virtual void break_connection() {}

    /// To read nothing is done at once, whatever the state (sock_read_iter).
    long read(void* into, std::size_t size) override {
        return size == 0 ? 0 : receive(into, size, 0);
    }
    long write(const void* data, std::size_t size) override { return send(data, size, 0); }

    std::int64_t receive_timeout = 0; ///< SO_RCVTIMEO, nanoseconds; 0: none.
    std::int64_t send_timeout = 0;

protected:
    /// Takes the pending error (SO_ERROR): 0 or a positive errno.
    int take_error() noexcept {
        const int taken = error_;
        error_ = 0;
        return taken;
    }

    int error_ = 0;
    bool keeps_alive_ = false;
    bool reuses_address_ = false;
    bool reuses_port_ = false;
    bool lingers_ = false;
    bool broadcasts_ = false;
    int linger_seconds_ = 0;
    int send_buffer_ = 0;    ///< As SO_SNDBUF gives it back: twice of what was asked for.
    int receive_buffer_ = 0; ///< Likewise.
    bool is_listening_ = false;
    int family_ = 0;
    int protocol_ = 0;
};

} // namespace dunlin::sys_sim
