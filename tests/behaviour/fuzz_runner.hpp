// Runs a random program of system calls: see fuzz_runner.cpp.
#pragma once

#include "fuzz_program.hpp"

#include <cstdint>
#include <set>
#include <string>

namespace behaviour {

struct fuzz_settings {
    int settle_ms = -1;
    bool in_order = false;
    std::uint32_t address = 0; // 0: one for each seed
};

/// The transcript: each call with what it returned, then how the state of the descriptors changed.
/// The calls that `skipped` numbers are left out.
std::string run_program(const fuzz_program& program, const fuzz_settings& how, std::uint64_t seed,
                        const std::set<int>& skipped);

} // namespace behaviour
