// What is between the sockets: who has which port, which way a segment takes and how long.
#pragma once

#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/place.hpp>
#include <dunlin/sys_sim/tcp.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace dunlin::sys_sim {

class network {
public:
    explicit network(kernel& in) noexcept : kernel_{in} {}
    ~network();
    network(const network&) = delete;
    network& operator=(const network&) = delete;

    // ---- sockets

    void add(const std::shared_ptr<tcp>& socket);
    void remove(const tcp& socket);
    /// All of a host: its power is off.
    void vanish(std::size_t host_number);
    /// Breaks all connections of a host, as its peers see it too.
    void reset_all(std::size_t host_number);
    /// How many of a host still live, those without a descriptor included.
    [[nodiscard]] std::size_t socket_count(std::size_t host_number) const noexcept;

    // ---- ports

    /// Whether a socket may be bound here (EADDRINUSE otherwise).
    [[nodiscard]] bool is_free(const tcp& asking, const place& where) const;
    /// A port for a socket that does not care (ip(7), ip_local_port_range); 0 if there is none
    /// left.
    [[nodiscard]] std::uint16_t any_port(const tcp& asking, const place& where);
    /// Likewise for a connection, which may share a port with others to other places.
    [[nodiscard]] std::uint16_t any_port_to(const tcp& asking, const place& from, const place& to);
    [[nodiscard]] bool is_connection_free(const tcp& asking, const place& from,
                                          const place& to) const;
    void keep_in_time_wait(const tcp& socket);
    [[nodiscard]] std::size_t time_wait_count() const noexcept;

    // ---- routes

    /// Which host has this address, seen from one; nullopt: nobody.
    [[nodiscard]] std::optional<std::size_t> host_of(std::size_t from, const place& where) const;
    [[nodiscard]] link_quality& link(std::size_t from, std::size_t to) {
        return links_[key(from, to)].quality;
    }

    /// Sends it to the peer of `from` (a syn to who listens at its remote place).
    void send(tcp& from, segment what);
    /// Segments within a host arrive when the outermost of these ends.
    class batch {
    public:
        explicit batch(network& in) noexcept : in_{in} { ++in_.open_batches_; }
        ~batch() {
            if (--in_.open_batches_ == 0) in_.deliver_immediate();
        }
        batch(const batch&) = delete;
        batch& operator=(const batch&) = delete;

    private:
        network& in_;
    };

private:
    struct line_between {
        link_quality quality;
        std::int64_t is_busy_until = 0;
    };
    struct waiting {
        std::shared_ptr<tcp> from;
        segment what;
    };
    struct time_wait {
        std::size_t host_number;
        place local;
        place remote;
        bool reuses_address;
        std::int64_t until;
    };
    [[nodiscard]] static std::uint64_t key(std::size_t from, std::size_t to) noexcept {
        return (std::uint64_t{from} << 32) | to;
    }
    void deliver_immediate();
    void deliver(const std::shared_ptr<tcp>& from, segment& what);
    void deliver_syn(const std::shared_ptr<tcp>& from, segment& what);
    void answer_with_reset(tcp& to);
    void plan(tcp& from, std::int64_t when);
    void arrive(const std::shared_ptr<tcp>& from);
    [[nodiscard]] tcp* find_listener(std::size_t host_number, const place& where,
                                     const tcp& from) const;
    void forget_old_time_waits() const;

    kernel& kernel_;
    std::vector<std::vector<std::shared_ptr<tcp>>> sockets_; ///< By host.
    std::unordered_map<std::uint64_t, line_between> links_;
    mutable std::vector<time_wait> time_waits_;
    std::deque<waiting> immediate_;
    int open_batches_ = 0;
    bool is_delivering_ = false;
};

} // namespace dunlin::sys_sim
