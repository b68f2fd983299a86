// The ways to write a `co_await` that some compiler gets wrong, or that our rule ("one await, one
// statement") excludes for their sake.
//
// What the compilers that we know do with them is compared with a table, so that we learn when a
// rule has lost its reason. On a compiler that we do not know they are only reported.
#include "idioms.hpp"

#include <array>
#include <functional>

using namespace idiom;

namespace {

// ---- what they use

/// An aggregate with an operation: its object must outlive the suspension.
struct aggregate_with_method {
    tracked value;

    task<int> get() const {
        const int given = co_await step{1};
        co_return given + value.value();
    }
};

task<int> call_erased(std::function<int()> function) {
    const int given = co_await step{1};
    co_return given + function();
}

task<int> take_default(aggregate by_value = aggregate{tracked{4}, 1}) {
    const int given = co_await step{1};
    co_return given + by_value.first.value() + by_value.second;
}

int sum(const tracked& first, const tracked& second) { return first.value() + second.value(); }

/// An awaiter that knows whether it was used itself, or a copy of it.
class [[nodiscard]] self_aware {
public:
    explicit self_aware() noexcept = default;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) noexcept {
        suspended_ = true;
        now.waiting = self;
    }
    void await_resume() const noexcept {}
    bool was_suspended() const noexcept { return suspended_; }

private:
    bool suspended_ = false;
};

// ---- the forms

task<int> an_aggregate_temporary() {
    const int value = co_await take_aggregate(aggregate{tracked{4}, 2});
    co_return value;
}
task<int> a_braced_aggregate() {
    const int value = co_await take_aggregate({.first = tracked{4}, .second = 2});
    co_return value;
}
task<int> a_method_of_an_aggregate_temporary() {
    const int value = co_await aggregate_with_method{tracked{5}}.get();
    co_return value;
}
task<int> a_closure_that_holds() {
    const int value = co_await call([held = tracked{6}] { return held.value(); });
    co_return value;
}
task<int> a_std_function_of_a_closure() {
    const int value = co_await call_erased([held = tracked{6}] { return held.value(); });
    co_return value;
}
task<int> an_await_in_an_arm() {
    const tracked local{1};
    const tracked value = local.value() == 1 ? co_await object(8) : tracked{9};
    co_return value.value();
}
task<int> an_await_in_the_condition_of_a_choice() {
    const tracked value = co_await number(1) == 1 ? tracked{8} : tracked{9};
    co_return value.value();
}
task<int> an_await_in_an_arm_of_int() {
    const tracked local{1};
    const int value = local.value() == 1 ? co_await number(8) : 9;
    co_return value;
}
task<int> awaits_in_an_aggregate() {
    const aggregate made{co_await object(4), co_await number(2)};
    co_return made.first.value() + made.second;
}
task<int> awaits_in_an_array() {
    const tracked made[] = {co_await object(4), co_await object(2)};
    co_return made[0].value() + made[1].value();
}
task<int> awaits_as_arguments() {
    const int value = sum(co_await object(4), co_await object(2));
    co_return value;
}
task<int> awaits_as_operands() {
    const int value = co_await number(4) + co_await number(2);
    co_return value;
}
task<int> an_await_in_an_await() {
    const int value = co_await number(co_await number(6));
    co_return value;
}
task<int> a_structured_binding() {
    const auto [first, second] = co_await two_objects(1, 2);
    co_await step{};
    co_return first.value() + second.value();
}
task<int> a_condition_without_locals() {
    if (co_await number(1) == 1) co_return 2;
    co_return 3;
}
task<int> a_switch_without_locals() {
    switch (co_await number(1)) {
    case 1:
        co_return 2;
    default:
        co_return 3;
    }
}
task<int> an_await_that_is_returned() { co_return co_await number(6); }
task<int> a_range_of_an_await() {
    int total = 0;
    for (const tracked& each : std::array{co_await object(1), co_await object(2)})
        total += each.value();
    co_return total;
}
task<int> an_awaiter_by_reference() {
    self_aware awaiter;
    co_await by_reference{awaiter}; // await_transform gives a reference to it
    co_return awaiter.was_suspended() ? 1 : 0;
}
task<int> an_aggregate_as_default_argument() {
    const int value = co_await take_default();
    co_return value;
}
task<int> count_down(int& left) {
    const int given = co_await step{left};
    --left;
    co_return given;
}
task<int> while_without_locals(int& left) {
    while (co_await count_down(left) > 0)
        co_await step{};
    co_return 4;
}
task<int> a_while_without_locals() {
    int left = 2;
    const int value = co_await while_without_locals(left);
    co_return value + left;
}
task<int> awaits_in_a_short_circuit() {
    const bool both = co_await number(1) == 1 && co_await number(2) == 2;
    co_return both ? 2 : 3;
}
task<int> an_await_in_a_capture() {
    const auto closure = [held = co_await object(4)] { return held.value(); };
    co_return closure();
}

// ---- the table

constexpr unsigned gcc_12 = 1;
constexpr unsigned clang_16 = 2;
constexpr unsigned clang_19 = 4;

#if defined(__clang__)
constexpr unsigned this_compiler = __clang_major__ == 16   ? clang_16
                                   : __clang_major__ == 19 ? clang_19
                                                           : 0;
#else
constexpr unsigned this_compiler = __GNUC__ == 12 ? gcc_12 : 0;
#endif

#define ROW(name, expected, wrong_on) {#name, name, expected, wrong_on}

constexpr row rows[] = {
    ROW(an_aggregate_temporary, 6, gcc_12),
    ROW(a_braced_aggregate, 6, gcc_12),
    ROW(a_method_of_an_aggregate_temporary, 6, gcc_12),
    ROW(a_closure_that_holds, 7, gcc_12),
    ROW(a_std_function_of_a_closure, 7, gcc_12),
    ROW(an_await_in_an_arm, 8, gcc_12),
    ROW(an_await_in_the_condition_of_a_choice, 8, gcc_12),
    ROW(an_await_in_an_arm_of_int, 8, 0),
    ROW(awaits_in_an_aggregate, 6, gcc_12 | clang_16),
    ROW(awaits_in_an_array, 6, gcc_12 | clang_16),
    ROW(awaits_as_arguments, 6, 0),
    ROW(awaits_as_operands, 6, 0),
    ROW(an_await_in_an_await, 6, 0),
    ROW(a_structured_binding, 3, 0),
    ROW(a_condition_without_locals, 2, gcc_12),
    ROW(a_switch_without_locals, 2, gcc_12),
    ROW(an_await_that_is_returned, 6, 0),
    ROW(a_range_of_an_await, 3, gcc_12 | clang_16),
    ROW(an_awaiter_by_reference, 1, gcc_12),
    ROW(an_aggregate_as_default_argument, 6, gcc_12),
    ROW(a_while_without_locals, 3, gcc_12),
    ROW(awaits_in_a_short_circuit, 2, 0),
    ROW(an_await_in_a_capture, 4, gcc_12),
};

} // namespace

int main() {
    bool failed = false;
    for (const row& each : rows) {
        const bool right = is_right_in_a_child(each, true);
        const bool as_expected = right == ((each.wrong_on & this_compiler) == 0);
        const char* comment = "";
        if (this_compiler == 0)
            comment = as_expected ? "" : "  (note: this compiler is not known)";
        else if (!as_expected)
            comment = "  UNEXPECTED";
        std::printf("%s  %s%s\n", right ? "right" : "wrong", each.name, comment);
        failed |= !as_expected && this_compiler != 0;
    }
    return failed ? 1 : 0;
}
