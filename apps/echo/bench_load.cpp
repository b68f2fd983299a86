#include "bench_load.hpp"

#include "bench_target.hpp"
#include "process.hpp"

#include <algorithm>
#include <deque>

namespace echo::bench {

bool results::has_errors() const noexcept {
    return std::ranges::any_of(targets, [](const target_result& each) { return each.errors > 0; });
}

namespace {

class load {
public:
    load(const plan& how, results& into, listener& heard_by)
        : how_{how}, results_{into}, heard_by_{heard_by}, bytes_{how.size} {
        results_.targets.resize(how.targets.size());
        for (std::size_t i = 0; i < how.targets.size(); ++i)
            targets_.emplace_back(how, bytes_, i, results_.targets[i]);
    }

    dunlin::io_task<> run() {
        for (target& each : targets_)
            co_await each.open(beside_).or_return();
        if (how_.only_holds()) {
            co_await hold().or_return();
            co_return;
        }
        co_await warm_up().or_return();
        if (how_.has_progress_line) beside_.spawn(&load::tell_progress, this);
        const auto loaded = co_await take_turns();
        for (target& each : targets_)
            each.count_served();
        co_await dunlin::or_return(loaded);
        for (target& each : targets_)
            co_await each.part().or_return();
    }

private:
    dunlin::io_task<> hold() {
        heard_by_.holds(results_);
        if (how_.hold)
            co_await dunlin::sleep_for(*how_.hold).or_return();
        else
            co_await dunlin::sleep_until(dunlin::time_point::max()).or_return();
    }

    dunlin::io_task<> warm_up() {
        if (how_.warmup <= std::chrono::nanoseconds{0}) co_return;
        for (target& each : targets_) {
            if (!each.is_alive()) continue;
            turn uncounted;
            uncounted.until = dunlin::now() + how_.warmup;
            co_await each.run(uncounted).or_return();
            each.forget_served();
        }
    }

    dunlin::io_task<> take_turns() {
        begun_ = dunlin::now();
        std::vector<std::uint64_t> left(targets_.size(), how_.count.value_or(UINT64_MAX));
        const auto has_more = [&](std::size_t i) { return left[i] > 0 && targets_[i].is_alive(); };
        for (std::size_t done = 0; how_.count || done < how_.rounds; ++done) {
            if (std::ranges::none_of(how_.round, has_more)) co_return;
            for (const std::size_t i : how_.round) {
                if (!has_more(i)) continue;
                now_ = turn{};
                now_.left = left[i];
                co_await measure(targets_[i]).or_return();
                left[i] = now_.left;
            }
        }
    }

    /// One turn, with what it cost.
    dunlin::io_task<> measure(target& whose) {
        const auto cpu = [&] {
            return whose.spec().pid ? cpu_time(*whose.spec().pid) : std::nullopt;
        };
        const auto cpu_before = cpu();
        const auto begun = dunlin::now();
        if (how_.turn) now_.until = begun + *how_.turn;
        whose_ = &whose;
        turn_begun_ = begun;
        const auto ran = co_await whose.run(now_);
        const auto ended = dunlin::now();
        const auto cpu_after = cpu();
        whose_ = nullptr;

        turn_result result;
        result.begun = seconds(begun - begun_);
        result.seconds = seconds(ended - begun);
        result.messages = now_.messages;
        if (cpu_before && cpu_after) result.cpu_seconds = seconds(*cpu_after - *cpu_before);
        result.p50 = now_.latencies.quantile(0.5);
        result.p99 = now_.latencies.quantile(0.99);

        target_result& sum = whose.result();
        sum.messages += result.messages;
        sum.seconds += result.seconds;
        if (result.cpu_seconds) sum.cpu_seconds = sum.cpu_seconds.value_or(0) + *result.cpu_seconds;
        sum.latencies.add(now_.latencies);
        sum.turns.push_back(result);
        co_await dunlin::or_return(ran);
    }

    dunlin::io_task<> tell_progress() {
        for (;;) {
            co_await dunlin::sleep_for(std::chrono::milliseconds{200}).or_return();
            if (whose_ == nullptr) continue;
            const target_result& sum = whose_->result();
            const auto now = dunlin::now();
            const double spent = sum.seconds + seconds(now - turn_begun_);
            const auto messages = static_cast<double>(sum.messages + now_.messages);
            heard_by_.progress(whose_->spec(), seconds(now - begun_), messages / spent, sum.errors);
        }
    }

    const plan& how_;
    results& results_;
    listener& heard_by_;
    pattern bytes_;
    std::deque<target> targets_;
    dunlin::time_point begun_;

    turn now_; ///< The turn that runs, and whose it is.
    target* whose_ = nullptr;
    dunlin::time_point turn_begun_;

    dunlin::task_group beside_{dunlin::on_child_error::carry_on}; ///< The first to go.
};

} // namespace

dunlin::task<results> run_load(const plan& how, listener& heard_by) {
    results out;
    load all{how, out, heard_by};
    const auto done = co_await all.run();
    out.is_interrupted = !done;
    co_return out;
}

} // namespace echo::bench
