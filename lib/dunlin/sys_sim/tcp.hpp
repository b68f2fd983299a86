// A TCP socket and its connection, after net/ipv4/tcp*.c: states, buffers, windows, what epoll sees
// and when it is told.
//
// There are segments, in order and never lost: a link that is cut delays them, and what RFC 9293
// does with sequence numbers is left out. Between sockets of one host they arrive before the call
// that sends them returns (as over Linux's loopback), else after the link's latency.
#pragma once

#include <dunlin/sys_sim/byte_queue.hpp>
#include <dunlin/sys_sim/place.hpp>
#include <dunlin/sys_sim/socket_file.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace dunlin::sys_sim {

class network;
class tcp;

enum class tcp_state : std::uint8_t {
    closed,
    listening,
    syn_sent,
    syn_received,
    established,
    fin_wait_1,
    fin_wait_2,
    close_wait,
    closing,
    last_ack,
};

/// What travels between two sockets.
struct segment {
    enum class kind : std::uint8_t { syn, syn_ack, handshake_ack, data, fin, reset, ack };
    kind what = kind::ack;
    bool is_urgent = false; ///< The last byte of the data is.
    bool acknowledges_fin = false;
    std::size_t acknowledged = 0; ///< Bytes.
    std::size_t window = 0;       ///< Room at who sends this.
    std::string bytes = {};
    std::weak_ptr<tcp> from = {}; ///< Of a syn and its answer; who delivers it keeps it.
    std::weak_ptr<tcp> to = {};   ///< The peer when it was sent; nobody for a syn.
};

class tcp final : public socket_file {
public:
    tcp(host& owner, int family);
    ~tcp() override;

    // ---- what a descriptor can do

    [[nodiscard]] std::uint32_t events() override;
    void close() override;
    long bind(const sys::raw_address& address) override;
    long listen(int backlog) override;
    long connect(const sys::raw_address& address) override;
    [[nodiscard]] bool is_connecting() const noexcept override;
    long finish_connect() override;
    long accept(std::shared_ptr<socket_file>& into) override;
    long receive(void* into, std::size_t size, int flags) override;
    long send(const void* data, std::size_t size, int flags) override;
    long shutdown(int how) override;
    long name(sys::raw_address& into) const override;
    long peer_name(sys::raw_address& into) const override;
    long set_option(int level, int option, const void* value, ::socklen_t size) override;
    long get_option(int level, int option, void* value, ::socklen_t& size) override;
    void name_of_peer(sys::raw_address& into) const override;
    [[nodiscard]] long unread() const override;
    [[nodiscard]] long unsent() const override;
    void break_connection() override;

    // ---- what the network does with it

    void receive_segment(segment& arrived);
    /// A connection is asked for at this listening socket; false if its queue is full.
    bool receive_syn(segment& arrived, const place& from, const place& to);
    /// It has crossed with a connection of the same two places: both are open (RFC 9293, 3.5).
    void open_simultaneously(const std::shared_ptr<tcp>& with, std::size_t window);
    /// This end learns that its connection is broken.
    void fail(int error_number);
    /// Nothing gets through, for too long.
    void give_up();
    /// Its host is gone.
    void vanish();
    /// The host of its peer is gone, and with it what it would have acknowledged.
    void note_vanished_peer();
    [[nodiscard]] std::int64_t patience() const noexcept;

    [[nodiscard]] tcp_state state() const noexcept { return state_; }
    [[nodiscard]] const place& local() const noexcept { return local_; }
    [[nodiscard]] const place& remote() const noexcept { return remote_; }
    [[nodiscard]] bool takes_v6_only() const noexcept { return v6_only_; }
    [[nodiscard]] bool is_v6() const noexcept;
    [[nodiscard]] bool reuses_address() const noexcept { return reuses_address_; }
    [[nodiscard]] bool reuses_port() const noexcept { return reuses_port_; }
    [[nodiscard]] std::shared_ptr<tcp> peer() const noexcept { return peer_.lock(); }
    [[nodiscard]] std::size_t other_host() const noexcept { return other_host_; }

    // The network's: segments on their way, in order.
    struct in_flight {
        segment what;
        std::int64_t arrival;
    };
    std::deque<in_flight> line;
    std::int64_t last_arrival = 0;
    std::int64_t stuck_since = -1; ///< When the first of them was lost; -1: it was not.
    int losses = 0;

private:
    friend class network;
    enum class phase : std::uint8_t { unconnected, connecting, connected, disconnecting }; // SS_…

    [[nodiscard]] network& net() const noexcept;
    [[nodiscard]] std::shared_ptr<tcp> self();
    [[nodiscard]] std::size_t send_room() const noexcept;
    [[nodiscard]] std::size_t window() const noexcept;
    [[nodiscard]] std::size_t receive_capacity() const noexcept;
    [[nodiscard]] bool has_room_to_report() const noexcept;
    [[nodiscard]] bool is_readable() const noexcept;
    [[nodiscard]] bool is_opening() const noexcept;
    void transmit(segment::kind what);
    void push();
    void send_fin_if_due();
    void send_again();
    void acknowledge(std::size_t bytes, bool fin);
    void note_acknowledgement(const segment& arrived);
    void note_room();
    void report_window();
    void become_established();
    void queue_at_listener();
    void receive_data(segment& arrived);
    void receive_fin();
    void receive_reset();
    void enter_time_wait();
    void be_done();    ///< tcp_done
    void disconnect(); ///< tcp_disconnect
    void reset_peer(); ///< Sends a reset; nothing of what is unsent follows.
    void stop_listening();
    [[nodiscard]] bool is_to_end_now() const noexcept;
    void leave_network();
    void release_port();
    long check_local(const place& where) const;

    tcp_state state_ = tcp_state::closed;
    phase phase_ = phase::unconnected;
    bool is_dead_ = false;        ///< No descriptor refers to it any more (SOCK_DEAD).
    bool fin_came_ = false;       ///< SOCK_DONE
    unsigned shut_ = 0;           ///< RCV_SHUTDOWN 1, SEND_SHUTDOWN 2
    bool wants_room_ = false;     ///< SOCK_NOSPACE
    bool has_port_ = false;       ///< Its local port is taken (inet_num).
    bool port_is_bound_ = false;  ///< It was asked for by number, and is kept after a connection.
    bool port_is_shared_ = false; ///< It was chosen for a connection: others may have it as well.
    bool address_is_bound_ = false;
    bool binds_no_port_ = false; ///< IP_BIND_ADDRESS_NO_PORT: connect chooses it.

    place local_;
    place remote_;
    std::weak_ptr<tcp> peer_;
    std::size_t other_host_ = 0;

    // Sending: `unsent_` holds what the peer has not acknowledged, of which the first `sent_` bytes
    // are on their way.
    byte_queue unsent_;
    std::size_t sent_ = 0;
    std::size_t peer_window_ = 0;
    std::size_t urgent_end_ = 0; ///< How many bytes of `unsent_` end with the urgent one; 0: none.
    bool fin_is_due_ = false;
    bool fin_is_sent_ = false;

    // Receiving.
    byte_queue received_;
    std::size_t advertised_ = 0;
    bool has_urgent_ = false; ///< There is an urgent mark in or before what is received.
    bool urgent_is_read_ = false;
    std::size_t urgent_at_ = 0;
    char urgent_byte_ = 0;

    // Listening.
    std::size_t backlog_ = 0;
    std::deque<std::shared_ptr<tcp>> accept_queue_;
    std::vector<std::shared_ptr<tcp>> embryos_; ///< The handshake is under way.
    std::weak_ptr<tcp> listener_;
    std::int64_t retry_is_planned_ = -1;

    // Options.
    bool v6_only_ = false;
    bool no_delay_ = false;
    bool urgent_inline_ = false;
    bool is_corked_ = false;    ///< TCP_CORK
    bool more_follows_ = false; ///< MSG_MORE
    std::size_t low_mark_ = 1;  ///< SO_RCVLOWAT
    bool send_buffer_is_set_ = false;
    bool receive_buffer_is_set_ = false;
    int keep_idle_ = 7200;
    int keep_interval_ = 75;
    int keep_count_ = 9;
    int user_timeout_ = 0; ///< Milliseconds.
    int fin_timeout_ = 0;
};

} // namespace dunlin::sys_sim
