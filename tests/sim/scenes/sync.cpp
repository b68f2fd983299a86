// Channels, mutexes, semaphores, events, latches, one-shots and posts between tasks that give up,
// are stopped and are destroyed: everybody has his turn, and nothing is lost.
#include "stage.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

namespace scenes {

using namespace dunlin;

namespace {

// ---- channels

struct item {
    std::uint32_t from = 0;
    std::uint32_t number = 0;
};

constexpr std::size_t senders = 4;

/// A channel and what is known of its items.
struct ledger {
    ledger(stage* its_stage, std::size_t capacity) : on{its_stage}, items{capacity} {}

    stage* on;
    channel<item> items;
    std::array<std::uint32_t, senders> sent{};
    std::array<std::uint32_t, senders> taken{};
    std::size_t senders_left = senders;
};

io_task<> send_items(ledger* in, std::uint32_t from) {
    while (in->sent[from] < 60) {
        const item next{from, in->sent[from]};
        const auto done = co_await in->items.send(next).timeout(in->on->up_to(30ms));
        if (done)
            ++in->sent[from];
        else if (done.error() != errc::timeout)
            co_await fail(done.error());
        if (in->on->dice.below(3) == 0) co_await sleep_for(in->on->up_to(8ms)).or_return();
    }
}

/// Sends, and is destroyed or stopped in the middle, again and again.
io_task<> send_in_spite(ledger* in, std::uint32_t from) {
    while (in->sent[from] < 60) {
        task_group group;
        group.spawn(send_items, in, from);
        const nanoseconds span = in->on->up_to(60ms);
        if (in->on->dice.below(2) == 0) { // destroyed with its group
            co_await sleep_for(span).or_return();
            continue;
        }
        const auto joined = co_await group.join().timeout(span);
        if (!joined && joined.error() == errc::stopped) co_await fail(errc::stopped);
    }
    if (--in->senders_left == 0) in->items.close();
}

void note(ledger& in, const item& came) {
    in.on->require(came.number == in.taken[came.from], "an item was lost, or came out of order");
    in.taken[came.from] = came.number + 1;
}

io_task<> take_items(ledger* in) {
    for (;;) {
        const auto came = co_await in->items.receive().timeout(in->on->up_to(20ms));
        if (came)
            note(*in, came.assume_value());
        else if (came.error() != errc::timeout)
            co_await fail(came.error());
        if (in->on->dice.below(4) == 0) co_await sleep_for(in->on->up_to(10ms)).or_return();
    }
}

io_task<> take_in_spite(ledger* in) {
    for (;;) {
        task_group group;
        group.spawn(take_items, in);
        const nanoseconds span = in->on->up_to(50ms);
        if (!in->items.is_closed() && in->on->dice.below(2) == 0) { // likewise
            co_await sleep_for(span).or_return();
            continue;
        }
        const auto joined = co_await group.join().timeout(span);
        if (!joined && joined.error() == errc::closed) co_return;
        if (!joined && joined.error() == errc::stopped) co_await fail(errc::stopped);
    }
}

io_task<> trade(stage* on) {
    ledger in{on, on->size_up_to(5)};
    task_group all;
    for (std::uint32_t from = 0; from < senders; ++from)
        all.spawn(send_in_spite, &in, from);
    for (int i = 0; i < 3; ++i)
        all.spawn(take_in_spite, &in);
    co_await all.join().or_return();
    on->require(in.items.is_empty(), "items are left in a channel");
    on->require(in.taken == in.sent, "items were lost");
}

// ---- mutexes and semaphores

struct shop {
    explicit shop(stage* its_stage) noexcept : on{its_stage} {}

    stage* on;
    mutex door;
    std::uint64_t last_ticket = 0;
    std::uint64_t last_inside = 0;
    int inside = 0;
    semaphore places{5};
    std::size_t taken = 0;
};

io_task<> go_in(shop* in) {
    for (;;) {
        const std::uint64_t ticket = ++in->last_ticket;
        const auto guard = co_await in->door.lock().timeout(in->on->up_to(60ms));
        if (guard) {
            in->on->require(++in->inside == 1, "two hold a mutex");
            in->on->require(in->last_inside < ticket, "somebody was overtaken at a mutex");
            in->last_inside = ticket;
            const auto slept = co_await sleep_for(in->on->up_to(5ms));
            --in->inside;
            if (!slept) co_await fail(slept.error());
        } else if (guard.error() != errc::timeout) {
            co_await fail(guard.error());
        }
    }
}

/// Notes that it is inside, also when it is destroyed there.
class presence {
public:
    presence(shop& in, std::size_t count) noexcept : in_{in}, count_{count} { in_.taken += count_; }
    presence(const presence&) = delete;
    presence& operator=(const presence&) = delete;
    ~presence() { in_.taken -= count_; }

private:
    shop& in_;
    std::size_t count_;
};

io_task<> take_places(shop* in) {
    for (;;) {
        const std::size_t count = in->on->size_up_to(4);
        const auto acquired = co_await in->places.acquire(count).timeout(in->on->up_to(60ms));
        if (acquired) {
            const semaphore::permit held{in->places, count};
            const presence here{*in, count};
            in->on->require(in->taken <= 5, "a semaphore has given out too much");
            co_await sleep_for(in->on->up_to(8ms)).or_return();
        } else if (acquired.error() != errc::timeout) {
            co_await fail(acquired.error());
        }
    }
}

/// Shoppers that are stopped and destroyed; then the shop is empty, and open.
io_task<> shop_often(stage* on) {
    for (int i = 0; i < 5; ++i) {
        shop in{on};
        {
            task_group shoppers;
            for (int n = 0; n < 5; ++n) {
                shoppers.spawn(take_places, &in);
                shoppers.spawn(go_in, &in);
            }
            co_await sleep_for(10ms + on->up_to(150ms)).or_return();
            if (on->dice.below(2) == 0) {
                shoppers.request_stop();
                co_await shoppers.join().ignore();
            }
        }
        on->require(!in.door.is_locked(), "a mutex is held, and nobody is there");
        on->require(in.places.available() == 5, "a semaphore has lost a permit, or won one");
    }
}

// ---- those who wait behind one that gives up

struct line {
    semaphore places{2};
    event is_served;
};

io_task<> hold_one(line* in) {
    co_await in->places.acquire(1).or_return();
    const semaphore::permit held{in->places, 1};
    co_await in->is_served.wait().or_return();
}
io_task<> want_two(line* in, nanoseconds span) {
    const auto got = co_await in->places.acquire(2).timeout(span);
    if (got) in->places.release(2);
}
io_task<> want_one(line* in) {
    co_await in->places.acquire(1).or_return();
    in->places.release(1);
    in->is_served.set();
}
io_task<> stand_in_line(stage* on) {
    for (int i = 0; i < 10; ++i) {
        line in;
        task_group all;
        all.spawn(hold_one, &in);
        all.spawn(want_two, &in, on->up_to(20ms));
        all.spawn(want_one, &in);
        const auto joined = co_await all.join().timeout(60s);
        on->require(joined.has_value(), "who stands behind one that gave up was forgotten");
    }
}

// ---- events, latches, one-shots

struct moment {
    explicit moment(std::size_t count) noexcept : all_there{count} {}
    latch all_there;
    event go;
    one_shot<std::uint64_t> prize;
    std::size_t winners = 0;
    std::size_t went = 0;
};

io_task<> run_for_prize(stage* on, moment* in) {
    co_await in->all_there.arrive_and_wait().or_return();
    co_await in->go.wait().or_return();
    ++in->went;
    const auto won = co_await in->prize.wait().timeout(on->up_to(40ms));
    if (won) {
        ++in->winners;
        on->require(won.assume_value() == 77, "a one-shot gives another value");
    } else {
        on->require(won.error() == errc::timeout || won.error() == errc::closed,
                    "a one-shot fails with " + won.error().message());
    }
}

io_task<> give_prizes(stage* on) {
    for (int i = 0; i < 10; ++i) {
        moment in{6};
        auto setter = in.prize.make_setter();
        task_group runners;
        for (int n = 0; n < 6; ++n)
            runners.spawn(run_for_prize, on, &in);
        co_await in.all_there.wait().or_return();
        in.go.set();
        in.go.reset();
        // Some stand between the latch and the event; another push lets these go, too.
        co_await sleep_for(on->up_to(30ms)).or_return();
        in.go.set();
        const bool is_taken = setter.set(std::uint64_t{77});
        on->require(is_taken, "a one-shot was decided by nobody");
        const auto joined = co_await runners.join().timeout(60s);
        on->require(joined.has_value(), "somebody was not let go on by an event");
        on->require(in.went == 6, "not everybody has gone on");
        on->require(in.winners <= 1, "a one-shot has given its value twice");
        if (in.winners == 0) {
            const auto left = co_await in.prize.wait();
            on->require(left.has_value(), "the value of a one-shot is gone, and nobody has it");
        }
    }
}

// ---- from one scheduler to another

struct mailbox {
    explicit mailbox(remote its_owner) noexcept : owner{std::move(its_owner)} {}
    remote owner;
    std::array<std::uint32_t, 2> posted{};
    std::array<std::uint32_t, 2> ran{};
    event came;
};

struct post_office {
    explicit post_office(stage* its_stage) noexcept : on{its_stage} {}
    stage* on;
    std::shared_ptr<mailbox> box;
    remote_channel<item> crossing{3};
    std::uint32_t crossed = 0;
};

constexpr std::uint32_t letters = 80;

io_task<> post_letters(post_office* in, std::uint32_t from) {
    while (in->box == nullptr)
        co_await sleep_for(5ms).or_return();
    const auto box = in->box;
    while (box->posted[from] < letters) {
        const std::uint32_t number = box->posted[from]++;
        stage* const on = in->on;
        const bool is_taken = box->owner.post([box, on, from, number] {
            on->require(box->ran[from] == number, "posts have changed their order");
            box->ran[from] = number + 1;
            box->came.set();
        });
        on->require(is_taken, "a post was refused");
        if (on->dice.below(3) == 0) co_await sleep_for(on->up_to(15ms)).or_return();
    }
}

io_task<> hear_posts(post_office* in) {
    in->box = std::make_shared<mailbox>(scheduler::current()->get_remote());
    const auto box = in->box;
    while (box->ran[0] < letters || box->ran[1] < letters) {
        const auto heard = co_await box->came.wait().timeout(60s);
        if (!heard) {
            in->on->require(false, "a post has not been run");
            co_return;
        }
        box->came.reset();
    }
}

io_task<> cross_over(post_office* in) {
    for (std::uint32_t number = 0; number < 100;) {
        const auto sent = co_await in->crossing.send(item{0, number}).timeout(in->on->up_to(40ms));
        if (sent) ++number;
        if (!sent && sent.error() != errc::timeout) {
            in->on->excuse(sent.error(), false, "sending to another scheduler");
            co_await sleep_for(10ms).or_return();
        }
        if (in->on->dice.below(3) == 0) co_await sleep_for(in->on->up_to(9ms)).or_return();
    }
    in->crossing.close();
}

io_task<> wait_beyond(post_office* in) {
    for (;;) {
        const auto came = co_await in->crossing.receive().timeout(in->on->up_to(30ms));
        if (came) {
            in->on->require(came.assume_value().number == in->crossed,
                            "an item was lost between two schedulers");
            ++in->crossed;
        } else if (came.error() == errc::closed) {
            break;
        } else if (came.error() != errc::timeout) {
            in->on->excuse(came.error(), false, "receiving from another scheduler");
            co_await sleep_for(10ms).or_return();
        }
    }
    in->on->require(in->crossed == 100, "not all have come over");
}

} // namespace

void sync(stage& on) {
    auto office = std::make_unique<post_office>(&on);
    sim::host& here = on.host("here");
    sim::host& there = on.host("there");
    for (int i = 0; i < 2; ++i) {
        here.run(trade, &on);
        here.run(shop_often, &on);
    }
    there.run(stand_in_line, &on);
    there.run(give_prizes, &on);
    here.run(hear_posts, office.get());
    here.run(post_letters, office.get(), 0U);
    there.run(post_letters, office.get(), 1U);
    there.run(cross_over, office.get());
    here.run(wait_beyond, office.get());
    if (on.play(2s, 150s)) office.reset(); // it has descriptors of both
    on.finish();
}

} // namespace scenes
