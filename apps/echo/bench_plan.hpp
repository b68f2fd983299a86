// What `echo bench` was asked to do: its targets, and how they are loaded.
#pragma once

#include <dunlin/util/chrono.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace echo::bench {

/// A server to be loaded.
struct target_spec {
    std::string name;
    std::string host;
    std::uint16_t port = 0;
    std::string address; ///< Both, as people write them.
    std::optional<int> pid;
};

struct plan {
    std::vector<target_spec> targets;
    std::vector<std::size_t> round; ///< Whose turn it is, one after the other: indexes of targets.

    std::size_t connections = 1; ///< Of each target; with `churn`, as many that come and go.
    std::size_t size = 64;
    std::size_t depth = 1;
    std::size_t idle = 0;
    std::size_t sources = 1;
    bool churn = false;

    std::optional<std::uint64_t> count;           ///< Messages per target; else `rounds` turns.
    std::optional<std::chrono::nanoseconds> turn; ///< None: one turn until `count` is reached.
    std::size_t rounds = 1;
    std::chrono::nanoseconds warmup{0};
    std::chrono::nanoseconds grace{0}; ///< After so long without a byte a server counts as hung.

    std::optional<std::chrono::nanoseconds> hold; ///< Without active connections; none: for ever.
    bool has_progress_line = false;
    bool is_json = false;

    [[nodiscard]] bool only_holds() const noexcept { return connections == 0; }
    /// So many that the process needs, with a few for itself.
    [[nodiscard]] std::size_t descriptors() const noexcept {
        return targets.size() * (connections + idle) + 16;
    }
};

/// What came of reading the targets; a string says what is wrong.
struct targets_read {
    std::vector<target_spec> targets;
    std::vector<std::size_t> round;
};

/// Reads `[NAME=]HOST:PORT[/PID]` for each, or a NAME that stands before.
std::variant<targets_read, std::string> read_targets(const std::vector<std::string>& words);

} // namespace echo::bench
