// What a conformance kit found: which rules a type keeps, which it breaks, and how.
//
//     INFO(report.words());            // any test framework will do
//     CHECK(report.is_conforming());
//
// See check_stream.hpp.
#pragma once

#include <dunlin/util/api.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dunlin {

/// What became of one rule.
enum class verdict : std::uint8_t {
    kept,
    broken,
    left_out, ///< The options say that it is not promised.
};

/// One rule, and what became of it.
class rule_outcome {
public:
    rule_outcome(const char* sentence, verdict how, std::string should_be = {},
                 std::string was = {}) noexcept
        : rule{sentence}, became{how}, expected{std::move(should_be)}, seen{std::move(was)} {}

    const char* rule; ///< A sentence that is true of a conforming type. A literal.
    verdict became;
    std::string expected; ///< Of a broken rule: what should have happened,
    std::string seen;     ///< and what did.
};

/// A value: the outcomes in the order in which the rules were checked.
class DUNLIN_API conformance_report {
public:
    conformance_report() noexcept = default;

    void add(rule_outcome outcome) { outcomes_.push_back(std::move(outcome)); }

    /// Whether no rule is broken. False of an empty report, which has shown nothing.
    [[nodiscard]] bool is_conforming() const noexcept;

    [[nodiscard]] const std::vector<rule_outcome>& outcomes() const noexcept { return outcomes_; }
    [[nodiscard]] std::size_t count(verdict of) const noexcept;

    /// The sentences of the rules that are broken.
    [[nodiscard]] std::vector<std::string_view> broken_rules() const;

    /// The whole in words, for people: a line that counts, then for each broken rule its sentence,
    /// what was expected and what was seen.
    [[nodiscard]] std::string words() const;

private:
    std::vector<rule_outcome> outcomes_;
};

} // namespace dunlin
