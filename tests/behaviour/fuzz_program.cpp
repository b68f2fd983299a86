// What random programs are made of, and how a step is written; fuzz_generator.cpp makes them.
#include "fuzz_program.hpp"

#include "symbols.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace behaviour {

const std::vector<fuzz_option>& fuzz_options() {
    static const std::vector<fuzz_option> all{
        {SOL_SOCKET, SO_KEEPALIVE},  {SOL_SOCKET, SO_REUSEADDR},  {SOL_SOCKET, SO_OOBINLINE},
        {SOL_SOCKET, SO_RCVLOWAT},   {SOL_SOCKET, SO_ACCEPTCONN}, {SOL_SOCKET, SO_TYPE},
        {SOL_SOCKET, SO_ERROR},      {IPPROTO_TCP, TCP_KEEPIDLE}, {IPPROTO_TCP, TCP_KEEPCNT},
        {IPPROTO_TCP, TCP_KEEPINTVL}};
    return all;
}

const std::vector<std::string>& fuzz_features() {
    static const std::vector<std::string> all{
        "epoll",     "unix",    "shutdown", "reset",   "edge",   "oneshot",
        "exclusive", "nested",  "dup",      "connect", "listen", "peek",
        "oob",       "options", "counter",  "wild",    "buffers"};
    return all;
}

std::string to_string(const step& s) {
    const auto name = [](int slot) { return "d" + std::to_string(slot); };
    const auto one = [&](const char* call) { return std::string{call} + "(" + name(s.slot) + ")"; };
    const auto with = [&](const char* call, const std::string& rest) {
        return std::string{call} + "(" + name(s.slot) + ", " + rest + ")";
    };
    const auto amount = [&] {
        return std::to_string(s.size) +
               (s.flags == 0 ? "" : ", " + message_flags(static_cast<int>(s.flags)));
    };
    const auto control = [&](const char* how) {
        return "epoll_ctl(" + name(s.other) + ", " + how + ", " + name(s.slot) +
               (s.what == call::del ? ")" : ", " + event_bits(s.flags) + ")");
    };
    const auto option = [&] {
        const auto& [level, number] = fuzz_options()[s.flags];
        return option_name(level, number);
    };
    switch (s.what) {
    case call::make_tcp:
        return name(s.slot) + ": socket()";
    case call::make_pair:
        return name(s.slot) + " " + name(s.other) + ": socketpair()";
    case call::make_epoll:
        return name(s.slot) + ": epoll_create1()";
    case call::make_counter:
        return name(s.slot) + ": eventfd()";
    case call::bind:
        return one("bind");
    case call::listen:
        return with("listen", std::to_string(s.size));
    case call::connect:
        return with("connect", "to " + name(s.other));
    case call::accept:
        return name(s.slot) + ": accept4(" + name(s.other) + ")";
    case call::dup:
        return name(s.slot) + ": dup(" + name(s.other) + ")";
    case call::send:
        return with("send", amount());
    case call::recv:
        return with("recv", amount());
    case call::shutdown:
        return with("shutdown", s.flags == 0 ? "RD" : s.flags == 1 ? "WR" : "RDWR");
    case call::close:
        return one("close");
    case call::linger:
        return one("linger 0");
    case call::set_option:
        return with("setsockopt", option() + ", " + std::to_string(s.size));
    case call::get_option:
        return with("getsockopt", option());
    case call::so_error:
        return one("SO_ERROR");
    case call::peer_name:
        return one("getpeername");
    case call::add:
        return control("ADD");
    case call::mod:
        return control("MOD");
    case call::del:
        return control("DEL");
    case call::wait:
        return one("epoll_wait");
    case call::counter_add:
        return with("write", "counter " + std::to_string(s.size));
    case call::counter_take:
        return one("read counter");
    case call::fill:
        return one("fill");
    case call::drain:
        return one("drain");
    }
    return "?";
}

} // namespace behaviour
