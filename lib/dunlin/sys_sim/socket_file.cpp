#include <dunlin/sys_sim/socket_file.hpp>

#include <algorithm>
#include <cstring>

#include <netinet/in.h>
#include <sys/time.h>

namespace dunlin::sys_sim {

namespace {

// socket(7), and net.core.{w,r}mem_max as they are by default.
constexpr int least_send_buffer = 4608;
constexpr int least_receive_buffer = 2304;
constexpr int most_asked_for = 212'992;

int doubled(int asked, int least) noexcept {
    if (asked < 0) asked = most_asked_for;
    return std::max(std::min(asked, most_asked_for) * 2, least);
}

std::int64_t to_ns(const ::timeval& span) noexcept {
    return std::int64_t{span.tv_sec} * 1'000'000'000 + std::int64_t{span.tv_usec} * 1000;
}

template <class Value>
long give(const Value& answer, void* into, ::socklen_t& size) noexcept {
    size = std::min(size, ::socklen_t{sizeof answer});
    std::memcpy(into, &answer, size);
    return 0;
}

} // namespace

long socket_file::set_option(int level, int option, const void* value, ::socklen_t size) {
    if (level != SOL_SOCKET) return -ENOPROTOOPT;
    int number = 0;
    if (size < sizeof number) return -EINVAL;
    std::memcpy(&number, value, sizeof number);
    switch (option) {
    case SO_REUSEADDR:
        reuses_address_ = number != 0;
        return 0;
    case SO_REUSEPORT:
        reuses_port_ = number != 0;
        return 0;
    case SO_BROADCAST:
        broadcasts_ = number != 0;
        return 0;
    case SO_KEEPALIVE:
        keeps_alive_ = number != 0;
        return 0;
    case SO_SNDBUF:
        send_buffer_ = doubled(number, least_send_buffer);
        return 0;
    case SO_RCVBUF:
        receive_buffer_ = doubled(number, least_receive_buffer);
        return 0;
    case SO_LINGER: {
        ::linger asked;
        if (size < sizeof asked) return -EINVAL;
        std::memcpy(&asked, value, sizeof asked);
        lingers_ = asked.l_onoff != 0;
        if (lingers_) linger_seconds_ = asked.l_linger;
        return 0;
    }
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
        ::timeval span;
        if (size < sizeof span) return -EINVAL;
        std::memcpy(&span, value, sizeof span);
        if (span.tv_usec < 0 || span.tv_usec >= 1'000'000) return -EDOM;
        (option == SO_RCVTIMEO ? receive_timeout : send_timeout) = to_ns(span);
        return 0;
    }
    default:
        return -ENOPROTOOPT;
    }
}

long socket_file::get_option(int level, int option, void* value, ::socklen_t& size) {
    if (level != SOL_SOCKET) return -ENOPROTOOPT;
    switch (option) {
    case SO_ERROR:
        return give(take_error(), value, size);
    case SO_TYPE:
        return give(int{SOCK_STREAM}, value, size);
    case SO_PROTOCOL:
        return give(protocol_, value, size);
    case SO_DOMAIN:
        return give(family_, value, size);
    case SO_ACCEPTCONN:
        return give(int{is_listening_}, value, size);
    case SO_REUSEADDR:
        return give(int{reuses_address_}, value, size);
    case SO_REUSEPORT:
        return give(int{reuses_port_}, value, size);
    case SO_BROADCAST:
        return give(int{broadcasts_}, value, size);
    case SO_KEEPALIVE:
        return give(int{keeps_alive_}, value, size);
    case SO_SNDBUF:
        return give(send_buffer_, value, size);
    case SO_RCVBUF:
        return give(receive_buffer_, value, size);
    case SO_LINGER:
        return give(::linger{lingers_ ? 1 : 0, linger_seconds_}, value, size);
    case SO_RCVTIMEO:
    case SO_SNDTIMEO: {
        const std::int64_t ns = option == SO_RCVTIMEO ? receive_timeout : send_timeout;
        return give(::timeval{ns / 1'000'000'000, ns % 1'000'000'000 / 1000}, value, size);
    }
    default:
        return -ENOPROTOOPT;
    }
}

} // namespace dunlin::sys_sim
