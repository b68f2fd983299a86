#include "every_call.hpp"

#include <dunlin/sys_sim/random.hpp>

#include <support/catch.hpp>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <span>
#include <utility>

namespace dunlin::test {

namespace {

std::string number_of(int error) { return ":" + std::to_string(error) + ")"; }

bool has(std::string_view all, std::string_view part) { return all.find(part) != all.npos; }

bool has_word(std::string_view all, std::string_view word) {
    const std::string padded = " " + std::string{all} + " ";
    return has(padded, " " + std::string{word} + " ");
}

/// Calls that dunlin makes for the best only: that they fail need not be heard of.
bool is_for_the_best(std::string_view call) { return has_word("fcntl ioctl shutdown", call); }

std::size_t differing(const outcome& clean, const outcome& got) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < clean.tasks.size(); ++i)
        if (i >= got.tasks.size() || got.tasks[i] != clean.tasks[i]) ++count;
    return count;
}

bool is_as_without(const outcome& clean, const outcome& got) {
    return got.tasks == clean.tasks && got.sum == clean.sum && got.loop_end.empty() &&
           got.service_end == clean.service_end;
}

/// What is wrong with a run in which `failed` was injected, or nothing.
std::string judge(std::span<const failure> failed, const outcome& clean, const outcome& got) {
    const auto is_any = [&](auto is_so) {
        return std::any_of(failed.begin(), failed.end(), is_so);
    };
    const bool ends_loop = is_any([](const failure& f) { return f.what == effect::loop; });
    if (!got.broken.empty()) return got.broken;
    if (ends_loop) {
        if (got.loop_end.empty()) return "the loop has not ended";
        const auto is_why = [&](const failure& f) {
            return has(got.loop_end, std::strerror(f.error));
        };
        return is_any(is_why) ? "" : "the loop ends otherwise";
    }
    if (is_as_without(clean, got)) return {};
    if (got.service_end != clean.service_end) {
        const auto is_why = [&](const failure& f) {
            return f.what == effect::listener && has(got.service_end, number_of(f.error));
        };
        return is_any(is_why) ? "" : "the service has ended";
    }
    if (!got.loop_end.empty()) return "the loop has ended";
    const auto is_felt = [](const failure& f) { return f.what != effect::none; };
    const auto most = std::count_if(failed.begin(), failed.end(), is_felt);
    if (most == 0) return "it shows";
    if (differing(clean, got) > static_cast<std::size_t>(most)) return "too many suffer";
    const auto is_heard = [&](const failure& f) {
        return is_felt(f) && (has(got.heard, number_of(f.error)) || is_for_the_best(f.call));
    };
    return is_any(is_heard) ? "" : "nobody has heard of it";
}

/// The same, with what is known of the nth call of this scene.
failure at_position(failure allowed, std::uint64_t nth, const outcome& clean, const scene& played) {
    if (has_word(played.retried, allowed.call)) allowed.what = effect::none;
    if (allowed.what == effect::loop_once)
        allowed.what = clean.precise_waits.contains(nth) ? effect::none : effect::loop;
    return allowed;
}

std::string words_of(const outcome& of) {
    std::string words;
    for (const std::string& each : of.tasks)
        words += "    " + each + "\n";
    return words + "    " + of.sum + "\n    heard: " + of.heard +
           "\n    service: " + of.service_end + "\n    loop: " + of.loop_end + "\n    " + of.broken;
}

} // namespace

std::size_t kinds_of_calls() {
    std::set<std::string_view> all;
    for (const failure& each : failures)
        all.insert(each.call);
    return all.size();
}

namespace {

outcome run_clean(const scene& played) {
    outcome clean = played.run({});
    INFO(words_of(clean));
    REQUIRE(clean.broken.empty());
    REQUIRE(clean.loop_end.empty());
    REQUIRE(clean.service_end.empty());
    return clean;
}

std::string words_of(const injected& fault) {
    return std::string{fault.call} + " number " + std::to_string(fault.nth) + " fails with " +
           std::string{sys_sim::name_of_error(fault.error)};
}

} // namespace

std::size_t fail_every_call(const scene& played) {
    const outcome clean = run_clean(played);
    INFO(words_of(clean));
    std::size_t kinds = 0;
    std::size_t survived = 0;
    for (std::size_t i = 0; i < sys_sim::call_count; ++i) {
        if (clean.calls[i] == 0) continue;
        const std::string_view call = name_of(static_cast<sys_sim::call>(i));
        const auto is_its_own = [&](const failure& each) { return each.call == call; };
        const bool can_fail = std::any_of(std::begin(failures), std::end(failures), is_its_own);
        const bool cannot =
            std::any_of(std::begin(left_out), std::end(left_out),
                        [&](const omission& each) { return has_word(each.calls, call); });
        INFO(call);
        CHECK((can_fail || cannot)); // or the table says nothing of it
        if (can_fail) ++kinds;
        for (const failure& allowed : failures) {
            if (allowed.call != call) continue;
            for (std::uint64_t nth = 1; nth <= clean.calls[i]; ++nth) {
                const failure each = at_position(allowed, nth, clean, played);
                const injected fault{call, nth, each.error};
                const outcome got = played.run({&fault, 1});
                std::string wrong = judge({&each, 1}, clean, got);
                if (got.calls[i] < nth) wrong += " the call was not made";
                if (wrong.empty())
                    ++survived;
                else
                    FAIL_CHECK(played.name << ": " << words_of(fault) << ": " << wrong << "\n"
                                           << words_of(got));
            }
        }
    }
    CHECK(survived > 100);
    std::printf("survived: %zu single failures of %zu kinds of calls: %.*s\n", survived, kinds,
                static_cast<int>(played.name.size()), played.name.data());
    return kinds;
}

void fail_pairs_of_calls(const scene& played, std::uint64_t seed, std::size_t count) {
    const outcome clean = run_clean(played);
    INFO(words_of(clean));
    std::vector<std::pair<failure, std::uint64_t>> places;
    for (std::size_t i = 0; i < sys_sim::call_count; ++i)
        for (const failure& each : failures)
            for (std::uint64_t nth = 1; nth <= clean.calls[i]; ++nth)
                if (each.call == name_of(static_cast<sys_sim::call>(i)) &&
                    each.what != effect::loop && each.what != effect::loop_once)
                    places.emplace_back(each, nth);

    sys_sim::random_source dice{seed};
    std::size_t survived = 0;
    for (std::size_t i = 0; i < count; ++i) {
        std::array<failure, 2> failed;
        std::array<injected, 2> faults;
        for (std::size_t which = 0; which < 2; ++which) {
            const auto& [what, nth] = places[dice.below(places.size())];
            failed[which] = what;
            faults[which] = {what.call, nth, what.error};
        }
        const outcome got = played.run(faults);
        const std::string wrong = judge(failed, clean, got);
        if (wrong.empty())
            ++survived;
        else
            FAIL_CHECK(played.name << ": " << words_of(faults[0]) << " and " << words_of(faults[1])
                                   << ": " << wrong << "\n"
                                   << words_of(got));
    }
    std::printf("survived: %zu pairs of failures (seed %llu): %.*s\n", survived,
                static_cast<unsigned long long>(seed), static_cast<int>(played.name.size()),
                played.name.data());
}

} // namespace dunlin::test
