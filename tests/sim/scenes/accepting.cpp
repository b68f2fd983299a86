// Many connections that come and go at a server with few descriptors, which crashes and comes back;
// names with several addresses, of which some lead nowhere.
#include "conversation.hpp"

#include <string>
#include <vector>

namespace scenes {

using namespace dunlin;

namespace {

constexpr nanoseconds storm = 3s;

struct bakery {
    explicit bakery(stage* its_stage) noexcept : on{its_stage} {}
    stage* on;
    std::size_t most = 1000;
    std::size_t inside = 0;
};

class customer {
public:
    explicit customer(bakery& in) noexcept : in_{in} {
        in_.on->require(++in_.inside <= in_.most, "more sessions than a server allows");
    }
    customer(const customer&) = delete;
    customer& operator=(const customer&) = delete;
    ~customer() { --in_.inside; }

private:
    bakery& in_;
};

io_task<> echo_counted(bakery* in, tcp_socket client) {
    const customer one{*in};
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

io_task<> serve_few(bakery* in) {
    const auto session = [in](tcp_socket client) { return echo_counted(in, std::move(client)); };
    serve_options options;
    options.max_connections = in->most;
    co_await keep_serving(in->on, 80, session, options).or_return();
}

io_task<> come_and_go(stage* on, std::uint32_t number, std::string where) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        // At last all at once, more than there are descriptors.
        if (is_last) co_await sleep_for(storm + 500ms - on->world.elapsed()).or_return();
        auto connected = co_await connect_to(on, where).or_return();
        conversation with{on, std::move(connected), number, is_last};
        // A server that is gone may never say so.
        const auto talked = co_await converse(&with, on->dice.below(4), 1500).timeout(15s);
        if (!talked && talked.error() == errc::timeout)
            on->require(!is_last, "a conversation without faults takes too long");
        if (!is_last) co_await sleep_for(on->up_to(150ms)).or_return();
    }
}

/// Connects and closes at once, or never says a word.
io_task<> knock(stage* on) {
    while (!on->is_calm) {
        auto connected = co_await connect_to(on, "server:80").or_return();
        if (on->dice.below(2) == 0) co_await sleep_for(on->up_to(50ms)).or_return();
        static_cast<void>(connected.set_reset_on_close(on->dice.below(2) == 0));
    }
}

/// After each connect as many descriptors are open as before, and one.
io_task<> connect_by_name(stage* on, sim::host* here) {
    for (bool is_last = false; !is_last;) {
        is_last = on->is_calm;
        const std::size_t before = here->open_descriptors();
        const time_point begin = now();
        auto connected = co_await tcp_socket::connect("bakery:81").timeout(20s);
        const std::size_t after = here->open_descriptors();
        if (connected) {
            on->require(after == before + 1, "a race of connects leaves descriptors open");
        } else {
            on->require(after == before, "a failed race of connects leaves descriptors open");
            if (connected.error() != std::errc::connection_refused &&
                connected.error() != errc::timeout && connected.error() != std::errc::timed_out)
                on->excuse(connected.error(), is_last, "connecting by name");
        }
        if (is_last) {
            on->require(connected.has_value(), "nobody is reached by name after the storm");
            on->require(now() - begin <= 5s, "an address that leads nowhere holds up the others");
        }
        if (!is_last) co_await sleep_for(on->up_to(100ms)).or_return();
    }
}

io_task<> serve_names(stage* on) {
    const auto session = [](tcp_socket client) -> io_task<> {
        const auto data = co_await client.read();
        static_cast<void>(data);
    };
    co_await keep_serving(on, 81, session).or_return();
}

void crash_and_restart(stage& on, bakery& in, nanoseconds when) {
    on.world.after(when, [&on] {
        sim::host& server = on.world.host("server");
        if (!server.is_down()) server.crash();
    });
    on.world.after(when + on.up_to(200ms), [&on, &in] {
        sim::host& server = on.world.host("server");
        if (!server.is_down()) return;
        server.restart();
        server.limit_descriptors(12);
        server.run_service(serve_few, &in);
    });
}

} // namespace

void accepting(stage& on) {
    on.breaks_connections = true;
    on.limits_descriptors = true;
    on.world.link_all({.latency = on.up_to(10ms), .jitter = on.up_to(3ms)});
    bakery in{&on};
    // Its limit, or its lack of descriptors, stops it from accepting.
    if (on.dice.below(2) == 0) in.most = 1 + on.size_up_to(6);
    sim::host& server = on.host("server");
    server.limit_descriptors(12);
    server.run_service(serve_few, &in);
    for (std::uint32_t number = 0; number < 12; ++number)
        on.host("client" + std::to_string(number % 3)).run(come_and_go, &on, number, "server:80");
    for (int i = 0; i < 3; ++i)
        on.host("client" + std::to_string(i)).run(knock, &on);

    // A host that is cut off, one where nobody listens, and the one that is meant.
    sim::host& named = on.host("named");
    sim::host& cut_off = on.host("cut off");
    sim::host& searcher = on.host("searcher");
    named.run_service(serve_names, &on);
    on.world.set_name("bakery",
                      {cut_off.address_v6(), cut_off.address(), server.address(), named.address()},
                      on.up_to(20ms));
    // Nobody is there, also after the storm.
    cut_off.crash();
    searcher.run(connect_by_name, &on, &searcher);

    if (on.dice.below(2) == 0) crash_and_restart(on, in, on.up_to(1500ms));
    on.play(storm, 250s);
    on.finish();
}

} // namespace scenes
