#pragma once
// A random program of system calls, made of a seed and nothing else. fuzz_runner.cpp runs it.

#include <cstdint>
#include <string>
#include <vector>

namespace behaviour {

/// What one step does. `slot` names the descriptor meant, or the place of a new one.
enum class call : std::uint8_t {
    make_tcp,   // slot: a new non-blocking socket
    make_pair,  // slot, other: a new Unix pair
    make_epoll, // slot
    make_counter,
    bind,       // slot: to port 0
    listen,     // slot, size: the backlog
    connect,    // slot, other: to the address of that one
    accept,     // slot: the new one, other: the listener
    dup,        // slot: the new one, other: of which
    send,       // slot, size, flags
    recv,       // slot, size, flags
    shutdown,   // slot, flags: how
    close,      // slot
    linger,     // slot: the next close of it is a reset
    set_option, // slot, flags: which, size: the value
    get_option, // slot, flags: which
    so_error,
    peer_name,
    add, // slot, other: the set, flags: the events
    mod,
    del,
    wait,        // slot: the set
    counter_add, // slot, size
    counter_take,
    fill, // slot: sends until nothing more fits
    drain // slot: receives until nothing more comes
};

struct step {
    call what;
    int slot = -1;
    int other = -1;
    long size = 0;
    std::uint32_t flags = 0;
    /// Where the kernel may choose the amount: a receiver's after `fill`, until it is drained.
    bool any_amount = false;
};

/// The options that set_option and get_option number.
struct fuzz_option {
    int level;
    int option;
};
const std::vector<fuzz_option>& fuzz_options();

/// A seed switches on some of these, so that rare things meet (swarm testing).
const std::vector<std::string>& fuzz_features();

struct fuzz_program {
    std::vector<step> steps;
    std::vector<std::string> features;
    int slots = 0;
};

/// The program of a seed. `without` are features that no seed may have.
fuzz_program make_program(std::uint64_t seed, const std::vector<std::string>& without);

/// `send(d1, 500, OOB)`.
std::string to_string(const step& s);

} // namespace behaviour
