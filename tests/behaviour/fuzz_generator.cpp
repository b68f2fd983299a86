// Makes a random program from its seed and nothing else: what it believes about the sockets decides
// which calls make sense, never what a kernel answered. So both kernels are given the same one.
#include "fuzz_program.hpp"

#include "symbols.hpp"

#include <algorithm>
#include <set>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace behaviour {

namespace {

/// splitmix64: the same numbers everywhere, which <random>'s distributions do not promise.
class dice {
public:
    explicit dice(std::uint64_t seed) : state_{seed * 0x9e3779b97f4a7c15ULL + 0x1234567} {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31);
    }
    int below(int end) { return static_cast<int>(next() % static_cast<std::uint64_t>(end)); }
    bool one_in(int n) { return below(n) == 0; }
    template <typename T>
    const T& of(const std::vector<T>& choices) {
        return choices[static_cast<std::size_t>(below(static_cast<int>(choices.size())))];
    }

private:
    std::uint64_t state_;
};

enum class kind : std::uint8_t { none, tcp, listener, stream, epoll, counter };

/// What the generator believes of a slot. It may be wrong, since it does not know what calls will
/// return.
struct belief {
    kind what = kind::none;
    int peer = -1;
    long sent = 0;       // bytes
    int description = 0; // duplicates have the same
    int waiting = 0;     // a listener's: connections that nobody accepted
    bool full = false;   // nothing more fits
    bool loose =
        false; // and something was read since: whether it is writable is the kernel's freedom
};

constexpr int most_slots = 10;
// So much fits into every direction at once, whatever the kernel's way of counting.
constexpr long fits_surely = 24000;          // bytes
constexpr int longest_recv_while_full = 100; // bytes

class generator {
public:
    generator(std::uint64_t seed, const std::vector<std::string>& without) : dice_{seed} {
        const bool may_fill = std::find(without.begin(), without.end(), "buffers") == without.end();
        filling_ = dice_.one_in(40) && may_fill;
        for (const auto& feature : fuzz_features()) {
            const bool wanted = feature == "buffers" ? filling_ : dice_.below(3) != 0;
            if (wanted && std::find(without.begin(), without.end(), feature) == without.end())
                features_.push_back(feature);
        }
    }

    fuzz_program make() {
        begin();
        const int length = filling_ ? 15 + dice_.below(30) : 20 + dice_.below(180);
        for (int tries = 0; static_cast<int>(steps_.size()) < length && tries < length * 20;
             ++tries)
            filling_ ? one_while_filling() : one();
        finish_loose();
        return {std::move(steps_), std::move(features_), most_slots};
    }

private:
    bool has(const char* feature) const {
        return std::find(features_.begin(), features_.end(), feature) != features_.end();
    }
    belief& at(int slot) { return slots_[slot]; }
    void believe(int slot, kind what, int peer = -1) {
        at(slot) = {what, peer};
        at(slot).description = ++descriptions_;
    }
    step& put(step s) { return steps_.emplace_back(s); }

    int free_slot() const {
        for (int i = 0; i < most_slots; ++i)
            if (slots_[i].what == kind::none) return i;
        return -1;
    }
    int slot_of(std::initializer_list<kind> kinds) {
        std::vector<int> found;
        for (int i = 0; i < most_slots; ++i)
            if (std::find(kinds.begin(), kinds.end(), slots_[i].what) != kinds.end())
                found.push_back(i);
        // Now and then a call that does not suit the descriptor, or one that is not open.
        if (has("wild") && dice_.one_in(25)) return dice_.below(most_slots);
        return found.empty() ? -1 : dice_.of(found);
    }

    int make_socket() {
        const int slot = free_slot();
        if (slot < 0) return -1;
        put({call::make_tcp, slot});
        believe(slot, kind::tcp);
        return slot;
    }
    int make_listener() {
        const int slot = make_socket();
        if (slot < 0) return -1;
        if (!has("listen") || !dice_.one_in(8)) put({call::bind, slot});
        put({call::listen, slot, -1, has("listen") ? dice_.below(4) : 8});
        at(slot).what = kind::listener;
        return slot;
    }
    void make_connection() {
        const int listener = make_listener();
        const int client = make_socket();
        const int server = free_slot();
        if (listener < 0 || client < 0 || server < 0) return;
        put({call::connect, client, listener});
        put({call::accept, server, listener});
        believe(client, kind::stream, server);
        believe(server, kind::stream, client);
        if (filling_ || dice_.one_in(3)) close(listener);
    }
    void make_pair() {
        const int a = free_slot();
        if (a < 0) return;
        at(a).what = kind::stream;
        const int b = free_slot();
        if (b < 0) {
            at(a) = {};
            return;
        }
        put({call::make_pair, a, b});
        believe(a, kind::stream, b);
        believe(b, kind::stream, a);
    }
    void make_epoll() {
        const int slot = free_slot();
        if (slot < 0) return;
        put({call::make_epoll, slot});
        believe(slot, kind::epoll);
    }
    void close(int slot) {
        put({call::close, slot});
        at(slot) = {};
    }

    void begin() {
        if (has("unix") && dice_.one_in(2))
            make_pair();
        else
            make_connection();
        if (has("epoll")) make_epoll();
        if (!filling_ && dice_.one_in(3)) make_connection();
        if (has("nested") && !filling_) make_epoll();
    }

    std::uint32_t interest() {
        std::uint32_t events = 0;
        for (const std::uint32_t bit : {EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLPRI})
            if (dice_.below(3) != 0) events |= bit;
        if (has("edge") && dice_.one_in(2)) events |= EPOLLET;
        if (has("oneshot") && dice_.one_in(4)) events |= EPOLLONESHOT;
        if (has("exclusive") && dice_.one_in(6)) events |= EPOLLEXCLUSIVE;
        return events;
    }

    long send_size(belief& b) {
        long size = 0;
        switch (dice_.below(8)) {
        case 0:
            size = 0;
            break;
        case 1:
            size = 1;
            break;
        case 2:
        case 3:
            size = 1 + dice_.below(20);
            break;
        case 4:
        case 5:
            size = 1 + dice_.below(1000);
            break;
        case 6:
            size = 1 + dice_.below(5000);
            break;
        default:
            size = 1 + dice_.below(12000);
            break;
        }
        size = std::min(size, fits_surely - b.sent);
        b.sent += size;
        return size;
    }

    void send() {
        const int slot = slot_of({kind::stream, kind::tcp});
        if (slot < 0 || at(slot).sent >= fits_surely) return;
        put({call::send, slot, -1, send_size(at(slot)),
             has("oob") && dice_.one_in(5) ? std::uint32_t{MSG_OOB} : 0U});
    }
    void recv() {
        const int slot = slot_of({kind::stream, kind::tcp});
        if (slot < 0) return;
        static const std::vector<long> sizes{0, 1, 2, 10, 100, 1000, 10000, 40000, 40000};
        std::uint32_t flags = 0;
        if (has("peek") && dice_.one_in(5)) flags |= MSG_PEEK;
        if (has("oob") && dice_.one_in(6)) flags |= MSG_OOB;
        if (has("peek") && dice_.one_in(12)) flags |= MSG_WAITALL;
        put({call::recv, slot, -1, dice_.of(sizes), flags});
    }

    void one() {
        switch (dice_.below(26)) {
        case 0:
        case 1:
        case 2:
        case 3:
            return send();
        case 4:
        case 5:
        case 6:
        case 7:
            return recv();
        case 8:
            return end_half();
        case 9:
            return end();
        case 10:
            return duplicate();
        case 11:
        case 12:
            return change_interest(call::add);
        case 13:
            return change_interest(call::mod);
        case 14:
            return change_interest(call::del);
        case 15:
        case 16:
        case 17:
        case 18:
            return wait();
        case 19:
            return ask();
        case 20:
            return option();
        case 21:
            return connect();
        case 22:
            return accept();
        case 23:
            return make_more();
        case 24:
            return count();
        default:
            return listen_or_bind();
        }
    }

    void end_half() {
        if (!has("shutdown")) return;
        const int slot = slot_of({kind::stream, kind::stream, kind::listener, kind::tcp});
        if (slot < 0 || (at(slot).what != kind::stream && !dice_.one_in(4))) return;
        const int how = dice_.below(3);
        if (how != SHUT_RD && !may_end(slot)) return;
        put({call::shutdown, slot, -1, 0, static_cast<std::uint32_t>(how)});
    }
    // The acknowledgement of an end wakes those who wait for edges, and when it comes is the
    // kernel's freedom: at once, 40 ms later, or with the peer's next data. So a socket has edges
    // or an end, not both.
    bool may_end(int slot) {
        const int description = at(slot).description;
        if (edges_.contains(description)) return false;
        ended_.insert(description);
        return true;
    }
    std::uint32_t only_levels_if_ended(int slot, std::uint32_t events) {
        const int description = at(slot).description;
        if (ended_.contains(description)) events &= ~std::uint32_t{EPOLLET};
        // An edge-triggered set around this one would show that wake-up as well.
        if ((events & EPOLLET) != 0 || (has("nested") && has("edge"))) edges_.insert(description);
        return events;
    }
    bool may_wait_for(int slot) {
        return !(has("nested") && has("edge") && ended_.contains(at(slot).description));
    }
    void end() {
        const int slot =
            slot_of({kind::stream, kind::tcp, kind::listener, kind::counter, kind::epoll});
        if (slot < 0 || !dice_.one_in(2)) return;
        if (has("reset") && dice_.one_in(2)) put({call::linger, slot});
        if (has("reset") && dice_.one_in(12)) return; // its reset comes with a later close
        close(slot);
    }
    void duplicate() {
        if (!has("dup")) return;
        const int of =
            slot_of({kind::stream, kind::tcp, kind::listener, kind::counter, kind::epoll});
        const int slot = free_slot();
        if (of < 0 || slot < 0 || !dice_.one_in(2)) return;
        put({call::dup, slot, of});
        at(slot) = at(of);
        at(slot).sent = at(of).sent = fits_surely; // the two share a buffer: no more into it
    }
    void change_interest(call how) {
        const int set = slot_of({kind::epoll});
        const int slot = has("nested") && dice_.one_in(6)
                             ? slot_of({kind::epoll})
                             : slot_of({kind::stream, kind::tcp, kind::listener, kind::counter});
        if (set < 0 || slot < 0) return;
        if (how == call::del) {
            put({how, slot, set});
        } else if (may_wait_for(slot)) {
            const auto events = only_levels_if_ended(slot, interest());
            put({how, slot, set, 0, events});
        }
    }
    void wait() {
        const int set = slot_of({kind::epoll});
        if (set >= 0) put({call::wait, set});
    }
    void ask() {
        const int slot = slot_of({kind::stream, kind::tcp, kind::listener});
        if (slot >= 0) put({dice_.one_in(2) ? call::so_error : call::peer_name, slot});
    }
    void option() {
        if (!has("options")) return;
        const int slot = slot_of({kind::stream, kind::tcp, kind::listener});
        if (slot < 0) return;
        const auto which =
            static_cast<std::uint32_t>(dice_.below(static_cast<int>(fuzz_options().size())));
        if (dice_.one_in(2))
            put({call::set_option, slot, -1, dice_.of(std::vector<long>{0, 1, 1, 3, 20}), which});
        else
            put({call::get_option, slot, -1, 0, which});
    }
    void connect() {
        if (!has("connect")) return;
        const int slot = slot_of({kind::tcp});
        const int to = slot_of({kind::listener, kind::listener, kind::tcp, kind::stream});
        if (slot < 0 || to < 0) return;
        put({call::connect, slot, to});
        if (at(to).what == kind::listener) ++at(to).waiting;
        at(slot).what = dice_.one_in(4) ? kind::tcp : kind::stream;
    }
    void accept() {
        const int listener = slot_of({kind::listener});
        const int slot = free_slot();
        if (listener < 0 || slot < 0 || (at(listener).waiting == 0 && !dice_.one_in(4))) return;
        put({call::accept, slot, listener});
        // Where nobody waits it will fail, and its slot stay free.
        if (at(listener).waiting == 0) return;
        --at(listener).waiting;
        believe(slot, kind::stream);
    }
    void make_more() {
        switch (dice_.below(6)) {
        case 0:
            make_connection();
            break;
        case 1:
            if (has("unix")) make_pair();
            break;
        case 2:
            if (has("listen")) make_listener();
            break;
        case 3:
            if (has("counter") && free_slot() >= 0) {
                const int slot = free_slot();
                put({call::make_counter, slot});
                believe(slot, kind::counter);
            }
            break;
        default:
            make_socket();
            break;
        }
    }
    void count() {
        const int slot = slot_of({kind::counter});
        if (slot < 0) return;
        if (dice_.one_in(2))
            put({call::counter_add, slot, -1, dice_.below(3)});
        else
            put({call::counter_take, slot});
    }
    void listen_or_bind() {
        if (!has("listen")) return;
        const int slot = slot_of({kind::tcp, kind::listener});
        if (slot < 0) return;
        if (dice_.one_in(2)) {
            put({call::bind, slot});
        } else {
            put({call::listen, slot, -1, dice_.below(4)});
            if (at(slot).what == kind::tcp) at(slot).what = kind::listener;
        }
    }

    // Programs with full buffers. What the amounts are is the kernel's freedom, so a direction that
    // is full is left alone but for what is certain, and once somebody reads from it, it is drained
    // before anything else.
    int loose_slot() const {
        for (int i = 0; i < most_slots; ++i)
            if (slots_[i].loose) return i;
        return -1;
    }
    void drain(int sender) {
        const int receiver = at(sender).peer;
        put({call::drain, receiver});
        at(sender).full = at(sender).loose = false;
    }
    void finish_loose() {
        if (const int sender = loose_slot(); sender >= 0) drain(sender);
    }
    void one_while_filling() {
        if (const int sender = loose_slot(); sender >= 0) {
            const int receiver = at(sender).peer;
            if (dice_.one_in(2)) return drain(sender);
            step s{call::recv, receiver, -1, 1 + dice_.below(longest_recv_while_full)};
            s.any_amount = true;
            put(s);
            return;
        }
        const int slot = slot_of({kind::stream});
        if (slot < 0) {
            has("unix") && dice_.one_in(2) ? make_pair() : make_connection();
            return;
        }
        const int peer = at(slot).peer;
        const bool known = at(slot).what == kind::stream && peer >= 0 &&
                           at(peer).what == kind::stream && at(peer).peer == slot;
        if (!known) {
            if (at(slot).what == kind::stream) close(slot);
            return;
        }
        switch (dice_.below(12)) {
        case 0:
        case 1:
            if (at(slot).full) return;
            put({call::fill, slot});
            at(slot).full = true;
            return;
        case 2:
        case 3:
            if (at(peer).full) return drain(peer);
            return;
        case 4:
            if (!at(peer).full) return;
            at(peer).loose = true;
            return;
        case 5:
            put({call::send, slot, -1, 1 + dice_.below(20)});
            // Into a full one it is refused; into another it goes, and the peer can read it.
            if (!at(slot).full) put({call::recv, peer, -1, 100});
            return;
        case 6:
            if (has("shutdown") && dice_.one_in(2) && may_end(slot))
                put({call::shutdown, slot, -1, 0, static_cast<std::uint32_t>(SHUT_WR)});
            return;
        case 7:
            if (dice_.one_in(3)) end_while_filling(slot);
            return;
        case 8:
            return change_interest(call::add);
        case 9:
            return change_interest(call::mod);
        default:
            return wait();
        }
    }
    void end_while_filling(int slot) {
        const int peer = at(slot).peer;
        if (has("reset") && dice_.one_in(2)) put({call::linger, slot});
        put({call::close, slot});
        put({call::drain, peer});
        put({call::so_error, peer});
        if (has("epoll")) wait();
        close(peer);
        at(slot) = {};
    }

    dice dice_;
    bool filling_ = false;
    std::vector<std::string> features_;
    std::vector<step> steps_;
    belief slots_[most_slots];
    int descriptions_ = 0;
    std::set<int> edges_; // descriptions
    std::set<int> ended_;
};

} // namespace

fuzz_program make_program(std::uint64_t seed, const std::vector<std::string>& without) {
    return generator{seed, without}.make();
}

} // namespace behaviour
