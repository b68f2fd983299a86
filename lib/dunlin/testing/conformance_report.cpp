#include <dunlin/testing/conformance_report.hpp>

namespace dunlin {

bool conformance_report::is_conforming() const noexcept {
    return !outcomes_.empty() && count(verdict::broken) == 0;
}

std::size_t conformance_report::count(verdict of) const noexcept {
    std::size_t number = 0;
    for (const rule_outcome& each : outcomes_)
        if (each.became == of) ++number;
    return number;
}

std::vector<std::string_view> conformance_report::broken_rules() const {
    std::vector<std::string_view> broken;
    for (const rule_outcome& each : outcomes_)
        if (each.became == verdict::broken) broken.emplace_back(each.rule);
    return broken;
}

std::string conformance_report::words() const {
    std::string all = std::to_string(count(verdict::kept)) + " rules kept, " +
                      std::to_string(count(verdict::broken)) + " broken, " +
                      std::to_string(count(verdict::left_out)) + " left out\n";
    for (const rule_outcome& each : outcomes_) {
        if (each.became != verdict::broken) continue;
        all += "broken: " + std::string{each.rule} + "\n";
        all += "    expected: " + each.expected + "\n";
        all += "    seen:     " + each.seen + "\n";
    }
    return all;
}

} // namespace dunlin
