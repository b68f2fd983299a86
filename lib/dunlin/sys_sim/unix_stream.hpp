// A connected pair of AF_UNIX stream sockets, as socketpair(2) makes it; after net/unix/af_unix.c.
#pragma once

#include <dunlin/sys_sim/byte_queue.hpp>
#include <dunlin/sys_sim/socket_file.hpp>

#include <deque>
#include <memory>

namespace dunlin::sys_sim {

class unix_stream final : public socket_file {
public:
    explicit unix_stream(host& owner);
    static void make_pair(unix_stream& first, unix_stream& second) noexcept;

    [[nodiscard]] std::uint32_t events() override;
    void close() override;
    long bind(const sys::raw_address&) override { return -EINVAL; }
    long listen(int) override { return -EINVAL; }
    long connect(const sys::raw_address&) override { return -EISCONN; }
    long accept(std::shared_ptr<socket_file>&) override { return -EINVAL; }
    long receive(void* into, std::size_t size, int flags) override;
    long send(const void* data, std::size_t size, int flags) override;
    long shutdown(int how) override;
    long name(sys::raw_address& into) const override;
    long peer_name(sys::raw_address& into) const override;
    [[nodiscard]] long unread() const override;
    [[nodiscard]] long unsent() const override;

private:
    [[nodiscard]] bool has_room() const noexcept;
    /// A piece has been read to its end by the peer.
    void piece_freed(std::size_t size);

    unix_stream* peer_ = nullptr;
    byte_queue received_;
    std::deque<std::size_t> pieces_; ///< What is left of each send that has come.
    std::deque<std::size_t> whole_; ///< And how much it was: it counts until it is read to its end.
    std::size_t sent_ = 0;          ///< Bytes that count against our send buffer.
    unsigned shut_ = 0;
};

} // namespace dunlin::sys_sim
