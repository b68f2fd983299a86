// What dunlin builds on, and no standard promises in this form: where a `co_await` stands, how its
// function is called, what a location costs, and that our way to start a child needs no tail calls.
//
// Exact forms are compared on the compilers that we know; elsewhere they are printed.
#include "harness.hpp"

#include <cstdio>
#include <cstring>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>

using namespace idiom;

// A promise keeps one for every `co_await`: it must be a pointer, and be stored by one instruction.
static_assert(sizeof(std::source_location) == sizeof(void*));
static_assert(std::is_trivially_copyable_v<std::source_location>);

namespace {

#if defined(__clang__)
constexpr bool is_known = __clang_major__ == 16 || __clang_major__ == 19;
constexpr bool names_the_frame = false;
#else
constexpr bool is_known = __GNUC__ == 12;
constexpr bool names_the_frame = true;
#endif

bool failed = false;

void check(bool is_right, const char* fact) {
    std::printf("%s  %s\n", is_right ? "ok   " : "WRONG", fact);
    failed |= !is_right;
}

// ---- where a co_await stands

/// A coroutine that notes each place at which it awaits.
class noted {
public:
    struct promise_type {
        noted get_return_object() noexcept { return noted{handle::from_promise(*this)}; }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept {}

        std::suspend_always
        await_transform(const step&,
                        std::source_location here = std::source_location::current()) noexcept {
            at = here;
            return {};
        }
        std::source_location at;
    };
    using handle = std::coroutine_handle<promise_type>;

    explicit noted(handle coroutine) noexcept : coroutine_{coroutine} {}
    noted(const noted&) = delete;
    noted& operator=(const noted&) = delete;
    ~noted() { coroutine_.destroy(); }

    /// Goes on to the next suspension, and tells where that is.
    std::source_location next() {
        coroutine_.resume();
        return coroutine_.promise().at;
    }

private:
    handle coroutine_;
};

} // namespace

// Not in the unnamed namespace: compilers have spellings of their own for that.
namespace my {

constexpr int first_line = __LINE__ + 3;
static noted session(int rounds) {
    for (int i = 0; i < rounds; ++i) {
        co_await step{};
        if (i != 1) continue;
        co_await step{};
    }
}

template <class T>
static noted generic(T) {
    co_await step{};
}

struct server {
    static noted accept() { co_await step{}; }
};

} // namespace my

namespace {

void lines_are_right() {
    noted coroutine = my::session(3);
    check(coroutine.next().line() == my::first_line, "a location is that of the co_await");
    check(coroutine.next().line() == my::first_line, "so it is the second time");
    const std::source_location other = coroutine.next();
    check(other.line() == my::first_line + 2, "another co_await has another location");
    check(std::string_view{other.file_name()}.ends_with("facts_test.cpp"), "its file is this one");
    check(coroutine.next().line() == my::first_line, "and then it is the first again");
}

// ---- names

/// The name as it was written: what stands before the first parenthesis, without the return type.
std::string_view short_name(std::string_view full) {
    full = full.substr(0, full.find('('));
    const std::size_t space = full.rfind(' ');
    return space == full.npos ? full : full.substr(space + 1);
}

void names_are_right() {
    noted plain = my::session(1);
    const std::string full = plain.next().function_name();
    noted method = my::server::accept();
    const std::string full_method = method.next().function_name();
    noted instance = my::generic(1);
    const std::string full_instance = instance.next().function_name();
    std::printf("       %s\n       %s\n       %s\n", full.c_str(), full_method.c_str(),
                full_instance.c_str());

    // Wherever the name is not found like this, task dumps would be hard to read.
    check(short_name(full) == "my::session", "the name stands before the first parenthesis");
    check(short_name(full_method) == "my::server::accept", "so does that of a member function");
    const std::string_view before =
        std::string_view{full_instance}.substr(0, full_instance.find('('));
    check(before.find("my::generic") != before.npos, "and that of a template, arguments or not");
    if (is_known)
        check((full.find("Frame*") != full.npos) == names_the_frame,
              "only GCC names the function that it makes of a coroutine's body");
}

// ---- stack

/// How far the stack has been used, looked at from inside a coroutine.
struct extent {
    std::uintptr_t lowest = UINTPTR_MAX;
    std::uintptr_t highest = 0;
    std::uintptr_t size() const { return highest - lowest; }
};
extent used;

class [[nodiscard]] look_at_the_stack {
public:
    explicit look_at_the_stack() noexcept = default;
    [[gnu::noinline]] bool await_ready() const noexcept {
        const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        if (here < used.lowest) used.lowest = here;
        if (here > used.highest) used.highest = here;
        return true;
    }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
};

constexpr int many = 100'000;
constexpr std::uintptr_t a_few_frames = 4'096;

task<int> child(bool is_late) {
    co_await look_at_the_stack{};
    if (is_late) co_await step{};
    co_await look_at_the_stack{};
    co_return 1;
}
task<int> parent_of_many(bool is_late) {
    int total = 0;
    for (int i = 0; i < many; ++i) {
        const int one = co_await child(is_late);
        total += one;
        co_await look_at_the_stack{};
    }
    co_return total;
}
task<int> parent_of_ready_ones() { return parent_of_many(false); }
task<int> parent_of_late_ones() { return parent_of_many(true); }

void stack_is_constant() {
    used = {};
    const bool ready_ones_end = run_until(parent_of_ready_ones, many + 1) == many;
    check(ready_ones_end && used.size() < a_few_frames, "children that end at once use no stack");
    used = {};
    const bool late_ones_end = run_until(parent_of_late_ones, many + 1) == many;
    check(late_ones_end && used.size() < a_few_frames, "nor do children that end later");
}

/// Goes on with itself by the handle that it returns: the symmetric transfer.
class [[nodiscard]] transfer {
public:
    explicit transfer() noexcept = default;
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> self) const noexcept {
        return self;
    }
    void await_resume() const noexcept {}
};

task<int> transfers() {
    for (int i = 0; i < 1'000; ++i) {
        co_await transfer{};
        co_await look_at_the_stack{};
    }
    co_return 1;
}

/// For information: dunlin does not rely on it, since GCC 12 does it only at -O2 without
/// sanitizers.
void report_symmetric_transfer() {
    used = {};
    const bool ended = run_until(transfers, 1) == 1;
    check(ended, "a symmetric transfer resumes");
    std::printf("       1,000 transfers take %zu bytes of stack: %s\n", std::size_t{used.size()},
                used.size() < a_few_frames ? "a tail call" : "no tail call");
}

} // namespace

int main() {
    lines_are_right();
    names_are_right();
    stack_is_constant();
    report_symmetric_transfer();
    return failed ? 1 : 0;
}
