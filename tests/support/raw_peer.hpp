// The other side of a connection, by hand: blocking system calls on a plain descriptor, each
// bounded by five seconds, so that a bug in what is tested fails the test instead of hanging it.
#pragma once

#include <dunlin/sys/fd.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace dunlin::test {

class raw_peer {
public:
    raw_peer() = default;
    explicit raw_peer(unique_fd connected);

    /// Sends all of it; blocks while the other side's buffer is full.
    void send(std::string_view bytes);

    /// Sends until the kernel takes no more; gives the number of bytes.
    std::size_t fill();

    /// One urgent byte (TCP only).
    void send_urgent(char byte);

    /// What has come, at most `most` bytes; waits for the first. Empty at the end of the stream.
    std::string receive(std::size_t most = 65536);

    /// Exactly so many bytes, less only at the end of the stream.
    std::string receive_exactly(std::size_t size);

    /// Everything up to the end of the stream.
    std::string receive_all();

    /// What is there now, without waiting; nullopt if nothing is (and the stream has not ended).
    std::optional<std::string> try_receive(std::size_t most = 65536);

    /// Ends our half: the other side reads the end of the stream.
    void shutdown_write();

    void close() { fd_.close(); }

    /// Closes with a reset (TCP only).
    void reset();

    [[nodiscard]] borrowed_fd fd() const { return fd_.borrow(); }
    [[nodiscard]] unique_fd release() { return unique_fd{fd_.release()}; }

private:
    unique_fd fd_;
};

} // namespace dunlin::test
