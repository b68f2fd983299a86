// What connects tasks with the code around them (callbacks, stop tokens) when memory is refused.
#include <dunlin/task/callback.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/stop_token.hpp>
#include <dunlin/task/yield.hpp>

#include <support/refused_scene.hpp>
#include <support/test_loop.hpp>

#include <optional>
#include <stop_token>
#include <string>
#include <utility>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Steps that came out right. (Catch's assertions may allocate.)
thread_local int rights = 0;

/// As many turns as a scene without timers needs.
void turn(scheduler& loop) { static_cast<void>(loop.poll_once(0ns)); }

/// A C function that was told whom to call: calls when it goes at the latest.
class c_call {
public:
    explicit c_call(void* user) noexcept : user_{user} {}
    c_call(c_call&& other) noexcept : user_{std::exchange(other.user_, nullptr)} {}
    c_call& operator=(c_call&&) = delete;
    ~c_call() { callback<std::string>::give_up(user_); }
    void make(std::string text) {
        callback<std::string>::complete(std::exchange(user_, nullptr), std::move(text));
    }

private:
    void* user_;
};

io_task<> call_back_later(c_call call) {
    co_await yield().or_return();
    call.make("a text that is too long to lie within the string");
}
io_task<> complete_later(callback<int>::completer call) {
    co_await yield().or_return();
    call.complete(7);
}

/// A value that owns memory, for a C function; and one for a handle. Each waits for its call.
io_task<> callback_scene() {
    callback<std::string> text;
    callback<int> number;
    task_group calls{on_child_error::carry_on};
    calls.spawn(call_back_later, c_call{text.user_data()});
    calls.spawn(complete_later, number.get_completer());
    auto given = co_await text.wait();
    auto seven = co_await number.wait();
    co_await calls.join().or_return();
    if (calls.failures() != 0) co_await fail(std::make_error_code(std::errc::not_enough_memory));
    rights += given && given.value().size() > 40;
    rights += seven && seven.value() == 7;
    co_await or_return(std::move(given));
    co_await or_return(std::move(seven));
}

/// Stops a token when it goes at the latest.
class stops_at_end {
public:
    explicit stops_at_end(std::stop_source source) noexcept : source_{std::move(source)} {}
    stops_at_end(stops_at_end&& other) noexcept = default;
    stops_at_end& operator=(stops_at_end&&) = delete;
    ~stops_at_end() { source_.request_stop(); }

private:
    std::stop_source source_;
};

io_task<> nap() { co_await sleep_for(1h).or_return(); }
io_task<> yield_with(stops_at_end) { co_await yield().or_return(); }

io_task<> stop_on_scene() {
    std::stop_source source; // throws when memory is refused
    task_group stops;
    stops.spawn(yield_with, stops_at_end{source});
    const auto stopped = co_await stop_on(source.get_token(), nap());
    co_await stops.join().or_return();
    if (!stopped && stopped.error() != errc::stopped) co_await fail(stopped.error());
    rights += !stopped;
}

io_task<> until_stopped(std::stop_token token) {
    const auto slept = co_await sleep_for(1h);
    co_await shield(yield()).or_return(); // in the turn after that
    rights += !slept && token.stop_requested();
    co_await or_return(slept);
}

io_task<> with_stop_token_scene() {
    const auto ended = co_await with_stop_token(until_stopped).timeout(1us);
    if (!ended && ended.error() != errc::timeout) co_await fail(ended.error());
    rights += !ended;
}

/// Plays it with each allocation refused; the one that all went well with has done `count` steps.
template <class Scene, class Turn>
long check_refused(Scene scene, Turn take_turn, int count) {
    int right = 0;
    const auto play = [&]() -> io_task<> {
        rights = 0;
        co_await scene().or_return();
        right = rights;
    };
    const long refused = play_all_refused(play, take_turn, [&](const refused_scene& seen) {
        CHECK((seen.threw || seen.why == std::errc::not_enough_memory));
        right = 0;
    });
    CHECK(right == count);
    return refused;
}

} // namespace

TEST_CASE("whichever allocation of a callback is refused, it ends with that error and no leak",
          "[task][callback][memory]") {
    CHECK(check_refused(callback_scene, turn, 2) > 4);
}

TEST_CASE("a callback that got no memory takes calls and says so", "[task][callback][memory]") {
    test_loop loop;
    auto told = loop.start([]() -> io_task<int> {
        std::optional<refusal> all{std::in_place, 0, refuse::from_then_on};
        callback<int> done;
        all.reset();
        void* const user = done.user_data();
        auto call = done.get_completer();
        const auto waited = co_await done.wait();
        const bool is_told = !waited && waited.error() == std::errc::not_enough_memory;
        const bool took = callback<int>::complete(user, 1) || call.complete(2);
        callback<int>::give_up(done.user_data());
        co_return is_told && !took && user == nullptr ? 1 : 0;
    });
    loop.run_until_idle();
    REQUIRE(told.is_done());
    CHECK(told.result().value() == 1);
}

TEST_CASE("whichever allocation of stop_on is refused, it ends with that error and no leak",
          "[task][stop_token][memory]") {
    CHECK(check_refused(stop_on_scene, turn, 1) > 3);
}

TEST_CASE("whichever allocation of with_stop_token is refused, it ends with that error and no leak",
          "[task][stop_token][memory]") {
    const auto wait = [](scheduler& loop) { static_cast<void>(loop.poll_once(1ms)); };
    CHECK(check_refused(with_stop_token_scene, wait, 2) > 3);
}
