#include "every_call.hpp"

#include <support/catch.hpp>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>

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
std::string judge(const failure& failed, const outcome& clean, const outcome& got) {
    if (!got.broken.empty()) return got.broken;
    if (is_as_without(clean, got) && failed.what != effect::loop) return {};
    switch (failed.what) {
    case effect::none:
        return "it shows";
    case effect::loop:
    case effect::loop_once:
        if (got.loop_end.empty()) return "the loop has not ended";
        return has(got.loop_end, std::strerror(failed.error)) ? "" : "the loop ends otherwise";
    case effect::listener:
        if (!got.service_end.empty())
            return has(got.service_end, number_of(failed.error)) ? "" : "it ends otherwise";
        break;
    case effect::one:
        break;
    }
    if (!got.loop_end.empty()) return "the loop has ended";
    if (got.service_end != clean.service_end) return "the service has ended";
    if (differing(clean, got) > 1) return "more than one suffers";
    if (!has(got.heard, number_of(failed.error)) && !is_for_the_best(failed.call))
        return "nobody has heard of it";
    return {};
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

std::size_t fail_every_call(const scene& played) {
    const outcome clean = played.run(nullptr);
    INFO(words_of(clean));
    REQUIRE(clean.broken.empty());
    REQUIRE(clean.loop_end.empty());
    REQUIRE(clean.service_end.empty());

    std::size_t kinds = 0;
    std::size_t survived = 0;
    for (std::size_t i = 0; i < sys_sim::call_count; ++i) {
        const std::string_view call = name_of(static_cast<sys_sim::call>(i));
        const auto is_its_own = [&](const failure& each) { return each.call == call; };
        const bool can_fail = std::any_of(std::begin(failures), std::end(failures), is_its_own);
        const bool cannot =
            std::any_of(std::begin(left_out), std::end(left_out),
                        [&](const omission& each) { return has_word(each.calls, call); });
        if (clean.calls[i] == 0) continue;
        INFO(call);
        CHECK((can_fail || cannot)); // or the table says nothing of it
        if (can_fail) ++kinds;
        for (failure each : failures) {
            if (each.call != call) continue;
            if (has_word(played.retried, call)) each.what = effect::none;
            for (std::uint64_t nth = 1; nth <= clean.calls[i]; ++nth) {
                const injected fault{call, nth, each.error};
                const outcome got = played.run(&fault);
                std::string wrong = judge(each, clean, got);
                if (got.calls[i] < nth) wrong += " the call was not made";
                if (wrong.empty())
                    ++survived;
                else
                    FAIL_CHECK(played.name << ": " << call << " number " << nth << " fails with "
                                           << sys_sim::name_of_error(each.error) << ": " << wrong
                                           << "\n"
                                           << words_of(got));
            }
        }
    }
    CHECK(survived > 100);
    std::printf("survived: %zu single failures of %zu kinds of calls: %.*s\n", survived, kinds,
                static_cast<int>(played.name.size()), played.name.data());
    return kinds;
}

} // namespace dunlin::test
