#include "bench_command.hpp"

#include "../common/server_app.hpp"
#include "../common/words.hpp"
#include "bench_load.hpp"
#include "bench_plan.hpp"
#include "bench_report.hpp"
#include "process.hpp"

#include <dunlin/dunlin.hpp>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <variant>
#include <vector>

namespace echo::bench {

struct words {
    std::vector<std::string> targets{"127.0.0.1:8888"};
    std::size_t connections = 1;
    std::size_t size = 64;
    std::size_t depth = 1;
    std::size_t idle = 0;
    std::size_t sources = 1;
    std::uint64_t count = 0;
    double duration = 5;
    double warmup = 0.2;
    double turn = 80; // milliseconds; the others are seconds
    double grace = 5;
    bool churn = false;
    bool is_json = false;
    std::chrono::nanoseconds spin{0};
};

namespace {

constexpr double longest = 1e6;
constexpr std::size_t a_billion = 1'000'000'000;
constexpr std::size_t most_in_flight = 10'000'000; // of a target; each takes eight bytes

std::chrono::nanoseconds span(double seconds) {
    return std::chrono::ceil<std::chrono::nanoseconds>(std::chrono::duration<double>{seconds});
}

/// Only with numbers can be told that it is the loopback network; a name may be.
bool may_be_loopback(const target_spec& target) {
    const auto parsed = dunlin::endpoint::parse(std::string_view{target.host}, target.port);
    return !parsed || (parsed.value().is_v4() && parsed.value().bytes()[0] == std::byte{127});
}

/// What cannot be done, in words; nothing if it can.
std::string objection_to(const plan& how) {
    if (how.connections == 0 && how.idle == 0)
        return "--connections 0 leaves nothing to do without --idle";
    if (how.connections == 0 && how.count) return "--connections 0 sends no messages to --count";
    if (how.connections * how.depth > most_in_flight)
        return fmt::format("{} connections with {} messages in flight each are {}, and {} are the "
                           "most that are kept track of",
                           how.connections, how.depth, how.connections * how.depth, most_in_flight);
    for (const target_spec& each : how.targets) {
        if (each.pid && !cpu_time(*each.pid))
            return fmt::format("{}: there is no process {} whose CPU time can be read", each.name,
                               *each.pid);
        if (how.sources > 1 && !may_be_loopback(each))
            return fmt::format("{}: --sources are addresses of the loopback network, which do not "
                               "reach {}",
                               each.name, each.address);
    }
    const std::size_t limit = raise_descriptor_limit();
    if (how.descriptors() > limit)
        return fmt::format("{} target{} with {} active and {} idle connections each need {} "
                           "descriptors, and this process may have {} (see ulimit -n)",
                           how.targets.size(), how.targets.size() == 1 ? "" : "s", how.connections,
                           how.idle, how.descriptors(), limit);
    return {};
}

class teller final : public listener {
public:
    explicit teller(const plan& how) : how_{how} {}

    void progress(const target_spec& whose, double seconds, double rate,
                  std::uint64_t errors) override {
        const std::string line =
            fmt::format("\r{:.1f} s  {}: {:.0f} messages/s, {} error{}\x1b[K", seconds, whose.name,
                        rate, errors, errors == 1 ? "" : "s");
        std::fwrite(line.data(), 1, line.size(), stderr);
        has_line_ = true;
    }
    void holds(const results& so_far) override {
        std::size_t opened = 0;
        double seconds = 0;
        for (const target_result& each : so_far.targets) {
            opened += each.idle_opened;
            seconds += each.idle_open_seconds;
        }
        if (how_.is_json)
            apps::say(to_json(how_, so_far));
        else
            apps::say(fmt::format("holding {} connection{}, opened in {:.3f} s", opened,
                                  opened == 1 ? "" : "s", seconds));
    }
    /// Takes the progress line away again.
    void end() {
        if (has_line_) std::fputs("\r\x1b[K", stderr);
        has_line_ = false;
    }

private:
    const plan& how_;
    bool has_line_ = false;
};

dunlin::task<int> bench(plan how) {
    how.has_progress_line = dunlin::descriptor{dunlin::borrowed_fd{2}}.is_terminal();
    teller tells{how};
    const results out = co_await run_load(how, tells);
    tells.end();
    if (!how.only_holds()) {
        const std::string text = how.is_json ? to_json(how, out) + '\n' : to_table(how, out);
        const bool is_written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
        if (std::fflush(stdout) != 0 || !is_written)
            co_return apps::refuse("cannot write to standard output");
    }
    for (const std::string& line : to_lines(how, out))
        apps::refuse(line);
    co_return out.has_errors() ? 1 : 0;
}

} // namespace

command::command(CLI::App& program)
    : given_{std::make_unique<words>()},
      app_{program.add_subcommand("bench", "load servers, check every echo, and measure")} {
    words& into = *given_;
    CLI::App& app = *app_;
    app.footer("Several targets get load by turns, in the order given, again and again. A target\n"
               "named again has another turn in the round: floor=127.0.0.1:9001 a=127.0.0.1:9002\n"
               "floor b=127.0.0.1:9003. With PID the CPU time of that process is measured.\n"
               "SIGINT ends it early, with what was measured until then, and is no error.\n"
               "Exit code: 1 if a server could not be reached, an echo was wrong or a connection\n"
               "was lost; 2 for a bad command line.");
    const auto whole = [&](const char* name, std::size_t& to, std::size_t least, std::size_t most,
                           const char* help) {
        app.add_option(name, to, help)->check(CLI::Range(least, most))->capture_default_str();
    };
    const auto time = [&](const char* name, double& to, double least, const char* help) {
        return app.add_option(name, to, help)
            ->check(CLI::Range(least, longest))
            ->check(apps::refuse_nan)
            ->capture_default_str();
    };
    app.add_option("TARGET", into.targets, "[NAME=]HOST:PORT[/PID], or a NAME given before")
        ->capture_default_str();
    whole("--connections", into.connections, 0, 1'000'000,
          "active connections per target; 0 with --idle: only hold those");
    whole("--size", into.size, 1, a_billion, "bytes of a message");
    whole("--depth", into.depth, 1, 100'000, "messages in flight per connection");
    CLI::Option* duration = time("--duration", into.duration, 0.001, "seconds of load per target");
    app.add_option("--count", into.count, "messages per target, instead of --duration")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000'000}))
        ->excludes(duration);
    time("--warmup", into.warmup, 0, "seconds of load per target before, which do not count");
    time("--turn", into.turn, 0.1,
         "milliseconds of a turn (a single target has one turn, unless given)");
    whole("--idle", into.idle, 0, 1'000'000,
          "idle connections per target, opened before the load and held beside it");
    app.add_flag("--churn", into.churn,
                 "--connections workers connect, echo one message, close, again and again");
    whole("--sources", into.sources, 1, 250,
          "addresses to connect from, 127.0.0.2 and up; 1: the kernel's choice. From 14,000 "
          "connections on, one address makes the kernel search long for a free port");
    time("--grace", into.grace, 0.01, "seconds without a byte after which a server counts as hung");
    apps::add_spin(app, into.spin);
    app.add_flag("--json", into.is_json, "print the result as JSON");
}

command::~command() = default;

bool command::was_called() const { return app_->parsed(); }

int command::run() const {
    const auto refuse = [](const std::string& why) {
        apps::refuse(why);
        return 2;
    };
    auto read = read_targets(given_->targets);
    if (const auto* wrong = std::get_if<std::string>(&read)) return refuse(*wrong);
    auto& targets = std::get<targets_read>(read);

    const auto was_given = [&](const char* name) { return app_->count(name) > 0; };
    plan how;
    how.targets = std::move(targets.targets);
    how.round = std::move(targets.round);
    how.connections = given_->connections;
    how.size = given_->size;
    how.depth = given_->churn ? 1 : given_->depth;
    how.idle = given_->idle;
    how.sources = given_->sources;
    how.churn = given_->churn;
    how.is_json = given_->is_json;
    how.warmup = span(given_->warmup);
    how.grace = span(given_->grace);
    if (was_given("--count")) how.count = given_->count;
    if (was_given("--duration")) how.hold = span(given_->duration);
    if (how.round.size() > 1 || was_given("--turn")) {
        const double turn = given_->turn / 1000;
        how.turn = span(how.count ? turn : std::min(turn, given_->duration));
        how.rounds = static_cast<std::size_t>(std::ceil(given_->duration / turn - 1e-9));
        how.rounds = std::max(how.rounds, std::size_t{1});
    } else if (!how.count) {
        how.turn = span(given_->duration);
    }
    if (how.churn && was_given("--depth") && given_->depth > 1)
        return refuse("--churn sends one message per connection: it has no --depth");
    if (const std::string why = objection_to(how); !why.empty()) return refuse(why);
    return dunlin::run(bench(std::move(how)), apps::run_options(given_->spin));
}

} // namespace echo::bench
