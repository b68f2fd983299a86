// setsockopt(2) and getsockopt(2) on a TCP socket: socket(7), ip(7), tcp(7), ipv6(7).
#include <dunlin/sys_sim/tcp.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/network.hpp>

#include <algorithm>
#include <cstring>

#include <netinet/in.h>
#include <netinet/tcp.h>

namespace dunlin::sys_sim {

long tcp::set_option(int level, int option, const void* value, ::socklen_t size) {
    if (level == SOL_SOCKET) {
        int number = 0;
        if (size < sizeof number) return -EINVAL;
        std::memcpy(&number, value, sizeof number);
        if (option == SO_OOBINLINE) {
            urgent_inline_ = number != 0;
            return 0;
        }
        if (option == SO_RCVLOWAT) {
            low_mark_ = number > 0 ? static_cast<std::size_t>(number) : 1;
            return 0;
        }
        const long outcome = socket_file::set_option(level, option, value, size);
        if (outcome == 0 && option == SO_RCVBUF) receive_buffer_is_set_ = true;
        if (outcome == 0 && option == SO_SNDBUF) {
            send_buffer_is_set_ = true;
            note_room();
        }
        return outcome;
    }
    int number = 0;
    if (size < sizeof number) return -EINVAL;
    std::memcpy(&number, value, sizeof number);
    if (level == IPPROTO_IPV6 && option == IPV6_V6ONLY && is_v6()) {
        if (has_port_) return -EINVAL;
        v6_only_ = number != 0;
        return 0;
    }
    if (level == IPPROTO_IP && option == IP_BIND_ADDRESS_NO_PORT) {
        binds_no_port_ = number != 0;
        return 0;
    }
    if (level != IPPROTO_TCP) return -ENOPROTOOPT;
    switch (option) {
    case TCP_NODELAY:
        no_delay_ = number != 0;
        return 0;
    case TCP_CORK: {
        const network::batch together{net()};
        is_corked_ = number != 0;
        if (!is_corked_) push();
        return 0;
    }
    case TCP_KEEPIDLE:
        if (number < 1 || number > 32'767) return -EINVAL;
        keep_idle_ = number;
        return 0;
    case TCP_KEEPINTVL:
        if (number < 1 || number > 32'767) return -EINVAL;
        keep_interval_ = number;
        return 0;
    case TCP_KEEPCNT:
        if (number < 1 || number > 127) return -EINVAL;
        keep_count_ = number;
        return 0;
    case TCP_USER_TIMEOUT:
        if (number < 0) return -EINVAL;
        user_timeout_ = number;
        return 0;
    default:
        return -ENOPROTOOPT;
    }
}

long tcp::get_option(int level, int option, void* value, ::socklen_t& size) {
    if (level == SOL_SOCKET && option != SO_OOBINLINE && option != SO_RCVLOWAT)
        return socket_file::get_option(level, option, value, size);
    int answer = 0;
    if (level == SOL_SOCKET)
        answer = option == SO_OOBINLINE ? int{urgent_inline_} : static_cast<int>(low_mark_);
    else if (level == IPPROTO_IPV6 && option == IPV6_V6ONLY && is_v6())
        answer = v6_only_ ? 1 : 0;
    else if (level == IPPROTO_IP && option == IP_BIND_ADDRESS_NO_PORT)
        answer = binds_no_port_ ? 1 : 0;
    else if (level != IPPROTO_TCP)
        return level == IPPROTO_IPV6 && is_v6() ? -ENOPROTOOPT : -EOPNOTSUPP;
    else if (option == TCP_CORK)
        answer = is_corked_ ? 1 : 0;
    else if (option == TCP_NODELAY)
        answer = no_delay_ ? 1 : 0;
    else if (option == TCP_KEEPIDLE)
        answer = keep_idle_;
    else if (option == TCP_KEEPINTVL)
        answer = keep_interval_;
    else if (option == TCP_KEEPCNT)
        answer = keep_count_;
    else if (option == TCP_USER_TIMEOUT)
        answer = user_timeout_;
    else
        return -ENOPROTOOPT;
    size = std::min(size, ::socklen_t{sizeof answer});
    std::memcpy(value, &answer, size);
    return 0;
}

} // namespace dunlin::sys_sim
