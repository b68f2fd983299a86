// Signals that are waited for, and descriptors that somebody else owns and reads from.
#include "stage.hpp"

#include <dunlin/sys/socket.hpp>

#include <array>
#include <csignal>
#include <memory>
#include <string>

namespace scenes {

using namespace dunlin;

namespace {

struct signal_count {
    std::size_t sent = 0;
    std::size_t heard = 0;
    bool is_listening = false;
};

io_task<> hear_signals(stage* on, signal_count* in) {
    for (;;) {
        auto made = signal_set::create(SIGUSR1, SIGWINCH);
        if (!made) {
            on->excuse(made.assume_error(), on->is_calm, "a signal set");
            co_await sleep_for(10ms).or_return();
            continue;
        }
        signal_set signals = std::move(made).assume_value();
        in->is_listening = true;
        while (in->heard < 10) {
            const auto came = co_await signals.wait().timeout(5s);
            if (!came) {
                if (came.error() == errc::timeout)
                    on->require(in->sent == in->heard || now() == time_point{},
                                "a signal was not heard");
                else
                    on->excuse(came.error(), false, "waiting for a signal");
                if (came.error() != errc::timeout) continue;
                break;
            }
            on->require(came.assume_value().number() == SIGUSR1, "another signal was heard");
            ++in->heard;
        }
        in->is_listening = false;
        // None may come from here on: the set, and what it blocked, are gone.
        co_return;
    }
}

/// Sends one when the last one was heard, so that none is merged with another.
void send_signal(stage& on, sim::host& to, signal_count& in) {
    on.world.after(1ms + on.up_to(200ms), [&on, &to, &in] {
        if (in.sent == 10 || to.is_down()) return;
        if (in.is_listening && in.sent == in.heard) {
            ++in.sent;
            to.signal(SIGUSR1);
        }
        send_signal(on, to, in);
    });
}

// ---- borrowed descriptors

struct shared_end {
    shared_end(stage* its_stage, tcp_socket other) noexcept
        : on{its_stage}, far{std::move(other)} {}
    stage* on;
    tcp_socket far;
    unique_fd near; ///< Who reads it is not the only one.
    std::size_t sent = 0;
    std::size_t came = 0;
    bool is_over = false;
};

io_task<> write_now_and_then(shared_end* in) {
    for (int i = 0; i < 40; ++i) {
        const auto bytes = bytes_of(3, in->sent, in->on->size_up_to(200));
        std::size_t moved = 0;
        const auto written = co_await in->far.write(bytes, &moved);
        in->sent += moved;
        if (!written) {
            in->on->excuse(written.error(), false, "writing to a borrowed descriptor");
            break;
        }
        if (in->on->dice.below(2) == 0) co_await sleep_for(in->on->up_to(40ms)).or_return();
    }
    in->is_over = true;
    in->far.close();
}

bool take(shared_end& in, std::size_t most, bool must_be_there) {
    std::array<std::byte, 256> room{};
    const long n = sys::receive(in.near.get(), room.data(), most);
    if (n > 0) {
        const std::span<const std::byte> bytes{room.data(), static_cast<std::size_t>(n)};
        in.on->require(is_part_of(3, in.came, bytes), "other bytes than were sent");
        in.came += bytes.size();
    }
    in.on->require(n != -EAGAIN || !must_be_there, "readable, and nothing is there");
    return n != 0;
}

/// Whoever takes a number out of the scheduler's epoll object that nobody waits for finds nothing.
void check_unregistered(stage& on, borrowed_fd gone) {
    auto set = epoll::from_fd(scheduler::current()->fd());
    if (!set) return; // no descriptor for it
    const auto removed = set.assume_value().remove(gone);
    on.require(!removed, "a borrowed descriptor was left in epoll");
}

/// Waits for a descriptor of somebody else, with several objects one after the other.
io_task<> wait_and_take(shared_end* in) {
    stage& on = *in->on;
    for (bool goes_on = true; goes_on;) {
        {
            descriptor watched{borrowed_fd{in->near}};
            for (int i = 0; goes_on && i < 5; ++i) {
                const auto ready = co_await watched.readable().timeout(10s);
                if (ready) {
                    goes_on = take(*in, on.size_up_to(100), true);
                } else if (ready.error() == errc::timeout) {
                    on.require(false, "readable, and nobody was told");
                    co_return;
                } else {
                    on.excuse(ready.error(), false, "readable");
                    co_await sleep_for(10ms).or_return();
                }
                // Sometimes others were quicker.
                if (goes_on && on.dice.below(4) == 0) goes_on = take(*in, 256, false);
            }
            const auto writes = co_await watched.writable().timeout(10s);
            if (!writes) {
                on.require(writes.error() != errc::timeout, "writable, and nobody was told");
                on.excuse(writes.error(), false, "writable");
            }
        }
        check_unregistered(on, in->near);
    }
    if (in->is_over && in->came != in->sent) on.excuse_end(false, "a borrowed stream");
}

io_task<> borrow_often(stage* on) {
    for (int i = 0; i < 4; ++i) {
        auto pair = co_await make_pair(on).or_return();
        auto copy = sys::duplicate(pair.first.fd());
        if (!copy) {
            on->excuse(copy.assume_error(), on->is_calm, "a duplicate");
            continue;
        }
        shared_end in{on, std::move(pair.second)};
        in.near = std::move(copy).assume_value();
        pair.first.close();
        co_await when_all(wait_and_take(&in), write_now_and_then(&in)).or_return();
    }
}

} // namespace

void signals(stage& on) {
    signal_count count;
    sim::host& hearer = on.host("hearer");
    hearer.run(hear_signals, &on, &count);
    send_signal(on, hearer, count);
    for (int i = 0; i < 4; ++i)
        on.host("borrower" + std::to_string(i % 2)).run(borrow_often, &on);
    on.play(3s, 150s);
    on.require(count.heard == count.sent, "signals were lost");
    // Nobody blocks it any more, and its default is to end the process.
    hearer.signal(SIGUSR1);
    on.require(hearer.is_down(), "a signal is still blocked, and nobody waits for it");
    on.finish();
}

} // namespace scenes
