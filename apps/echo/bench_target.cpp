#include "bench_target.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <utility>

namespace echo::bench {

namespace {

constexpr std::size_t opened_at_once = 128;
constexpr std::size_t words_kept = 3;

/// A SYN for which there was no room is sent again after 1, 3 and 7 seconds.
constexpr std::chrono::seconds time_to_connect{10};

} // namespace

target::target(const plan& how, const pattern& bytes, std::size_t number, target_result& into)
    : how_{how}, spec_{how.targets[number]}, result_{into}, active_(how.connections),
      idle_(how.idle) {
    const std::size_t all = active_.size() + idle_.size();
    std::size_t place = number * all;
    const auto prepare = [&](std::vector<member>& members, std::string_view kind,
                             std::size_t depth) {
        for (std::size_t i = 0; i < members.size(); ++i) {
            members[i].of = this;
            members[i].number = i;
            members[i].kind = kind;
            const auto begins = bytes.beginning(place++, how.targets.size() * all);
            members[i].line.prepare(bytes, begins, how.size, depth);
        }
    };
    prepare(active_, how.churn ? "worker" : "connection", how.depth);
    prepare(idle_, "idle connection", 1); // each sends one message, when it is opened
}

bool target::is_alive() const noexcept { return !std::ranges::all_of(active_, &member::is_lost); }

void target::forget_served() noexcept {
    for (member& each : active_)
        each.line.forget_served();
}

void target::count_served() {
    if (how_.churn) return;
    for (const member& each : active_)
        result_.served.push_back(each.line.served());
}

// ---- errors

void target::note_error(std::string words) {
    ++result_.errors;
    if (result_.error_words.size() < words_kept) result_.error_words.push_back(std::move(words));
}

void target::lose(member& one, std::string_view words) {
    one.is_lost = true;
    one.line.close();
    note_error(fmt::format("{} {}: {}", one.kind, one.number, words));
}

void target::lose(member& one, std::error_code why) {
    if (why == dunlin::errc::stopped && !is_overdue_) return; // the user has enough
    if (why == dunlin::errc::stopped || why == dunlin::errc::timeout)
        lose(one, fmt::format("nothing came back for {} s at {}", seconds(how_.grace),
                              one.line.where()));
    else
        lose(one, one.line.to_words(why));
}

// ---- opening

dunlin::connect_options target::options_for(std::size_t number) const noexcept {
    dunlin::connect_options options;
    if (how_.sources < 2) return options;
    const auto last = static_cast<std::byte>(2 + number % how_.sources);
    const std::array address{std::byte{127}, std::byte{0}, std::byte{0}, last};
    options.from = dunlin::endpoint::v4(address, 0);
    return options;
}

dunlin::io_task<> target::find() {
    const auto parsed = dunlin::endpoint::parse(std::string_view{spec_.host}, spec_.port);
    if (parsed) {
        where_ = parsed.value();
        co_return;
    }
    auto found = co_await dunlin::tcp_socket::connect(spec_.host, spec_.port)
                     .timeout(time_to_connect)
                     .or_return();
    where_ = co_await dunlin::or_return(found.peer_endpoint());
}

dunlin::io_task<> target::open(dunlin::task_group& watchers) {
    const auto found = co_await find();
    if (!found) {
        if (found.error() == dunlin::errc::stopped) co_await dunlin::fail(found.error());
        note_error(fmt::format("cannot connect: {}", found.error().message()));
        for (member& each : active_)
            each.is_lost = true;
        co_return;
    }
    if (!how_.churn)
        co_await dunlin::for_each_concurrent(active_, opened_at_once, open_one).or_return();
    const auto begun = dunlin::now();
    co_await dunlin::for_each_concurrent(idle_, opened_at_once, open_idle).or_return();
    if (!idle_.empty()) result_.idle_open_seconds = seconds(dunlin::now() - begun);
    for (member& each : idle_)
        if (!each.is_lost) watchers.spawn(watch, std::ref(each));
}

dunlin::io_task<> target::open_one(member& one) {
    target& of = *one.of;
    const dunlin::connect_options options = of.options_for(one.number);
    auto connected =
        co_await dunlin::tcp_socket::connect(of.where_, options).timeout(time_to_connect);
    if (connected) {
        one.line.begin_with(std::move(connected).value());
    } else {
        if (connected.error() == dunlin::errc::stopped) co_await dunlin::fail(connected.error());
        of.lose(one, fmt::format("cannot connect: {}", connected.error().message()));
    }
}

dunlin::io_task<> target::open_idle(member& one) {
    co_await open_one(one).or_return();
    if (one.is_lost) co_return;
    std::uint64_t bytes = 0;
    const auto echoed = co_await one.line.echo_one(bytes).timeout(one.of->how_.grace);
    if (echoed) {
        ++one.of->result_.idle_opened;
    } else {
        if (echoed.error() == dunlin::errc::stopped) co_await dunlin::fail(echoed.error());
        one.of->lose(one, echoed.error());
    }
}

dunlin::io_task<> target::watch(member& one) {
    const auto came = co_await one.line.socket().read();
    if (!came)
        one.of->lose(one, came.error());
    else if (came.value().is_end())
        one.of->lose(one, "the server closed the connection");
    else
        one.of->lose(one, fmt::format("{} bytes came that nobody had sent", came.value().size()));
}

// ---- a turn

dunlin::io_task<> target::run(turn& in) {
    dunlin::task_group group{dunlin::on_child_error::carry_on};
    for (member& each : active_) {
        if (each.is_lost) continue;
        if (how_.churn)
            group.spawn(come_and_go, std::ref(each), std::ref(in));
        else
            group.spawn(take_part, std::ref(each), std::ref(in));
    }
    const bool has_end = in.until != dunlin::time_point::max();
    auto deadline = (has_end ? in.until : dunlin::now()) + how_.grace;
    auto seen = in.bytes;
    for (;;) {
        const auto all_back = co_await group.room(1).until(deadline);
        if (all_back) co_return;
        if (all_back.error() != dunlin::errc::timeout) co_await dunlin::fail(all_back.error());
        if (in.bytes == seen) break;
        seen = in.bytes;
        deadline = dunlin::now() + how_.grace;
    }
    is_overdue_ = true;
    group.request_stop();
    co_await group.join().ignore();
    is_overdue_ = false;
}

dunlin::io_task<> target::take_part(member& one, turn& in) {
    const auto talked = co_await one.line.converse(in);
    if (!talked) one.of->lose(one, talked.error());
}

dunlin::io_task<> target::come_and_go(member& one, turn& in) {
    for (;;) {
        const auto begun = dunlin::now();
        if (in.take(1, begun) == 0) co_return;
        const auto visited = co_await visit(one, in);
        if (!visited) {
            if (one.is_lost) co_return;
            one.of->lose(one, visited.error());
            co_return;
        }
        in.latencies.add((dunlin::now() - begun).count());
        ++in.messages;
    }
}

dunlin::io_task<> target::visit(member& one, turn& in) {
    const dunlin::connect_options options = one.of->options_for(one.number + one.visits++);
    auto connected = co_await dunlin::tcp_socket::connect(one.of->where_, options);
    if (!connected && connected.error() != dunlin::errc::stopped)
        one.of->lose(one, fmt::format("cannot connect: {}", connected.error().message()));
    auto socket = co_await dunlin::or_return(std::move(connected));
    one.line.begin_with(std::move(socket));
    co_await one.line.echo_one(in.bytes).or_return();
    one.line.close();
}

// ---- the end

dunlin::io_task<> target::part() {
    if (how_.churn) co_return;
    co_await dunlin::for_each_concurrent(active_, active_.size() + 1, part_one).or_return();
}

dunlin::io_task<> target::part_one(member& one) {
    if (one.is_lost) co_return;
    // A server may keep its end open, or reset it, as it likes.
    const auto parted = co_await one.line.part().timeout(std::chrono::seconds{1});
    if (!parted && parted.error() == std::errc::bad_message) one.of->lose(one, parted.error());
    one.line.close();
}

} // namespace echo::bench
