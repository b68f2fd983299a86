// A scene with sockets, timers, groups, channels and races, ended at each of its suspensions in
// turn: politely, and by destruction. Nothing is left: no frame, no descriptor, no timer.
#include <support/net_support.hpp>

#include <dunlin/net/buffered_reader.hpp>
#include <dunlin/net/serve.hpp>
#include <dunlin/sync/channel.hpp>
#include <dunlin/sync/event.hpp>
#include <dunlin/sync/mutex.hpp>
#include <dunlin/sync/semaphore.hpp>
#include <dunlin/task/for_each.hpp>
#include <dunlin/task/interval.hpp>
#include <dunlin/task/sleep.hpp>
#include <dunlin/task/when.hpp>
#include <dunlin/task/yield.hpp>

#include <optional>
#include <string>

using namespace dunlin;
using namespace dunlin::test;

namespace {

/// Ends the scene when the code has passed so many places. Each stands right before an await, so
/// the coroutine that trips it is at that suspension, and all others are where they happen to be.
class tripwire {
public:
    enum class manner { none, stop, end };

    tripwire(manner how, std::size_t at) noexcept : how_{how}, at_{at} {}

    void watch(task_group& scene) noexcept { scene_ = &scene; }

    void pass() noexcept {
        if (passed_++ != at_ || scene_ == nullptr) return;
        if (how_ == manner::stop) scene_->request_stop();
        if (how_ == manner::end) scene_->end();
    }
    [[nodiscard]] std::size_t passed() const noexcept { return passed_; }

private:
    manner how_;
    std::size_t at_;
    std::size_t passed_ = 0;
    task_group* scene_ = nullptr;
};

int live_frames = 0;

/// A local of every coroutine here.
class counted {
public:
    counted() noexcept { ++live_frames; }
    counted(const counted&) = delete;
    counted& operator=(const counted&) = delete;
    ~counted() { --live_frames; }
};

struct stage {
    explicit stage(tripwire& w) : wire{w} {}

    tripwire& wire;
    channel<std::string> lines{2};
    mutex desk;
    semaphore seats{1};
    event over;
};

io_task<> session(tcp_socket client) {
    const counted here;
    buffered_reader reader{std::move(client)};
    for (;;) {
        const auto line = co_await reader.read_line(100).timeout(1s).or_return();
        if (!line) co_return;
        co_await reader.stream().write(*line, "\n").timeout(1s).or_return();
    }
}

io_task<> serving(stage& on, tcp_listener listener) {
    const counted here;
    serve_options options;
    options.idle_timeout = 500ms;
    options.drain = 5ms;
    on.wire.pass();
    co_await serve(std::move(listener), session, options).or_return();
}

io_task<> sit_down(stage& on) {
    const counted here;
    on.wire.pass();
    co_await on.seats.acquire(1).or_return();
    on.wire.pass();
    const auto slept = co_await sleep_for(1ms);
    on.seats.release(1);
    co_await or_return(slept);
}

io_task<> talk(stage& on, endpoint where, std::string word) {
    const counted here;
    on.wire.pass();
    auto sock = co_await tcp_socket::connect(where).timeout(1s).or_return();
    for (int i = 0; i < 2; ++i) {
        on.wire.pass();
        co_await sock.write(word, "\n").or_return();
        std::string answer(word.size() + 1, '?');
        on.wire.pass();
        co_await sock.read_exactly(bytes_of(answer)).timeout(1s).or_return();
        on.wire.pass();
        const auto guard = co_await on.desk.lock().or_return();
        on.wire.pass();
        co_await on.lines.send(std::move(answer)).or_return();
    }
    on.wire.pass();
    // The loser reads what never comes.
    std::byte none[8];
    const auto raced = co_await when_any(sock.read(none), sleep_for(1ms)).or_return();
    CHECK(raced.index() == 1);
    on.wire.pass();
    co_await shield(sock.lingering_close(1ms)).timeout(2ms).ignore();
}

io_task<> listen(stage& on, std::size_t expected) {
    const counted here;
    for (std::size_t i = 0; i < expected; ++i) {
        on.wire.pass();
        const auto line = co_await on.lines.receive().or_return();
        CHECK(line.back() == '\n');
        on.wire.pass();
        co_await yield().or_return();
    }
    on.over.set();
}

io_task<> tick(stage& on) {
    const counted here;
    interval ticker{300us, missed_ticks::skip};
    for (int i = 0; i < 3; ++i) {
        on.wire.pass();
        co_await ticker.tick().or_return();
    }
}

io_task<> clients(stage& on, endpoint where) {
    const counted here;
    task_group talkers;
    for (int i = 0; i < 3; ++i)
        talkers.spawn(talk, std::ref(on), where, std::string(static_cast<std::size_t>(i) + 1, 'w'));
    on.wire.pass();
    co_await talkers.join().timeout(5s).or_return();
}

io_task<> crowd(stage& on) {
    const counted here;
    const int chairs[] = {1, 2, 3};
    const auto sit = [&on](int) { return sit_down(on); };
    on.wire.pass();
    co_await for_each_concurrent(chairs, 2, sit).or_return();
}

io_task<> play(stage& on) {
    const counted here;
    auto bound = tcp_listener::bind(endpoint::loopback_v4(0));
    auto listener = co_await or_return(std::move(bound));
    const endpoint where = listener.local_endpoint().value();
    task_group server;
    server.spawn(serving, std::ref(on), std::move(listener));
    on.wire.pass();
    co_await when_all(clients(on, where).timeout(10s), listen(on, 6), tick(on), crowd(on),
                      on.over.wait())
        .or_return();
    server.request_stop();
    on.wire.pass();
    co_await server.join().or_return();
}

/// What became of one performance, ended after so many places.
struct performance {
    std::size_t places = 0;
    bool was_ended = false;
    std::optional<std::error_code> failure;
};

performance perform(tripwire::manner how, std::size_t at) {
    test_loop loop; // at its end: no descriptor, no watch
    tripwire wire{how, at};
    performance seen;
    {
        stage on{wire};
        task_group scene;
        wire.watch(scene);
        scene.spawn(play, std::ref(on));
        loop.run_until([&] { return scene.is_empty(); });
        if (scene.first_error()) seen.failure = scene.first_error();
        CHECK(live_frames == 0);
    }
    loop.run_until_idle();
    // Timers that nobody waits for any more may still be armed for a moment; none outlives a task.
    CHECK_FALSE(loop.sched().next_deadline());
    seen.places = wire.passed();
    seen.was_ended = how == tripwire::manner::end && at < seen.places;
    return seen;
}

} // namespace

TEST_CASE("a scene of everything plays to its end", "[net][every_suspension]") {
    const auto whole = perform(tripwire::manner::none, 0);
    CHECK_FALSE(whole.failure);
    CHECK(whole.places >= 50);
}

TEST_CASE("a scene of everything can be stopped at each of its suspensions",
          "[net][every_suspension]") {
    const std::size_t places = perform(tripwire::manner::none, 0).places;
    for (std::size_t at = 0; at < places; ++at) {
        CAPTURE(at, places);
        const auto seen = perform(tripwire::manner::stop, at);
        // After a stop nobody is to be blamed for what his peer did not send any more.
        CHECK_FALSE(seen.failure);
    }
}

TEST_CASE("a scene of everything can be destroyed at each of its suspensions",
          "[net][every_suspension]") {
    const std::size_t places = perform(tripwire::manner::none, 0).places;
    for (std::size_t at = 0; at < places; ++at) {
        CAPTURE(at, places);
        const auto seen = perform(tripwire::manner::end, at);
        CHECK_FALSE(seen.failure);
    }
}
