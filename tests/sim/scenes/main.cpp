// Runs general scenes, a seed for each run, and says which seed shows a problem.
//
//     sim_scenes --seed 1 --count 500 --scene echo
//
// DUNLIN_SIM_SEED=n in the environment runs that seed alone.
#include "stage.hpp"

#ifdef DUNLIN_PLANTED_BUGS
#include <dunlin/util/planted.hpp>
#endif

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace {

struct named_scene {
    std::string_view name;
    void (*run)(scenes::stage&);
};

constexpr named_scene all_scenes[] = {
    {"echo", scenes::echo},           {"timeouts", scenes::timeouts},
    {"closing", scenes::closing},     {"groups", scenes::groups},
    {"sync", scenes::sync},           {"pipelining", scenes::pipelining},
    {"accepting", scenes::accepting}, {"signals", scenes::signals},
};

struct options {
    std::uint64_t seed = 1;
    std::uint64_t count = 100;
    unsigned jobs = 1;
    std::string_view scene = "all";
    bool keeps_going = false;
};

// What a process that dies says of itself: async-signal-safe.
char last_words[160];
std::size_t last_words_size = 0;

extern "C" void die(int number) {
    if (number == SIGALRM) {
        constexpr std::string_view hangs = "it hangs: no end after 10 s\n";
        static_cast<void>(!::write(2, hangs.data(), hangs.size()));
    }
    static_cast<void>(!::write(2, last_words, last_words_size));
    ::_exit(1);
}

void prepare_for_death() {
    for (const int number : {SIGALRM, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL})
        ::signal(number, die);
}

/// The scene of this seed: they take turns.
const named_scene& scene_of(std::uint64_t seed, std::string_view wanted) {
    for (const named_scene& each : all_scenes)
        if (each.name == wanted) return each;
    return all_scenes[seed % std::size(all_scenes)];
}

/// True if all went well.
bool run_seed(std::uint64_t seed, const named_scene& scene) {
    last_words_size = static_cast<std::size_t>(std::snprintf(
        last_words, sizeof last_words, "scene %.*s failed\nDUNLIN_SIM_SEED=%llu repeats this run\n",
        static_cast<int>(scene.name.size()), scene.name.data(),
        static_cast<unsigned long long>(seed)));
    ::alarm(10);
    scenes::stage on{seed};
    scene.run(on);
    on.finish();
    ::alarm(0);
    if (!on.world.has_problems()) return true;
    std::fprintf(stderr, "scene %.*s failed\n%s", static_cast<int>(scene.name.size()),
                 scene.name.data(), on.world.problems().c_str());
    return false;
}

int run_seeds(const options& asked, std::uint64_t first) {
    bool is_clean = true;
    for (std::uint64_t i = first; i < asked.count; i += asked.jobs) {
        const std::uint64_t seed = asked.seed + i;
        if (run_seed(seed, scene_of(seed, asked.scene))) continue;
        is_clean = false;
        if (!asked.keeps_going) break;
    }
    return is_clean ? 0 : 1;
}

/// In processes side by side, as a world has one thread.
int run_jobs(const options& asked) {
    std::vector<pid_t> children;
    for (unsigned job = 0; job < asked.jobs; ++job) {
        const pid_t child = ::fork();
        if (child == 0) ::_exit(run_seeds(asked, job));
        children.push_back(child);
    }
    int worst = 0;
    for (const pid_t child : children) {
        int status = 0;
        ::waitpid(child, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) worst = 1;
    }
    return worst;
}

[[noreturn]] void explain() {
    std::fputs("sim_scenes [--seed N] [--count M] [--scene NAME|all] [--jobs J] [--keep-going]"
#ifdef DUNLIN_PLANTED_BUGS
               " [--plant BUG | --list-bugs]"
#endif
               "\nscenes:",
               stderr);
    for (const named_scene& each : all_scenes)
        std::fprintf(stderr, " %.*s", static_cast<int>(each.name.size()), each.name.data());
    std::fputc('\n', stderr);
    std::exit(2);
}

std::uint64_t to_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, why] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (why != std::errc{} || end != text.data() + text.size()) explain();
    return number;
}

} // namespace

int main(int count, char** words) {
    options asked;
    for (int i = 1; i < count; ++i) {
        const std::string_view word = words[i];
        if (word == "--keep-going") {
            asked.keeps_going = true;
            continue;
        }
#ifdef DUNLIN_PLANTED_BUGS
        if (word == "--list-bugs") {
            for (const char* const each : dunlin::planted::names)
                std::puts(each);
            return 0;
        }
#endif
        if (i + 1 == count) explain();
        const std::string_view value = words[++i];
        if (word == "--seed")
            asked.seed = to_number(value);
        else if (word == "--count")
            asked.count = to_number(value);
        else if (word == "--jobs")
            asked.jobs = static_cast<unsigned>(to_number(value));
        else if (word == "--scene")
            asked.scene = value;
#ifdef DUNLIN_PLANTED_BUGS
        else if (word == "--plant") {
            if (!dunlin::planted::plant(value)) explain();
        }
#endif
        else
            explain();
    }
    bool is_known = asked.scene == "all";
    for (const named_scene& each : all_scenes)
        is_known = is_known || each.name == asked.scene;
    if (!is_known || asked.jobs == 0) explain();
    if (const char* const alone = std::getenv("DUNLIN_SIM_SEED")) {
        asked.seed = to_number(alone);
        asked.count = 1;
        asked.jobs = 1;
    }

    prepare_for_death();
    const auto began = std::chrono::steady_clock::now();
    const int code = asked.jobs > 1 ? run_jobs(asked) : run_seeds(asked, 0);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    if (code == 0)
        std::printf("%llu scenes from seed %llu in %.1f s: %.0f a second\n",
                    static_cast<unsigned long long>(asked.count),
                    static_cast<unsigned long long>(asked.seed), took.count(),
                    static_cast<double>(asked.count) / took.count());
    return code;
}
