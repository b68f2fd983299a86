// Every system call of a whole program fails once: `run`, its scheduler and its signals, and beside
// each other in it a task for each of the library's other doors to the kernel. All of it on a
// machine whose standard input is closed, so that new descriptors have to be moved above it.
#include "every_call.hpp"

#include <dunlin/dunlin.hpp>
#include <dunlin/sys/os.hpp>
#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/network.hpp>

#include <support/catch.hpp>

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

using namespace dunlin;
using namespace dunlin::test;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 2s;
constexpr std::int64_t ms = 1'000'000;

struct program {
    explicit program(sys_sim::kernel& its_kernel) : kernel{its_kernel} {}

    sys_sim::kernel& kernel;
    remote_channel<int> numbers{2};
    unique_fd pipe_out;
    unique_fd pipe_in;
    outcome came_to;

    void at(std::int64_t milliseconds, std::function<void()> what) {
        kernel.at(kernel.now() + milliseconds * ms, std::move(what));
    }
};

// ---- what it does, all at the same time

io_task<> hear_signals(program&) {
    auto signals = co_await or_return(signal_set::create(SIGWINCH, SIGCHLD));
    const auto first = co_await signals.wait().timeout(patience).or_return();
    const auto second = co_await signals.wait().timeout(patience).or_return();
    if (first.number() != SIGWINCH || second.number() != SIGCHLD) co_await fail(errc::busy);
}

io_task<> keep_time(program&) {
    const time_point begun = now();
    for (int i = 0; i < 3; ++i)
        co_await sleep_for(300us).or_return();
    if (now() - begun < 900us) co_await fail(errc::busy);
}

io_task<> receive_numbers(program& in) {
    for (int expected = 1; expected <= 3; ++expected) {
        const int number = co_await in.numbers.receive().timeout(patience).or_return();
        if (number != expected) co_await fail(errc::busy);
    }
}

io_task<> throw_dice(program&) {
    const std::uint64_t first = random_bits();
    const std::uint64_t second = random_bits();
    if (first == 0 || second == 0) // as documented, of a kernel that has none
        co_await fail(std::make_error_code(std::errc::function_not_supported));
    if (first == second) co_await fail(errc::busy);
}

io_task<> use_pipe(program& in) {
    descriptor out{std::move(in.pipe_out)};
    descriptor from{std::move(in.pipe_in)};
    const std::byte words[4] = {};
    std::byte heard[8] = {};
    co_await out.writable().timeout(patience).or_return();
    co_await out.write_some(words).timeout(patience).or_return();
    co_await from.readable().timeout(patience).or_return();
    const std::size_t got = co_await from.read_some(heard).timeout(patience).or_return();
    if (got != sizeof words) co_await fail(errc::end_of_stream);
}

io_task<> whisper(tcp_writer to) { co_await to.write(std::string_view{"psst"}).or_return(); }

io_task<> talk_in_private(program&) {
    auto ends = co_await or_return(socket_pair());
    auto halves = std::move(ends.first).split();
    co_await whisper(std::move(halves.second)).or_return(); // and closes it
    const auto heard = co_await ends.second.read().timeout(patience).or_return();
    if (heard.text() != "psst") co_await fail(errc::busy);
    const auto end = co_await ends.second.read().timeout(patience).or_return();
    if (!end.is_end()) co_await fail(errc::busy);
    co_await or_return(ends.second.shutdown_write());
}

io_task<> talk_to_oneself(program&) {
    auto listener = co_await or_return(tcp_listener::bind(endpoint::loopback_v4(0)));
    const endpoint where = co_await or_return(listener.local_endpoint());
    auto here = co_await tcp_socket::connect(where).timeout(patience).or_return();
    auto there = co_await listener.accept().timeout(patience).or_return();
    const endpoint mine = co_await or_return(here.local_endpoint());
    const endpoint yours = co_await or_return(there.peer_endpoint());
    if (mine != yours) co_await fail(errc::bad_address);
    co_await here.write(std::string_view{"one"}, std::string_view{"two"}).or_return();
    std::byte heard[6];
    co_await there.read_exactly(heard).timeout(patience).or_return();
    co_await there.write(std::string_view{"three"}).or_return();
    co_await here.lingering_close(1s).or_return();
    const auto end = co_await there.read().timeout(patience).or_return();
    if (!end.is_end()) co_await fail(errc::busy);
}

io_task<> answer_once(tcp_socket client) {
    const auto question = co_await client.read().timeout(patience).or_return();
    co_await client.write(question).or_return();
}

io_task<> ask_once(endpoint where) {
    auto socket = co_await tcp_socket::connect(where).timeout(patience).or_return();
    co_await socket.write(std::string_view{"?"}).or_return();
    const auto answer = co_await socket.read().timeout(patience).or_return();
    if (answer.text() != "?") co_await fail(errc::end_of_stream);
    const auto end = co_await socket.read().timeout(patience).or_return();
    if (!end.is_end()) co_await fail(errc::busy);
}

std::string words_of(std::error_code why) {
    return why.message() + " (" + why.category().name() + ":" + std::to_string(why.value()) + ")";
}

io_task<> serve_oneself(program& in) {
    auto listener = co_await or_return(tcp_listener::bind(endpoint::loopback_v4(7)));
    const auto hear = [&in](const child_failure& failed) {
        in.came_to.heard += words_of(failed.error()) + " ";
    };
    task_group server{on_child_error::carry_on, hear};
    server.spawn(serve<io_task<> (*)(tcp_socket)>, std::move(listener), answer_once,
                 serve_options{}, error_hook{hear});
    const auto asked = co_await ask_once(endpoint::loopback_v4(7));
    server.request_stop();
    co_await server.join().or_return();
    if (!asked) co_await fail(asked.assume_error());
}

io_task<> look_up(program&) {
    const auto found = co_await resolve("localhost", "80").timeout(patience).or_return();
    if (found.empty()) co_await fail(errc::bad_address);
}

// ----

struct step {
    const char* name;
    io_task<> (*does)(program&);
};
constexpr step steps[] = {
    {"signals", hear_signals},
    {"time", keep_time},
    {"numbers", receive_numbers},
    {"dice", throw_dice},
    {"pipe", use_pipe},
    {"in private", talk_in_private},
    {"to oneself", talk_to_oneself},
    {"a server", serve_oneself},
    {"a name", look_up},
};

io_task<> do_step(program& in, std::size_t which) {
    const auto done = co_await steps[which].does(in);
    std::string& words = in.came_to.tasks[which];
    words = std::string{steps[which].name} + ": done";
    if (!done) {
        const std::error_code why = done.error();
        words = std::string{steps[which].name} + ": " + words_of(why);
        in.came_to.heard += words + " ";
    }
}

io_task<> main_task(program& in) {
    task_group all{on_child_error::carry_on};
    for (std::size_t i = 0; i < std::size(steps); ++i)
        all.spawn(do_step, std::ref(in), i);
    co_await all.join().or_return();
    co_await sleep_for(1h).or_return(); // until SIGTERM
}

/// What it has written to standard error.
std::string read_all(int fd) {
    std::string all;
    char piece[256];
    for (;;) {
        const ssize_t n = sys::os::read(fd, piece, sizeof piece);
        if (n <= 0) return all;
        all.append(piece, static_cast<std::size_t>(n));
    }
}

outcome whole_program(std::span<const injected> faults) {
    sys_sim::kernel kernel{1};
    const sys_sim::kernel::as_current current{kernel};
    sys_sim::host& machine = kernel.host_at(kernel.add_host("machine", {}));
    program in{kernel};
    in.came_to.tasks.resize(std::size(steps), "has not ended");

    machine.close(0);
    int out[2];
    REQUIRE(sys::os::pipe2(out, O_CLOEXEC | O_NONBLOCK) == 0); // one of them is 0
    REQUIRE(sys::os::dup3(out[1], 2, O_CLOEXEC) == 2);
    machine.close(out[1]);
    const int printed_fd = sys::os::fcntl(out[0], F_DUPFD_CLOEXEC, 10);
    machine.close(out[0]);
    int through[2];
    REQUIRE(sys::os::pipe2(through, O_CLOEXEC) == 0); // it blocks, so poll(2) is asked
    in.pipe_in = unique_fd{sys::os::fcntl(through[0], F_DUPFD_CLOEXEC, 10)};
    in.pipe_out = unique_fd{sys::os::fcntl(through[1], F_DUPFD_CLOEXEC, 10)};
    machine.close(through[0]);
    machine.close(through[1]);
    REQUIRE(machine.find(0) == nullptr);

    in.at(10, [&] { machine.send_signal(SIGWINCH); });
    in.at(20, [&] { machine.send_signal(SIGCHLD); });
    for (int number = 1; number <= 3; ++number)
        in.at(10 * number, [&in, number] {
            int value = number;
            static_cast<void>(in.numbers.try_send(std::move(value))); // who waits will tell
        });
    in.at(5'000, [&] { machine.send_signal(SIGTERM); });

    const auto before = machine.calls;
    std::uint64_t waits = 0;
    kernel.trace_to([&](std::string_view line) {
        constexpr std::string_view call = "epoll_wait(";
        const std::size_t begin = line.find(call);
        if (begin == line.npos) return;
        ++waits;
        // The second number is the timeout in nanoseconds, if there is one.
        const std::size_t comma = line.find(',', begin);
        if (comma == line.npos) return;
        std::int64_t timeout = 0;
        std::from_chars(line.data() + comma + 2, line.data() + line.size(), timeout);
        if (timeout % ms != 0) in.came_to.precise_waits.insert(waits);
    });
    std::uint64_t made = 0;
    kernel.on_call([&](const sys_sim::call_info& call) {
        if (++made > 100'000) {
            std::fputs("it spins\n", stderr);
            std::abort();
        }
        for (const injected& each : faults)
            if (each.call == name_of(call.which) &&
                call.ordinal - before[static_cast<std::size_t>(call.which)] + 1 == each.nth)
                return each.error;
        return 0;
    });
    kernel.on_deadlock([&] {
        for (const injected& each : faults)
            std::fprintf(stderr, "%.*s number %llu fails with %d:\n",
                         static_cast<int>(each.call.size()), each.call.data(),
                         static_cast<unsigned long long>(each.nth), each.error);
    });

    const int code = run(main_task(in));
    outcome& got = in.came_to;
    for (std::size_t i = 0; i < sys_sim::call_count; ++i)
        got.calls[i] = machine.calls[i] - before[i];
    kernel.on_call(nullptr);
    kernel.trace_to(nullptr);
    got.sum = "exit " + std::to_string(code);
    const std::string printed = read_all(printed_fd);
    if (code != 0) {
        got.loop_end = got.service_end = printed;
        if (printed.empty()) got.broken += "it fails without a word\n";
    } else if (!printed.empty()) {
        got.broken += "it prints: " + printed + "\n";
    }

    in.numbers.close(); // as long as it lives it has the scheduler's eventfd
    machine.close(printed_fd);
    in.pipe_in.close(); // where the program never got to them
    in.pipe_out.close();
    if (kernel.now() - sys_sim::kernel::beginning() > 6'000 * ms) got.broken += "it takes long\n";
    if (machine.open_count() != 0 || machine.find(0) != nullptr)
        got.broken += "descriptors are left\n";
    if (machine.blocked() != 0) got.broken += "signals stay blocked\n";
    if (machine.disposition(SIGTERM).sa_handler != SIG_DFL) got.broken += "a handler is left\n";
    kernel.advance_to(kernel.now() + 200'000 * ms);
    if (kernel.net().socket_count(0) != 0) got.broken += "sockets are left\n";
    return std::move(got);
}

} // namespace

TEST_CASE("whatever call of a program fails, one task suffers or it ends with the error",
          "[sim][every_call]") {
    const std::size_t kinds = fail_every_call({"a whole program", whole_program});
    CHECK(kinds == kinds_of_calls()); // all that the table has
}

TEST_CASE("whichever two calls of a program fail, two tasks suffer or it ends with an error",
          "[sim][every_call]") {
    fail_pairs_of_calls({"a whole program", whole_program}, 1, 1'000);
}
