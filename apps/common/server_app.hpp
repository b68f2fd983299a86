// What the servers have in common on their command lines: the limits, the log, and how they
// complain.
#pragma once

#include <dunlin/net/serve.hpp>
#include <dunlin/task/run.hpp>
#include <dunlin/util/chrono.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace apps {

/// What its lines on standard error begin with. Each program's main.cpp defines it.
extern const char program[];

/// One line on standard error, and the exit code.
int refuse(const std::string& why);

/// What is wrong with a number, for `CLI::Option::check`: `CLI::Range` lets "nan" pass.
std::string refuse_nan(const std::string& given);

/// As people write it, an IPv6 address in brackets.
std::string to_words(const std::string& host, const std::string& port);

/// A server's limits, as given.
struct limits {
    std::size_t max_connections = dunlin::serve_options{}.max_connections;
    double idle_timeout = 0; // seconds
    double drain = 1.5;
};

/// Adds the options for them, with what there is as defaults. `what_they_take` ends the sentence
/// "when stopping, seconds for clients that still take …".
void add_limits(CLI::App& to, limits& into, const std::string& what_they_take);

dunlin::serve_options options_of(const limits& given);

/// Adds `--spin`, a span with its unit: `scheduler_options::spin`.
void add_spin(CLI::App& to, std::chrono::nanoseconds& into);

/// A server's: what the library has to say (that accepting pauses, that it drains) goes to standard
/// error, and SIGUSR1 dumps the tasks.
dunlin::run_options run_options(std::chrono::nanoseconds spin = {});

/// Reads the command line. Gives the exit code if the program is to end with that: after help, or
/// because something is wrong.
std::optional<int> parse(CLI::App& app, int argc, char** argv);

} // namespace apps
