#pragma once
// The recorder makes one system call and writes one line about it: what was asked, in symbols, and
// what the kernel answered. Two kernels that behave alike give the same transcript. The calls are
// libc's plain ones, so that `--wrap` can lead them to another kernel. The situations are in the
// *_situations.cpp.

#include "symbols.hpp"

#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <csignal>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

namespace behaviour {

class recorder;

/// What a call returned. `shown` is what it said besides: data, event bits, an address.
class outcome {
public:
    outcome(recorder& t, long value, int error, std::string shown)
        : t_{&t}, value_{value}, error_{error}, shown_{std::move(shown)} {}

    /// Claims; one that is false fails the program and names the call.
    const outcome& is(long expected) const;
    const outcome& is(std::string_view expected) const;
    const outcome& fails(int expected) const;

    const std::string& shown() const { return shown_; }

private:
    recorder* t_;
    long value_;
    int error_;
    std::string shown_;
};

/// Sockets the recorder makes do not block, unless the situation says so by its own flags.
inline constexpr int stream = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
inline constexpr int datagram = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

/// Keeps the descriptors under labels and the ports under symbols, p1 being the first one seen.
///
/// A label says which descriptor is meant; numbers are shown relative to the lowest one that was
/// free at the start, `a#0`. Labels `-1` and `9999` are those numbers themselves. An address is
/// `127.0.0.1:p1`,
/// `*:0`, `[::1]:p1`, `[*]:0`, or `unspec`. What is open at the end is closed in order of opening.
class recorder {
public:
    recorder();
    recorder(const recorder&) = delete;
    recorder& operator=(const recorder&) = delete;

    // Sockets: socket(2) and the calls it leads to.
    outcome socket(const std::string& label, int family, int type, int protocol = 0);
    outcome tcp(const std::string& label) { return socket(label, AF_INET, stream); }
    outcome pair(const std::string& a, const std::string& b, int type = stream,
                 int family = AF_UNIX);
    outcome bind(const std::string& label, const std::string& address);
    outcome listen(const std::string& label, int backlog = 16);
    outcome connect(const std::string& label, const std::string& address);
    /// accept4(2); shows the peer's address.
    outcome accept(const std::string& label, const std::string& listener,
                   int flags = SOCK_NONBLOCK);
    outcome shutdown(const std::string& label, int how);
    outcome close(const std::string& label);
    outcome getsockname(const std::string& label);
    outcome getpeername(const std::string& label);

    // Data. A size instead of text sends that many bytes of a pattern.
    outcome send(const std::string& label, std::string_view data, int flags = MSG_NOSIGNAL);
    outcome send_many(const std::string& label, std::size_t size, int flags = MSG_NOSIGNAL);
    outcome recv(const std::string& label, std::size_t size = 64, int flags = 0);
    outcome write(const std::string& label, std::string_view data);
    outcome read(const std::string& label, std::size_t size = 64);
    outcome writev(const std::string& label, const std::vector<std::string>& parts);
    outcome readv(const std::string& label, const std::vector<std::size_t>& sizes);
    /// So many empty parts in one call, for the limit on their number.
    outcome sendmsg_parts(const std::string& label, std::size_t parts);
    outcome sendmsg(const std::string& label, const std::vector<std::string>& parts,
                    int flags = MSG_NOSIGNAL);
    /// Shows msg_flags behind the data.
    outcome recvmsg(const std::string& label, const std::vector<std::size_t>& sizes, int flags = 0);
    outcome sendto(const std::string& label, std::string_view data, const std::string& address,
                   int flags = MSG_NOSIGNAL);
    /// Shows where from behind the data.
    outcome recvfrom(const std::string& label, std::size_t size = 64, int flags = 0);

    // Options, flags and numbers.
    outcome get(const std::string& label, int level, int option);
    outcome get(const std::string& label, int option) { return get(label, SOL_SOCKET, option); }
    outcome set(const std::string& label, int level, int option, int value);
    outcome set(const std::string& label, int option, int value) {
        return set(label, SOL_SOCKET, option, value);
    }
    outcome so_error(const std::string& label) { return get(label, SOL_SOCKET, SO_ERROR); }
    outcome linger(const std::string& label, int on, int seconds);
    outcome get_linger(const std::string& label);
    outcome readable_bytes(const std::string& label);           ///< FIONREAD
    outcome unsent_bytes(const std::string& label);             ///< TIOCOUTQ
    outcome set_nonblocking(const std::string& label, bool on); ///< FIONBIO
    outcome getfd(const std::string& label);
    outcome setfd(const std::string& label, int flags);
    outcome getfl(const std::string& label);
    outcome setfl(const std::string& label, int flags);
    outcome dup(const std::string& label, const std::string& original);
    outcome dup2(const std::string& original, const std::string& onto);
    outcome dup3(const std::string& original, const std::string& onto, int flags);
    /// fcntl(2) F_DUPFD or F_DUPFD_CLOEXEC, with a lowest number counted from the start's lowest
    /// free one.
    outcome dup_from(const std::string& label, const std::string& original, int lowest,
                     bool close_on_exec = false);

    // Waiting.
    outcome epoll(const std::string& label, int flags = EPOLL_CLOEXEC);
    outcome add(const std::string& set, const std::string& label, std::uint32_t events);
    outcome mod(const std::string& set, const std::string& label, std::uint32_t events);
    outcome del(const std::string& set, const std::string& label);
    /// An operation that epoll_ctl(2) does not know.
    outcome control_unknown(const std::string& set, const std::string& label);
    /// Shows whether a wait without events ended in time, and not before.
    outcome timed_wait(const std::string& set, int timeout_ms);
    /// Shows `a:IN b:OUT`, in the kernel's order.
    outcome wait(const std::string& set, int most = 16, int timeout_ms = 0);
    /// Shows the bits; `events` are poll(2)'s.
    outcome poll(const std::string& label, unsigned events = all_poll_bits, int timeout_ms = 0);
    outcome poll_all(const std::vector<std::pair<std::string, unsigned>>& asked);
    /// Lets what is under way arrive: a few ms during which the program does nothing.
    void settle();

    // eventfd(2), signalfd(2), pipe(2), open(2), clock_gettime(2) and signals.
    outcome eventfd(const std::string& label, unsigned initial, int flags);
    outcome add_to_counter(const std::string& label, std::uint64_t value);
    outcome take_counter(const std::string& label);
    outcome signalfd(const std::string& label, std::initializer_list<int> signals, int flags);
    outcome change_signalfd(const std::string& label, std::initializer_list<int> signals);
    /// Shows the signals' numbers by name.
    outcome take_signals(const std::string& label, std::size_t most = 4);
    outcome block_signals(std::initializer_list<int> signals);
    outcome unblock_signals(std::initializer_list<int> signals);
    outcome raise(int signal);
    /// sigpending(2) of one signal: 0 or 1.
    outcome is_pending(int signal);
    outcome pipe(const std::string& reader, const std::string& writer);
    outcome open(const std::string& label, const char* path);
    outcome monotonic_forward(int clock);

    // What situations are made of. Each call within is recorded.
    /// A listener on the loopback address whose port is the next symbol, p1 in a situation that
    /// begins so.
    void listener(const std::string& label, int backlog = 16);
    /// A connection through `listener`, accepted.
    void connected(const std::string& client, const std::string& server,
                   const std::string& listener = "l");
    /// Listener `l` at p1, client `c` and server `s`.
    void tcp_pair();
    /// Sends until the buffers are full and stay so, reporting neither how often nor how much. An
    /// acknowledgement that TCP delays makes room later, so this takes longer than the delay.
    void fill(const std::string& label);
    /// Receives until nothing is left, reporting only whether there was anything and how it ended.
    outcome drain(const std::string& label);
    /// The same until the stream's end, waiting for it.
    outcome drain_to_end(const std::string& label);
    /// Sends once, more than fits, and shows only that it was taken `in part`.
    outcome send_part(const std::string& label, std::size_t size);
    /// recv(2) whose data does not count, since the kernel need not have written it.
    outcome recv_unseen(const std::string& label, std::size_t size, int flags);
    /// Moves so many bytes in pieces that the kernel chooses, and shows whether they came `intact`.
    outcome pump(const std::string& from, const std::string& to, std::size_t size);
    /// Receives at one end until the other is writable again, reporting neither how often nor how
    /// much.
    void drain_while_full(const std::string& receiver, const std::string& sender);
    /// Makes the next close of it a reset, and closes.
    void reset(const std::string& label);

    /// A claim that is not about one call.
    void check(bool holds, const char* claim);
    /// What a reader should know besides the calls.
    void note(const std::string& text);
    /// The descriptor's own number.
    int number(const std::string& label) const;
    /// Puts a number under a label, without a call.
    void know(const std::string& label, int fd);
    /// The description lives on under another number: forget this label without closing.
    void forget(const std::string& label);

    /// Closes what is open and looks whether the descriptors are as they were at the start.
    void finish();
    const std::string& transcript() const { return text_; }
    const std::string& failures() const { return failures_; }

    static constexpr unsigned all_poll_bits = 0x2000 | 1 | 2 | 4; // RDHUP, IN, PRI, OUT

private:
    friend class outcome;

    outcome line(const std::string& call, long value, int error, const std::string& shown = {});
    outcome opened(const std::string& call, const std::string& label, int fd, int error,
                   const std::string& shown = {});
    outcome transferred(const std::string& call, long n, int error, const char* data,
                        const std::string& also = {});
    outcome control(int operation, const char* name, const std::string& set,
                    const std::string& label, std::uint32_t events);
    void parse(const std::string& address, sockaddr_storage& out, socklen_t& size) const;
    std::string show(const sockaddr_storage& address, socklen_t size);
    std::string port_symbol(int port);
    std::string relative(int fd) const;
    void fail(const std::string& what);

    std::string text_;
    std::string failures_;
    std::map<std::string, int> numbers_;
    std::vector<std::pair<std::string, int>> open_; // in order of opening
    std::vector<int> ports_;
    std::vector<std::string> tags_;
    int base_ = -1;
    unsigned pattern_ = 0;
};

/// One thing that a kernel does, by name; the topic is its file's.
struct situation {
    const char* topic;
    const char* name;
    void (*body)(recorder&);
};

/// All situations, in the order of their files' names and within one in the order of writing.
std::vector<situation>& situations();

/// Puts one into the list before main starts.
struct registered {
    registered(const char* topic, const char* name, void (*body)(recorder&)) {
        situations().push_back({topic, name, body});
    }
};

} // namespace behaviour

#define DUNLIN_JOIN_(a, b) a##b
#define DUNLIN_JOIN(a, b) DUNLIN_JOIN_(a, b)
/// SITUATION("name") { t.…; } — the file defines `topic` before.
#define SITUATION(name)                                                                            \
    static void DUNLIN_JOIN(body_, __LINE__)(::behaviour::recorder & t);                           \
    static const ::behaviour::registered DUNLIN_JOIN(entry_, __LINE__){                            \
        topic, name, DUNLIN_JOIN(body_, __LINE__)};                                                \
    static void DUNLIN_JOIN(body_, __LINE__)([[maybe_unused]] ::behaviour::recorder & t)
