// What a task is: lazy, of one owner, with a value, an error or an exception.
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/task.hpp>

#include <support/test_loop.hpp>

#include <array>
#include <concepts>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace dunlin;
using namespace dunlin::test;

namespace {

const std::error_code refused = std::make_error_code(std::errc::connection_refused);

/// Writes its name down when it dies.
class local {
public:
    local(std::vector<std::string>& log, std::string name) : log_{&log}, name_{std::move(name)} {}
    local(local&& other) noexcept
        : log_{std::exchange(other.log_, nullptr)}, name_{std::move(other.name_)} {}
    local& operator=(local&&) = delete;
    ~local() {
        if (log_ != nullptr) log_->push_back(name_);
    }

private:
    std::vector<std::string>* log_;
    std::string name_;
};
using words = std::vector<std::string>;

task<int> number(int given) { co_return given; }
task<int> set(bool& ran) {
    ran = true;
    co_return 1;
}
task<int> with_parameter(local) { co_return 1; }

io_task<int> fails_now() { co_return refused; }
io_task<int> fails_later() {
    co_await sleep_for(1us).ignore();
    co_return refused;
}
io_task<int> gives(int value) { co_return value; }
io_task<> void_fails() { co_await fail(refused); }

template <class Task, class Awaited>
concept can_await = requires(typename Task::promise_type& promise, Awaited awaited) {
    promise.await_transform(static_cast<Awaited>(awaited));
};
template <class T>
concept can_return = requires(T awaited) { static_cast<T>(awaited).or_return(); };

task<> wait_for_ever() { co_await sleep_for(1h).ignore(); }

} // namespace

TEST_CASE("a task runs only when it is awaited", "[task]") {
    test_loop loop;
    bool ran = false;
    auto made = set(ran);
    loop.run_until_idle();
    CHECK_FALSE(ran);
    CHECK(loop.run(std::move(made)) == 1);
    CHECK(ran);
}

TEST_CASE("a task that is never awaited destroys its parameters, once", "[task]") {
    words died;
    {
        auto unawaited = with_parameter(local{died, "parameter"});
        CHECK(died.empty());
    }
    CHECK(died == words{"parameter"});
}

TEST_CASE("a task can be moved before it is awaited; assigning destroys what was there", "[task]") {
    test_loop loop;
    words died;
    auto first = with_parameter(local{died, "first"});
    auto second = with_parameter(local{died, "second"});
    auto moved = std::move(first);
    CHECK(died.empty());
    moved = std::move(second);
    CHECK(died == words{"first"});
    CHECK(loop.run(std::move(moved)) == 1);
    CHECK(died == words{"first", "second"});
}

TEST_CASE("a task gives values that can only be moved, large ones, and booleans", "[task]") {
    test_loop loop;
    auto unique = loop.run([]() -> task<std::unique_ptr<int>> {
        auto made = std::make_unique<int>(7);
        co_return made;
    }());
    CHECK(*unique == 7);
    auto large = loop.run([]() -> io_task<std::array<int, 5000>> {
        std::array<int, 5000> filled{};
        filled.fill(3);
        co_return filled;
    }());
    CHECK(large.value()[4999] == 3);
    CHECK(loop.run([]() -> task<bool> { co_return true; }()));
    auto text = loop.run([]() -> io_task<std::string> { co_return "literal"; }());
    CHECK(text.value() == "literal");
}

TEST_CASE("the four spellings on an io_task: look, or_return, or_throw, ignore", "[task]") {
    test_loop loop;
    for (auto* const failing : {&fails_now, &fails_later}) {
        bool went_on = false;
        const auto looked = loop.run([](auto* child, bool& on) -> io_task<int> {
            auto seen = co_await child();
            on = true;
            if (seen) co_return 1;
            co_return seen.error();
        }(failing, went_on));
        CHECK(looked.error() == refused);
        CHECK(went_on);

        went_on = false;
        const auto returned = loop.run([](auto* child, bool& on) -> io_task<int> {
            const int value = co_await child().or_return();
            on = true;
            co_return value;
        }(failing, went_on));
        CHECK(returned.error() == refused);
        CHECK_FALSE(went_on);

        CHECK_THROWS_AS(loop.run([](auto* child) -> task<int> {
            const int value = co_await child().or_throw();
            co_return value;
        }(failing)),
                        std::system_error);

        went_on = false;
        loop.run([](auto* child, bool& on) -> task<> {
            co_await child().ignore();
            on = true;
        }(failing, went_on));
        CHECK(went_on);
    }
    CHECK(loop.run([]() -> io_task<int> {
                  const int one = co_await gives(1).or_return();
                  const int two = co_await gives(2).or_throw();
                  auto three = co_await gives(3);
                  co_await gives(4).ignore();
                  co_return one + two + three.value();
              }())
              .value() == 6);
}

TEST_CASE("the four spellings on an operation", "[task][operation]") {
    test_loop loop;
    const auto spell_all = []() -> io_task<std::string> {
        std::string seen;
        auto looked = co_await sleep_for(1h);
        seen += looked ? "value " : looked.error().message() + " ";
        co_await sleep_for(1h).ignore();
        try {
            co_await sleep_for(1h).or_throw();
        } catch (const std::system_error& thrown) {
            seen += thrown.code() == errc::stopped ? "thrown" : "?";
        }
        co_return seen;
    };
    auto pending = loop.start(spell_all);
    pending.stop();
    loop.run_until_idle();
    REQUIRE(pending.is_done());
    CHECK(pending.result().value() == make_error_code(errc::stopped).message() + " thrown");

    bool went_on = false;
    auto returns = loop.start([&went_on]() -> io_task<> {
        co_await sleep_for(1h).or_return();
        went_on = true;
    });
    loop.run_until_idle();
    returns.stop();
    loop.run_until_idle();
    REQUIRE(returns.is_done());
    CHECK(returns.result().error() == errc::stopped);
    CHECK_FALSE(went_on);
}

TEST_CASE("fail ends any io_task, and or_return(result) one whose result has an error", "[task]") {
    test_loop loop;
    CHECK(loop.run(void_fails()).error() == refused);
    CHECK(loop.run([]() -> io_task<std::string> {
                  co_await fail(refused);
                  co_return "not reached";
              }())
              .error() == refused);
    const auto passes = [](result<std::string> given) -> io_task<std::string> {
        std::string value = co_await or_return(std::move(given));
        co_return value + "!";
    };
    CHECK(loop.run(passes(std::string{"x"})).value() == "x!");
    CHECK(loop.run(passes(refused)).error() == refused);
    const auto passes_void = [](result<void> given) -> io_task<> {
        co_await or_return(std::move(given));
    };
    CHECK(loop.run(passes_void(success())));
    CHECK(loop.run(passes_void(refused)).error() == refused);
}

TEST_CASE("an exception comes through several levels, destroying their locals on its way",
          "[task]") {
    test_loop loop;
    for (const auto pause : {0ns, 1000ns}) {
        words died;
        const auto throws = [&died](std::chrono::nanoseconds wait) -> io_task<int> {
            local inner{died, "inner"};
            co_await sleep_for(wait).ignore();
            throw std::runtime_error{"thrown"};
            co_return 1;
        };
        const auto passes = [&](std::chrono::nanoseconds wait) -> io_task<int> {
            local middle{died, "middle"};
            const int value = co_await throws(wait).or_return(); // it passes errors, not exceptions
            co_return value;
        };
        const auto catches = [&](std::chrono::nanoseconds wait) -> task<std::string> {
            local outer{died, "outer"};
            try {
                co_await passes(wait).ignore();
            } catch (const std::runtime_error& caught) {
                died.push_back("caught");
                co_return caught.what();
            }
            co_return "nothing";
        };
        CHECK(loop.run(catches(pause)) == "thrown");
        CHECK(died == words{"inner", "middle", "caught", "outer"});
        CHECK_THROWS_AS(loop.run(passes(pause)), std::runtime_error);
    }
}

TEST_CASE("a child's locals are destroyed before its awaiter goes on, however it ends", "[task]") {
    test_loop loop;
    for (const auto pause : {0ns, 1000ns}) {
        words died;
        const auto child = [&died](std::chrono::nanoseconds wait, int how, local) -> io_task<int> {
            local first{died, "first"};
            local second{died, "second"};
            co_await sleep_for(wait).ignore();
            if (how == 1) co_await fail(refused);
            if (how == 2) throw std::runtime_error{"thrown"};
            if (how == 3) {
                const int value = co_await fails_later().or_return();
                co_return value;
            }
            co_return 1;
        };
        for (int how = 0; how < 4; ++how) {
            died.clear();
            const auto parent = [&](std::chrono::nanoseconds wait, int way) -> task<> {
                try {
                    co_await child(wait, way, local{died, "parameter"}).ignore();
                } catch (const std::runtime_error&) {
                }
                died.push_back("awaiter");
            };
            loop.run(parent(pause, how));
            CHECK(died == words{"second", "first", "parameter", "awaiter"});
        }
    }
}

TEST_CASE("destroying a task destroys it and what it awaits, from inside out", "[task]") {
    test_loop loop;
    words died;
    const auto innermost = [&died]() -> task<> {
        local here{died, "innermost"};
        co_await wait_for_ever();
        died.push_back("not reached");
    };
    const auto middle = [&]() -> task<> {
        local here{died, "middle"};
        co_await innermost();
    };
    const auto outer = [&]() -> task<> {
        local here{died, "outer"};
        co_await middle();
    };
    auto pending = loop.start(outer);
    loop.run_until_idle();
    REQUIRE(died.empty());
    pending.destroy();
    CHECK(died == words{"innermost", "middle", "outer"});
    loop.run_until_idle();
    CHECK_FALSE(loop.sched().next_deadline().has_value());
}

TEST_CASE("a named task is awaited by std::move", "[task]") {
    test_loop loop;
    CHECK(loop.run([]() -> task<int> {
        auto one = number(1);
        auto two = number(2);
        const int b = co_await std::move(two);
        const int a = co_await std::move(one);
        co_return a * 10 + b;
    }()) == 12);
}

TEST_CASE("an exception thrown by a value's move arrives, and nothing leaks", "[task]") {
    struct picky {
        explicit picky(int given) : kept{std::make_unique<int>(given)} {}
        picky(picky&& other) : kept{std::move(other.kept)} {
            if (*kept == 1) throw std::runtime_error{"will not move"};
        }
        picky& operator=(picky&&) = delete;
        ~picky() = default;
        std::unique_ptr<int> kept;
    };
    test_loop loop;
    const auto child = []() -> task<picky> { co_return picky{1}; };
    const auto parent = [&]() -> task<std::string> {
        try {
            picky got = co_await child();
            co_return "moved";
        } catch (const std::runtime_error& caught) {
            co_return caught.what();
        }
    };
    CHECK(loop.run(parent()) == "will not move");
}

TEST_CASE("what cannot be awaited does not compile", "[task]") {
    STATIC_REQUIRE(can_await<io_task<>, sleep_operation&&>);
    STATIC_REQUIRE(can_await<task<int>, sleep_operation&&>);
    STATIC_REQUIRE(can_await<task<int>, io_task<>&&>);
    STATIC_REQUIRE_FALSE(can_await<io_task<>, std::suspend_always&&>); // another framework's
    STATIC_REQUIRE_FALSE(can_await<io_task<>, int&&>);
    STATIC_REQUIRE_FALSE(
        can_await<io_task<>, sleep_operation&>); // it would be awaited twice one day
    STATIC_REQUIRE_FALSE(can_await<io_task<>, io_task<>&>);

    STATIC_REQUIRE_FALSE(std::copy_constructible<task<int>>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<task<int>>);
    STATIC_REQUIRE_FALSE(std::move_constructible<sleep_operation>);
    STATIC_REQUIRE(can_return<io_task<>&&>);
    STATIC_REQUIRE_FALSE(can_return<io_task<>&>);
    STATIC_REQUIRE_FALSE(can_return<task<int>&&>);
    STATIC_REQUIRE(can_return<sleep_operation&&>);
    STATIC_REQUIRE_FALSE(can_return<sleep_operation&>);
}
