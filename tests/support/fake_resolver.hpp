// A getaddrinfo(3) that answers what the test says, when the test says. A program is linked with
// fake_resolver.cpp and `-Wl,--wrap=getaddrinfo,--wrap=freeaddrinfo` (`fake_resolver_tests` in
// meson.build). Names that it was not told of are libc's business; nothing is sent to a name server
// as long as those are `localhost` and the like.
#pragma once

#include <support/test_loop.hpp>

#include <dunlin/net/endpoint.hpp>

#include <string>
#include <vector>

namespace dunlin::test {

/// Waits (five seconds at most) for the resolver's thread, which ends when nobody asks; only then
/// has it let go of everything.
void wait_for_resolver_to_end();

/// A loop for tests that look names up.
class resolving_loop : public test_loop {
public:
    resolving_loop() = default;
    ~resolving_loop() { wait_for_resolver_to_end(); } // before the loop counts descriptors

    /// All that was asked has been answered, and the loop has heard of it.
    void wait_for_answers() {
        wait_for_resolver_to_end();
        run_until_idle();
    }
};

/// While it lives, lookups hang as if no name server answered; then they go on.
class hanging_lookups {
public:
    hanging_lookups();
    ~hanging_lookups();
    hanging_lookups(const hanging_lookups&) = delete;
    hanging_lookups& operator=(const hanging_lookups&) = delete;
};

/// From now on `name` has these addresses, whose ports are those that are asked for.
void set_addresses(const std::string& name, std::vector<endpoint> addresses);

/// From now on asking for `name` fails: EAI_…, and errno.
void set_failure(const std::string& name, int code, int error_number = 0);

/// Calls of getaddrinfo that were begun, and those that are over; since the program began.
[[nodiscard]] int lookups_begun();
[[nodiscard]] int lookups_over();

/// Waits (five seconds at most) until a lookup of that count has begun, or is over.
void wait_until_begun(int count);
void wait_until_over(int count);

/// The thread of the last lookup, as pthread_self(3) has it; whether it let any signal through.
[[nodiscard]] bool was_on_this_thread();
[[nodiscard]] bool let_signals_through();

} // namespace dunlin::test
