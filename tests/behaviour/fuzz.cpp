// Runs random programs of system calls and prints what each call returned and how the state of
// every descriptor changed, so that two kernels can be compared. tests/behaviour/compare.py
// compares and shrinks; fuzz_runner.cpp says what is hidden, since a kernel may choose it.
//
//     fuzz --seed 1 --count 1000      the programs of seeds 1 to 1000
//     fuzz --seed 17 --program        shows the program and does not run it
//     fuzz --seed 17 --skip 3,4,9     leaves calls out
//     fuzz --seed 17 --keep 0,2,5     leaves all others out
//     fuzz --without oob,buffers      no seed has these (see --features for all)
//     fuzz --settle 1                 waits so many ms after each call: where things take time
//     fuzz --address 127.0.0.1        listeners there (else an address in 127/8 per seed)
//     fuzz --in-order                 batches of epoll in the kernel's order
#include "fuzz_runner.hpp"

#include <cstdio>
#include <set>
#include <string>
#include <vector>

#include <arpa/inet.h>

using namespace behaviour;

namespace {

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::string part;
    for (const char c : list + ",") {
        if (c != ',') {
            part += c;
        } else if (!part.empty()) {
            parts.push_back(part);
            part.clear();
        }
    }
    return parts;
}

} // namespace

int main(int count, char** arguments) {
    std::uint64_t first = 1, seeds = 1;
    bool only_show = false;
    fuzz_settings how;
    std::set<int> skipped, kept;
    std::vector<std::string> without;
    for (int i = 1; i < count; ++i) {
        const std::string option = arguments[i];
        const auto argument = [&] {
            return i + 1 < count ? std::string{arguments[++i]} : std::string{};
        };
        if (option == "--seed") {
            first = std::stoull(argument());
        } else if (option == "--count") {
            seeds = std::stoull(argument());
        } else if (option == "--program") {
            only_show = true;
        } else if (option == "--skip") {
            for (const auto& part : split(argument()))
                skipped.insert(std::stoi(part));
        } else if (option == "--keep") {
            for (const auto& part : split(argument()))
                kept.insert(std::stoi(part));
        } else if (option == "--without") {
            without = split(argument());
        } else if (option == "--settle") {
            how.settle_ms = std::stoi(argument());
        } else if (option == "--address") {
            how.address = ::inet_addr(argument().c_str());
        } else if (option == "--in-order") {
            how.in_order = true;
        } else if (option == "--features") {
            for (const auto& feature : fuzz_features())
                std::printf("%s\n", feature.c_str());
            return 0;
        } else {
            std::fprintf(stderr, "fuzz: what is %s? See the head of fuzz.cpp.\n", option.c_str());
            return 2;
        }
    }
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        const fuzz_program program = make_program(seed, without);
        for (int i = 0; !kept.empty() && i < static_cast<int>(program.steps.size()); ++i)
            if (!kept.contains(i)) skipped.insert(i);
        std::printf("== seed %llu\n  #", static_cast<unsigned long long>(seed));
        for (const auto& feature : program.features)
            std::printf(" %s", feature.c_str());
        std::printf("\n");
        if (only_show) {
            for (std::size_t i = 0; i < program.steps.size(); ++i)
                std::printf("  %zu %s%s\n", i, to_string(program.steps[i]).c_str(),
                            skipped.contains(static_cast<int>(i)) ? " (left out)" : "");
        } else {
            std::fputs(run_program(program, how, seed, skipped).c_str(), stdout);
        }
        std::fflush(stdout);
    }
    return 0;
}
