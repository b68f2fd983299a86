// The command line of `echo bench`.
#pragma once

#include <memory>

namespace CLI {
class App;
}

namespace echo::bench {

struct words; // as they were given

/// The command: adds itself to the program's, and is run if it was called.
class command {
public:
    explicit command(CLI::App& program);
    command(const command&) = delete;
    command& operator=(const command&) = delete;
    ~command();

    [[nodiscard]] bool was_called() const;

    /// The exit code: 0; 1 if something was wrong with an echo or a connection; 2 for a bad command
    /// line. SIGINT and SIGTERM end it early, with what was measured until then.
    [[nodiscard]] int run() const;

private:
    std::unique_ptr<words> given_;
    CLI::App* app_;
};

} // namespace echo::bench
