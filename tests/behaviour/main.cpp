// Runs the situations and prints what the kernel answered. `--list` names them, `--only NAME` runs
// one (may be given several times), `--topic TOPIC` those of one file, `--except FILE` all but
// those that a file names, one a line. Fails when a claim is false, or if such a name is none.
#include "recorder.hpp"

#include <cstdio>
#include <fstream>
#include <map>
#include <set>

using namespace behaviour;

int main(int count, char** arguments) {
    // The linker's order of the files is nobody's wish.
    std::map<std::string, std::vector<situation>> by_topic;
    for (const auto& one : situations())
        by_topic[one.topic].push_back(one);
    std::vector<situation> all;
    for (const auto& [topic, some] : by_topic)
        all.insert(all.end(), some.begin(), some.end());

    bool list = false;
    std::set<std::string> names, topics, left_out;
    for (int i = 1; i < count; ++i) {
        const std::string_view argument{arguments[i]};
        if (argument == "--list") {
            list = true;
        } else if (argument == "--only" && i + 1 < count) {
            names.insert(arguments[++i]);
        } else if (argument == "--except" && i + 1 < count) {
            std::ifstream file{arguments[++i]};
            for (std::string line; std::getline(file, line);)
                if (!line.empty() && line.front() != '#') left_out.insert(line);
        } else if (argument == "--topic" && i + 1 < count) {
            topics.insert(arguments[++i]);
        } else {
            std::fprintf(
                stderr,
                "usage: behaviour [--list] [--only NAME]… [--topic TOPIC]… [--except FILE]\n");
            return 2;
        }
    }

    std::set<std::string> seen;
    int run = 0, failed = 0;
    for (const auto& [topic, name, body] : all) {
        if (!seen.insert(name).second) {
            std::fprintf(stderr, "two situations are named \"%s\"\n", name);
            return 2;
        }
        if (left_out.erase(name) != 0) continue;
        if (!names.empty() && !names.contains(name)) continue;
        if (!topics.empty() && !topics.contains(topic)) continue;
        ++run;
        if (list) {
            std::printf("%s: %s\n", topic, name);
            continue;
        }
        recorder t;
        body(t);
        t.finish();
        std::printf("== %s: %s\n%s", topic, name, t.transcript().c_str());
        std::fflush(stdout);
        if (!t.failures().empty()) {
            ++failed;
            std::fprintf(stderr, "FAILED %s: %s\n%s", topic, name, t.failures().c_str());
        }
    }
    for (const auto& unknown : left_out) {
        std::fprintf(stderr, "to be left out, but there is none: %s\n", unknown.c_str());
        ++failed;
    }
    if (run == 0) {
        std::fprintf(stderr, "no such situation\n");
        return 2;
    }
    if (!list) std::fprintf(stderr, "%d situations, %d failed\n", run, failed);
    return failed == 0 ? 0 : 1;
}
