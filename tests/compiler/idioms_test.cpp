// The ways to write a `co_await` that we teach ("one await, one statement"): right on every
// compiler.
//
// Each is run to its end and destroyed at each of its suspensions; every object, frames included,
// must be born and die once. bad_forms_test.cpp has the ways that we teach to avoid.
#include "idioms.hpp"

#include <stdexcept>

using namespace idiom;

namespace {

// ---- what they use

/// Options with a constructor.
class options {
public:
    explicit options(int first, int second = 0) : first_{first}, second_{second} {}
    int sum() const { return first_.value() + second_; }

private:
    tracked first_;
    int second_;
};

/// Options as we allow them: an aggregate, but trivial to destroy.
struct plain_options {
    int first = 0;
    int second = 0;
};

/// What a read gives: false at the end.
class buffer {
public:
    explicit buffer(int size) : size_{size} {}
    int size() const { return size_.value(); }
    explicit operator bool() const { return size() != 0; }

private:
    tracked size_;
};
task<buffer> read(int& left) {
    const int given = co_await step{left};
    if (left > 0) --left;
    co_return buffer{given};
}

task<int> throws() {
    const int given = co_await step{1};
    if (given == 1) throw std::runtime_error{"on purpose"};
    co_return given;
}

task<int> take(tracked by_value, const tracked& by_reference) {
    const int given = co_await step{by_value.value()};
    co_return given + by_reference.value();
}
task<int> take_options(options by_value) {
    const int given = co_await step{1};
    co_return given + by_value.sum();
}
task<int> take_plain(plain_options by_value) {
    const int given = co_await step{by_value.first};
    co_return given + by_value.second;
}
task<int> take_default(tracked by_value = tracked{3}) {
    const int given = co_await step{1};
    co_return given + by_value.value();
}

/// Its end throws.
class [[nodiscard]] step_that_throws : public step {
public:
    using step::step;
    int await_resume() const { throw std::runtime_error{"on purpose"}; }
};

/// Adaptors that set a member and return the same object seen as another base, with another end.
class chained;
class [[nodiscard]] chained_times_ten {
public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> self) const noexcept { now.waiting = self; }
    int await_resume();
};
class [[nodiscard]] chained : public chained_times_ten {
public:
    explicit chained(int value) : value_{value} {}
    chained&& plus(int more) && {
        more_ = more;
        return std::move(*this);
    }
    chained_times_ten&& times_ten() && { return std::move(*this); }
    int await_resume() const { return value_.value() + more_; }

private:
    tracked value_;
    int more_ = 0;
};
int chained_times_ten::await_resume() { return 10 * static_cast<chained*>(this)->await_resume(); }

// ---- the idioms

task<int> a_local_is_given() {
    const int value = co_await step{5};
    co_return value;
}
task<int> a_whole_statement() {
    const tracked local{7};
    co_await step{};
    co_return local.value();
}
task<int> a_child_that_is_late() {
    const int value = co_await number(3);
    co_return value;
}
task<int> a_child_that_is_ready() {
    const int value = co_await number_at_once(3);
    co_return value;
}
task<int> an_object_is_given() {
    const tracked value = co_await object(9);
    co_await step{};
    co_return value.value();
}
task<int> a_child_with_a_name() {
    task<int> child = number(3);
    co_await step{};
    const int value = co_await std::move(child);
    co_return value;
}
task<int> arguments_with_constructors() {
    const int value = co_await take(tracked{1}, tracked{2});
    co_return value;
}
task<int> arguments_with_names() {
    const tracked first{1};
    const tracked second{2};
    const int value = co_await take(first, second);
    co_return value;
}
task<int> options_with_a_constructor() {
    const int value = co_await take_options(options{4, 5});
    co_return value;
}
task<int> plain_braced_options() {
    const int value = co_await take_plain({.first = 2, .second = 6});
    co_return value;
}
task<int> an_aggregate_with_a_name() {
    const aggregate named{tracked{4}, 2};
    const int value = co_await take_aggregate(named);
    co_return value;
}
task<int> a_closure_with_a_name() {
    auto closure = [held = tracked{6}] { return held.value(); };
    const int value = co_await call(std::move(closure));
    co_return value;
}
task<int> a_closure_that_refers() {
    const tracked local{6};
    const int value = co_await call([&local] { return local.value(); });
    co_return value;
}
task<int> adaptors_in_a_chain() {
    const int value = co_await chained{1}.plus(2).times_ten();
    co_return value;
}
task<int> a_loop_over_an_initialiser() {
    int total = 0;
    for (int i = 3; const int value = co_await number(i); --i)
        total += value;
    co_return total;
}
task<int> a_while_over_an_initialiser() {
    int left = 3;
    int total = 0;
    while (const auto value = co_await step{left})
        total += left-- > 0 ? value : 0;
    co_return total;
}
task<int> an_if_over_an_initialiser() {
    const tracked local{1};
    if (const int value = co_await number(4); value > 3) co_return value + local.value();
    co_return 0;
}
task<int> locals_in_nested_scopes() {
    int total = 0;
    for (int i = 0; i < 2; ++i) {
        const tracked outer{i};
        {
            const tracked inner{10};
            co_await step{};
            total += inner.value();
        }
        co_await step{};
        total += outer.value();
    }
    co_return total;
}
task<int> if_else_for_a_choice() {
    const tracked local{1};
    int value = 0;
    if (local.value() == 1)
        value = co_await number(8);
    else
        value = co_await number(9);
    co_return value;
}
task<int> an_exception_is_caught() {
    const tracked local{4};
    int value = 0;
    try {
        const tracked inner{5};
        value = co_await throws();
    } catch (const std::runtime_error&) {
        value = local.value();
    }
    co_await step{};
    co_return value;
}
task<int> members_of_a_named_pair() {
    auto pair = co_await two_objects(1, 2);
    auto& [first, second] = pair;
    co_await step{};
    co_return first.value() + second.value();
}
task<int> return_of_a_local() {
    tracked kept{2};
    const int given = co_await step{3};
    co_return kept.value() * given;
}
task<int> echo(int& left) { // a handler, as the tour shows it: no local but the buffer
    while (auto data = co_await read(left))
        co_await step{data.size()};
    co_return 1;
}
task<int> a_handler_that_is_one_loop() {
    int left = 2;
    const int value = co_await echo(left);
    co_return value + left;
}
task<int> nothing_but_an_await() {
    co_await step{};
    co_return 1;
}
task<int> a_result_is_dropped() {
    co_await object(1);
    co_return 1;
}
task<int> a_default_argument() {
    const int value = co_await take_default();
    co_return value;
}
task<int> an_argument_is_moved_in() {
    tracked first{1};
    const tracked second{2};
    const int value = co_await take(std::move(first), second);
    co_return value;
}
task<int> a_coroutine_lambda_with_a_name() {
    const auto twice = [](tracked value) -> task<int> {
        const int given = co_await step{2};
        co_return given* value.value();
    };
    const int value = co_await twice(tracked{3});
    co_return value;
}
task<int> an_await_that_throws() {
    int value = 0;
    try {
        const tracked inner{5};
        value = co_await step_that_throws{1};
    } catch (const std::runtime_error&) {
        value = 2;
    }
    co_return value;
}
task<int> three_generations() {
    const tracked local{1};
    const int value = co_await a_child_that_is_late();
    const int other = co_await an_exception_is_caught();
    co_return value + other + local.value();
}

#define ROW(name, expected) {#name, name, expected}

constexpr row rows[] = {
    ROW(a_local_is_given, 5),
    ROW(a_whole_statement, 7),
    ROW(a_child_that_is_late, 3),
    ROW(a_child_that_is_ready, 3),
    ROW(an_object_is_given, 9),
    ROW(a_child_with_a_name, 3),
    ROW(arguments_with_constructors, 3),
    ROW(arguments_with_names, 3),
    ROW(options_with_a_constructor, 10),
    ROW(plain_braced_options, 8),
    ROW(an_aggregate_with_a_name, 6),
    ROW(a_closure_with_a_name, 7),
    ROW(a_closure_that_refers, 7),
    ROW(adaptors_in_a_chain, 30),
    ROW(a_loop_over_an_initialiser, 6),
    ROW(a_while_over_an_initialiser, 6),
    ROW(an_if_over_an_initialiser, 5),
    ROW(locals_in_nested_scopes, 21),
    ROW(if_else_for_a_choice, 8),
    ROW(an_exception_is_caught, 4),
    ROW(members_of_a_named_pair, 3),
    ROW(return_of_a_local, 6),
    ROW(a_handler_that_is_one_loop, 1),
    ROW(nothing_but_an_await, 1),
    ROW(a_result_is_dropped, 1),
    ROW(a_default_argument, 4),
    ROW(an_argument_is_moved_in, 3),
    ROW(a_coroutine_lambda_with_a_name, 6),
    ROW(an_await_that_throws, 2),
    ROW(three_generations, 8),
};

} // namespace

int main() {
    bool failed = false;
    for (const row& each : rows) {
        const bool right = is_right_in_a_child(each, false);
        std::printf("%s  %s\n", right ? "right" : "WRONG", each.name);
        failed |= !right;
    }
    return failed ? 1 : 0;
}
