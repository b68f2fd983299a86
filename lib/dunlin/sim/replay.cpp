#include <dunlin/sim/detail/replay.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace dunlin::sim {

namespace {

constexpr std::string_view small_portions_word = "small_portions";

std::optional<std::string_view> variable(const char* name) noexcept {
    const char* const text = std::getenv(name);
    if (text == nullptr) return std::nullopt;
    return std::string_view{text};
}

std::optional<std::uint64_t> to_number(std::string_view text) noexcept {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto done = std::from_chars(text.data(), end, number);
    if (done.ec != std::errc{} || done.ptr != end) return std::nullopt;
    return number;
}

} // namespace

bool fault_selection::has(std::uint64_t number, sys_sim::fault which) const noexcept {
    if ((kinds_off >> static_cast<unsigned>(which) & 1) != 0) return false;
    return !numbers || std::binary_search(numbers->begin(), numbers->end(), number);
}

std::string fault_selection::words() const {
    std::string list = small_portions ? std::string{small_portions_word} : std::string{};
    if (numbers)
        for (const std::uint64_t each : *numbers)
            list += (list.empty() ? "" : ",") + std::to_string(each);
    return "DUNLIN_SIM_ONLY=" + (list.empty() ? "none" : list);
}

std::string words_to_repeat(std::uint64_t seed) {
    return "DUNLIN_SIM_SEED=" + std::to_string(seed);
}

std::optional<std::uint64_t> seed_asked_for() {
    const auto text = variable("DUNLIN_SIM_SEED");
    return text ? to_number(*text) : std::nullopt;
}

std::optional<fault_selection> selection_asked_for() {
    auto list = variable("DUNLIN_SIM_ONLY");
    if (!list) return std::nullopt;
    fault_selection only{.numbers = std::vector<std::uint64_t>{}, .small_portions = false};
    while (!list->empty()) {
        const std::size_t end = std::min(list->find(','), list->size());
        const std::string_view word = list->substr(0, end);
        list->remove_prefix(std::min(end + 1, list->size()));
        if (word == small_portions_word) only.small_portions = true;
        if (const auto number = to_number(word)) only.numbers->push_back(*number);
    }
    std::sort(only.numbers->begin(), only.numbers->end());
    return only;
}

bool is_trace_asked_for() noexcept {
    const auto asked = variable("DUNLIN_SIM_TRACE");
    return asked && !asked->empty() && asked->front() != '0';
}

} // namespace dunlin::sim
