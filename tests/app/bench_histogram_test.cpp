// The load generator's histogram: what it says of latencies, against what sorting them says.
#include "../../apps/echo/bench_histogram.hpp"

#include <support/catch.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

using echo::bench::histogram;

namespace {

double exact(const std::vector<std::int64_t>& sorted, double part) {
    const auto rank =
        static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
    return static_cast<double>(sorted[std::max<std::size_t>(rank, 1) - 1]);
}

constexpr std::int64_t longest = (std::int64_t{1} << 40) - 1;

} // namespace

TEST_CASE("an empty histogram has nothing to say", "[app][bench_histogram]") {
    const histogram none;
    CHECK(none.count() == 0);
    CHECK(none.longest() == 0);
    CHECK(none.quantile(0.5) == 0);
}

TEST_CASE("each span alone is told with an error of half a percent at most, and short ones exactly",
          "[app][bench_histogram]") {
    for (int bit = 0; bit < 40; ++bit) {
        for (const std::int64_t off : {-1, 0, 1, 77}) {
            const std::int64_t span = (std::int64_t{1} << bit) + off;
            if (span < 0 || span > longest) continue;
            histogram one;
            one.add(span);
            one.add(longest); // so that the longest, which is exact, is another
            const double told = one.quantile(0.5);
            const auto wanted = static_cast<double>(span);
            INFO(span);
            CHECK(std::abs(told - wanted) <= (span < 256 ? 0 : wanted * 0.005));
        }
    }
}

TEST_CASE("quantiles are those of the sorted spans, within one percent", "[app][bench_histogram]") {
    std::vector<std::int64_t> spans;
    histogram all;
    histogram first_half;
    histogram second_half;
    std::uint64_t state = 1;
    for (int i = 0; i < 20'000; ++i) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        const auto span = static_cast<std::int64_t>((state >> 33) % 1000) *
                          static_cast<std::int64_t>(std::uint64_t{1} << (state >> 60));
        spans.push_back(span);
        all.add(span);
        (i % 2 == 0 ? first_half : second_half).add(span);
    }
    std::ranges::sort(spans);
    first_half.add(second_half);
    CHECK(all.count() == spans.size());
    CHECK(all.longest() == static_cast<std::uint64_t>(spans.back()));
    for (const double part : {0.0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        INFO(part);
        CHECK(std::abs(all.quantile(part) - exact(spans, part)) <= exact(spans, part) * 0.01);
        CHECK(first_half.quantile(part) == all.quantile(part));
    }
    CHECK(all.quantile(1) <= static_cast<double>(spans.back()));
}

TEST_CASE("what is beyond its range counts as its end", "[app][bench_histogram]") {
    histogram odd;
    odd.add(-5);
    odd.add(INT64_MAX);
    CHECK(odd.count() == 2);
    CHECK(odd.quantile(0.5) == 0);
    CHECK(odd.longest() == static_cast<std::uint64_t>(longest));
}
