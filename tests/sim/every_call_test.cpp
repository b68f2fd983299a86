// Every system call fails once: of a server, of a client, of a server that is to stop, of names.
#include "every_call.hpp"

#include <dunlin/dunlin.hpp>
#include <dunlin/sim/world.hpp>

#include <support/catch.hpp>

#include <chrono>
#include <cstdio>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;
using namespace std::chrono_literals;

namespace {

std::string words_of(std::error_code why) {
    return why.message() + " (" + why.category().name() + ":" + std::to_string(why.value()) + ")";
}

/// A client: what it is to hear, what it has heard, and how it ended.
struct talker {
    talker(std::string its_name, std::chrono::milliseconds later)
        : name{std::move(its_name)}, delay{later} {}

    std::string name;
    std::chrono::milliseconds delay;
    std::string expected;
    std::string got;
    std::error_code why;
    bool is_over = false;

    [[nodiscard]] std::string words() const {
        return name + ": " + std::to_string(got.size()) + " of " + std::to_string(expected.size()) +
               " bytes, " +
               (!is_over ? "not over"
                : why    ? words_of(why)
                         : "whole");
    }
};

// ---- clients

constexpr auto patience = 5s;

io_task<> hear_all(talker& me, tcp_socket& socket) {
    while (me.got.size() < me.expected.size()) {
        const auto data = co_await socket.read().timeout(patience).or_return();
        if (data.is_end()) co_await fail(errc::end_of_stream);
        me.got += data.text();
    }
}

io_task<> hear_end(talker& me, tcp_socket& socket) {
    for (;;) {
        const auto data = co_await socket.read().timeout(patience).or_return();
        if (data.is_end()) break;
        me.got += data.text();
    }
}

io_task<> say_lines(talker& me, tcp_socket& socket, int lines) {
    for (int i = 0; i < lines; ++i) {
        const std::string line = me.name + " says line " + std::to_string(i);
        const std::string_view end = "\n";
        me.expected += line;
        me.expected += end;
        if (i % 2 == 0)
            co_await socket.write(line, end).timeout(patience).or_return();
        else
            co_await socket.write(line + "\n").timeout(patience).or_return();
        co_await hear_all(me, socket).or_return();
        co_await sleep_for(30ms).or_return();
    }
}

io_task<> end_politely(talker& me, tcp_socket& socket) {
    co_await or_return(socket.shutdown_write());
    co_await hear_end(me, socket).or_return();
}

io_task<> converse(talker& me, endpoint where) {
    auto socket = co_await tcp_socket::connect(where).timeout(patience).or_return();
    co_await say_lines(me, socket, 3).or_return();
    co_await end_politely(me, socket).or_return();
}

io_task<> converse_by_name(talker& me, std::string where) {
    auto socket = co_await tcp_socket::connect(where).or_return();
    co_await say_lines(me, socket, 2).or_return();
    co_await end_politely(me, socket).or_return();
}

/// Asks the kernel this and that besides.
io_task<> converse_curiously(talker& me, endpoint where) {
    auto socket = co_await tcp_socket::connect(where).timeout(patience).or_return();
    const endpoint peer = co_await or_return(socket.peer_endpoint());
    if (peer != where) co_await fail(errc::bad_address);
    const endpoint here = co_await or_return(socket.local_endpoint());
    if (here == where) co_await fail(errc::bad_address);
    co_await or_return(socket.set_keep_alive(60s, 10s, 3));
    const std::size_t room = co_await or_return(socket.send_buffer());
    if (room == 0) co_await fail(errc::too_long);
    co_await socket.writable().timeout(patience).or_return();
    co_await say_lines(me, socket, 2).or_return();
    me.expected += "the end";
    co_await socket.write(std::string_view{"the end"}).or_return();
    co_await socket.readable().timeout(patience).or_return();
    std::byte last[7];
    std::size_t moved = 0;
    const auto all = co_await socket.read_exactly(last, &moved).timeout(patience);
    me.got.append(reinterpret_cast<const char*>(last), moved);
    if (!all) co_await fail(all.assume_error());
    co_await socket.lingering_close(1s).or_return();
}

/// Says a line and waits for the server to end it.
io_task<> stay(talker& me, endpoint where) {
    auto socket = co_await tcp_socket::connect(where).timeout(patience).or_return();
    co_await say_lines(me, socket, 1).or_return();
    co_await hear_end(me, socket).or_return();
}

/// Says something (more than the server reads, if `babble` is large) and hears all of the answer.
io_task<> ask(talker& me, endpoint where, std::string question, std::size_t babble) {
    auto socket = co_await tcp_socket::connect(where).timeout(patience).or_return();
    me.expected = question == "stuck" || question.empty() ? "" : question;
    co_await socket.write(question).or_return();
    if (babble != 0) {
        co_await sleep_for(200ms).or_return();
        co_await socket.write(std::string(babble, '.')).ignore();
    }
    co_await hear_end(me, socket).or_return();
    if (me.got != me.expected) co_await fail(errc::end_of_stream);
}

template <class... Args>
io_task<> record(talker& me, io_task<> (*what)(talker&, Args...),
                 std::type_identity_t<Args>... how) {
    co_await sleep_for(me.delay).or_return();
    const auto done = co_await what(me, std::move(how)...);
    if (!done) me.why = done.error();
    me.is_over = true;
}

// ---- servers

io_task<> answer(tcp_socket client) {
    while (auto data = co_await client.read().or_return()) {
        const std::string_view text = data.text();
        if (text.starts_with("slow")) {
            co_await client.write(text.substr(0, 2)).or_return();
            co_await sleep_for(600ms).or_return();
            co_await client.write(text.substr(2)).or_return();
        } else if (text.starts_with("bye")) {
            co_await client.write(text.substr(0, 3)).or_return();
            co_await sleep_for(400ms).or_return(); // what comes meanwhile stays unread
            break;
        } else if (text.starts_with("stuck")) {
            co_await sleep_for(1h).or_return();
        } else if (text.size() % 2 == 0) {
            co_await client.write(text).or_return();
        } else {
            co_await client.write(text.substr(0, 1), text.substr(1)).or_return();
        }
    }
}

/// A world with a server and clients, one of whose hosts is observed.
class stage {
public:
    stage(std::span<const injected> faults, std::string_view observed)
        : observed_{&world.host(observed)} {
        world.link_all({.latency = 5ms});
        for (std::size_t i = 0; i < sys_sim::call_count; ++i)
            before_[i] = observed_->calls(name_of(static_cast<sys_sim::call>(i)));
        for (const injected& each : faults)
            observed_->fail_call(each.call, each.nth, each.error);
    }

    template <class... Args>
    void add(sim::host& on, std::string name, std::chrono::milliseconds delay,
             io_task<> (*what)(talker&, Args...), std::type_identity_t<Args>... how) {
        talker& made = talkers.emplace_back(std::move(name), delay);
        on.run(record<Args...>, std::ref(made), what, std::move(how)...);
    }

    void hear(std::error_code why) { heard_ += words_of(why) + " "; }

    /// Runs all clients to their end, then stops the service.
    outcome play(bool stops_service = true) {
        world.run_to_end(300s); // a SYN without an answer is given up after 127 s
        if (stops_service) server.request_stop();
        world.run_until([this] { return services == 0 || server.is_down(); }, 60s);
        world.require(services == 0 || server.is_down(), "the service does not end");
        outcome got;
        for (std::size_t i = 0; i < sys_sim::call_count; ++i)
            got.calls[i] = observed_->calls(name_of(static_cast<sys_sim::call>(i))) - before_[i];
        world.finish();

        for (const talker& each : talkers) {
            got.tasks.push_back(each.words());
            if (observed_ != &server && each.why) hear(each.why);
            if (!each.expected.starts_with(each.got)) got.broken += each.name + ": wrong bytes\n";
            if (each.is_over && !each.why && each.got != each.expected)
                got.broken += each.name + ": bytes are lost\n";
        }
        got.sum = "accepted " + std::to_string(counters.accepted) + ", failed " +
                  std::to_string(counters.failed) + ", timed out " +
                  std::to_string(counters.timed_out) + ", lingered " +
                  std::to_string(counters.lingered) + ", cut " + std::to_string(counters.cut);
        if (counters.active != 0 && !server.is_down()) got.broken += "sessions are left\n";
        for (const std::string& each : server.errors())
            got.service_end += each + " ";
        got.heard = heard_;
        sort_out(world.problems(), got);
        return got;
    }

    /// The same for a service that may end with an error of its listener only, so before it has
    /// served anybody.
    outcome play_one_service(bool stops_service = true) {
        outcome got = play(stops_service);
        if (!got.service_end.empty() && counters.accepted != 0)
            got.broken += "a service ends that was at work\n";
        return got;
    }

    sim::world world{1, sim::faults::none()};
    sim::host& server = world.host("server");
    std::deque<talker> talkers;
    serve_counters counters;
    int services = 0;

private:
    static void sort_out(std::string_view problems, outcome& into) {
        while (!problems.empty()) {
            const std::string_view line = problems.substr(0, problems.find('\n') + 1);
            problems.remove_prefix(line.size());
            if (line.find("its scheduler fails") != line.npos)
                into.loop_end += line;
            else if (!line.starts_with("DUNLIN_SIM_SEED"))
                into.broken += line;
        }
    }

    sim::host* observed_;
    std::array<std::uint64_t, sys_sim::call_count> before_ = {};
    std::string heard_;
};

/// Counts a service, even if it is destroyed.
class service_mark {
public:
    explicit service_mark(int& count) : count_{count} { ++count_; }
    ~service_mark() { --count_; }
    service_mark(const service_mark&) = delete;
    service_mark& operator=(const service_mark&) = delete;

private:
    int& count_;
};

io_task<> serve_on(stage& on, tcp_listener listener, serve_options options) {
    options.counters = &on.counters;
    const auto hear = [&on](const child_failure& failed) { on.hear(failed.error()); };
    co_await serve(std::move(listener), answer, options, hear).or_return();
}

io_task<> serve_at(stage& on, endpoint where, serve_options options) {
    const service_mark lives{on.services};
    auto listener = co_await or_return(tcp_listener::bind(where));
    co_await serve_on(on, std::move(listener), options).or_return();
}

io_task<> serve_name(stage& on, std::string where, serve_options options) {
    const service_mark lives{on.services};
    auto listener = co_await tcp_listener::bind(where).or_return();
    co_await serve_on(on, std::move(listener), options).or_return();
}

// ---- scenes

outcome echo_server(std::span<const injected> faults) {
    stage s{faults, "server"};
    s.server.run_service(serve_at, std::ref(s), s.server.address(7), serve_options{});
    s.add(s.world.host("a"), "early", 1ms, converse, s.server.address(7));
    s.add(s.world.host("b"), "beside", 2ms, converse, s.server.address(7));
    s.add(s.world.host("c"), "late", 400ms, converse, s.server.address(7));
    return s.play_one_service();
}

outcome several_clients(std::span<const injected> faults) {
    stage s{faults, "client"};
    s.server.run_service(serve_at, std::ref(s), s.server.address(7), serve_options{});
    sim::host& client = s.world.host("client");
    s.add(client, "plain", 1ms, converse, s.server.address(7));
    s.add(client, "curious", 2ms, converse_curiously, s.server.address(7));
    s.add(client, "late", 300ms, converse, s.server.address(7));
    outcome got = s.play();
    got.sum.clear(); // what the server counts depends on who failed
    return got;
}

outcome draining_server(std::span<const injected> faults) {
    stage s{faults, "server"};
    const endpoint there = s.server.address(7);
    s.server.run_service(serve_at, std::ref(s), there,
                         serve_options{.idle_timeout = 700ms, .drain = 2s, .linger = 1s});
    s.add(s.world.host("a"), "silent", 1ms, ask, there, "", 0);
    s.add(s.world.host("b"), "babbling", 2ms, ask, there, "bye", 20'000);
    s.add(s.world.host("c"), "idle", 600ms, stay, there);
    s.add(s.world.host("d"), "busy", 700ms, ask, there, "slow", 0);
    s.add(s.world.host("e"), "stuck", 750ms, ask, there, "stuck", 0);
    s.world.after(1s, [&s] { s.server.request_stop(); });
    return s.play_one_service(false);
}

outcome clients_of_a_name(std::span<const injected> faults) {
    stage s{faults, "client"};
    s.server.run_service(serve_at, std::ref(s), s.server.address(7), serve_options{});
    s.server.run_service(serve_at, std::ref(s), s.server.address_v6(7), serve_options{});
    s.world.set_name("both", {s.server.address_v6(), s.server.address()}, 3ms);
    sim::host& client = s.world.host("client");
    s.add(client, "first", 1ms, converse_by_name, "both:7");
    s.add(client, "second", 2ms, converse_by_name, "both:7");
    outcome got = s.play();
    got.sum.clear();
    return got;
}

outcome server_at_a_name(std::span<const injected> faults) {
    stage s{faults, "server"};
    s.server.run_service(serve_name, std::ref(s), "server:7", serve_options{});
    s.add(s.world.host("a"), "first", 10ms, converse_by_name, "server:7");
    s.add(s.world.host("b"), "second", 20ms, converse_by_name, "server:7");
    return s.play_one_service();
}

} // namespace

TEST_CASE("whatever call of an echo server fails, the others are served", "[sim][every_call]") {
    fail_every_call({"an echo server", echo_server});
}

TEST_CASE("whatever call of a client fails, its other tasks go on", "[sim][every_call]") {
    fail_every_call({"a client", several_clients});
}

TEST_CASE("whatever call of a server fails that is to stop, it drains", "[sim][every_call]") {
    fail_every_call({"a server that drains", draining_server});
}

TEST_CASE("whatever call fails while connecting to a name, the other address is tried",
          "[sim][every_call]") {
    fail_every_call({"a client of a name", clients_of_a_name,
                     "socket connect setsockopt getsockopt getsockname getpeername epoll_ctl"});
}

TEST_CASE("whatever call fails while listening at a name, its other address is tried",
          "[sim][every_call]") {
    fail_every_call({"a server at a name", server_at_a_name, "socket bind listen setsockopt"});
}

TEST_CASE("whichever two calls fail, no more than two suffer", "[sim][every_call]") {
    constexpr std::uint64_t seed = 1;
    fail_pairs_of_calls({"an echo server", echo_server}, seed, 1'000);
    fail_pairs_of_calls({"a client", several_clients}, seed, 1'000);
    fail_pairs_of_calls({"a server that drains", draining_server}, seed, 1'000);
}

TEST_CASE("whatever the resolver answers, other names are served", "[sim][every_call]") {
    std::size_t survived = 0;
    for (const resolver_answer& each : resolver_answers) {
        stage s{{}, "client"};
        s.world.fail_name("lost", static_cast<resolver_errc>(each.code), 3ms);
        s.server.run_service(serve_name, std::ref(s), "server:7", serve_options{});
        s.server.run_service(serve_name, std::ref(s), "lost:8", serve_options{});
        sim::host& client = s.world.host("client");
        s.add(client, "lost", 10ms, converse_by_name, "lost:7");
        s.add(client, "found", 10ms, converse_by_name, "server:7");
        const outcome got = s.play();
        const std::string number = ":" + std::to_string(each.error) + ")";
        INFO(got.tasks[0] << "\n" << got.service_end);
        CHECK(got.broken.empty());
        CHECK(got.tasks[0].find(number) != std::string::npos);
        CHECK(s.talkers[1].got == s.talkers[1].expected);
        CHECK_FALSE(s.talkers[1].why);
        CHECK(s.server.errors().size() == 1);
        CHECK(got.service_end.find(number) != std::string::npos);
        survived += 2;
    }
    std::printf("survived: %zu failed lookups, of clients and of servers\n", survived);
}
