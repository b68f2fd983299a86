#include <dunlin/sim/world.hpp>

#include <dunlin/net/detail/raw_endpoint.hpp>
#include <dunlin/sim/detail/host_state.hpp>
#include <dunlin/sys_sim/network.hpp>
#include <dunlin/task/background.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace dunlin::sim {

namespace {

using sys_sim::kernel;

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t longest_farewell = 1'200'000 * ms; // TCP gives up after a quarter of an hour

std::vector<sys::ip_address> addresses_of(std::size_t number) {
    const std::size_t last = number + 1;
    sys::ip_address v4;
    v4.bytes[0] = std::byte{10};
    v4.bytes[2] = static_cast<std::byte>(last >> 8);
    v4.bytes[3] = static_cast<std::byte>(last);
    sys::ip_address v6{.is_v6 = true, .bytes = {}, .port = 0, .scope_id = 0};
    v6.bytes[0] = std::byte{0xfd};
    v6.bytes[14] = v4.bytes[2];
    v6.bytes[15] = v4.bytes[3];
    return {v4, v6};
}

std::int64_t deadline_in(std::int64_t now, std::chrono::nanoseconds span) noexcept {
    return span.count() > never - now ? never : now + std::max<std::int64_t>(span.count(), 0);
}

} // namespace

// ---- life

world::world(std::uint64_t seed, const faults& with) : world{seed, faults_by_seed{with}} {}

world::world(std::uint64_t seed, const faults_by_seed& with) {
    const std::uint64_t counts = seed_asked_for().value_or(seed);
    its_ = new state{counts, with.of(counts)};
    if (auto only = selection_asked_for()) its_->restrict_to(std::move(*only));
    if (is_trace_asked_for())
        its_->kernel.trace_to([](std::string_view line) {
            std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
        });
}

world::~world() {
    finish();
    if (!its_->is_reported && !its_->problems.empty()) std::fputs(problems().c_str(), stderr);
    delete its_;
}

std::uint64_t world::seed() const noexcept { return its_->seed; }

sim::host& world::host(std::string_view name) {
    for (const auto& each : its_->hosts)
        if (each->self.name() == name) return each->self;
    const std::size_t number = its_->kernel.host_count();
    its_->kernel.add_host(std::string{name}, addresses_of(number));
    its_->hosts.push_back(std::make_unique<sim::host::state>(*its_, number));
    for (std::size_t other = 0; other < number; ++other)
        link(its_->hosts[other]->self, its_->hosts[number]->self, its_->for_all);
    its_->hosts[number]->begin();
    return its_->hosts[number]->self;
}

// ---- the network

void world::link(sim::host& a, sim::host& b, link_options options) {
    for (const auto& [from, to] :
         {std::pair{a.its_.number, b.its_.number}, std::pair{b.its_.number, a.its_.number}}) {
        sys_sim::link_quality& quality = its_->kernel.link(from, to);
        quality.latency = options.latency.count();
        quality.jitter = options.jitter.count();
        quality.bandwidth = options.bandwidth;
    }
}

void world::link_all(link_options options) {
    its_->for_all = options;
    for (const auto& a : its_->hosts)
        for (const auto& b : its_->hosts)
            if (a->number < b->number) link(a->self, b->self, options);
}

void world::partition(sim::host& a, sim::host& b) {
    partition_one_way(a, b);
    partition_one_way(b, a);
}

void world::partition_one_way(sim::host& from, sim::host& to) {
    its_->cut(from.its_.number, to.its_.number, true);
}

void world::heal(sim::host& a, sim::host& b) {
    its_->cut(a.its_.number, b.its_.number, false);
    its_->cut(b.its_.number, a.its_.number, false);
}

void world::heal_all() {
    for (const auto& a : its_->hosts)
        for (const auto& b : its_->hosts)
            its_->cut(a->number, b->number, false);
}

void world::set_name(std::string name, std::vector<endpoint> addresses,
                     std::chrono::nanoseconds delay) {
    kernel::name_answer answer;
    answer.delay = delay.count();
    for (const endpoint& each : addresses) {
        sys::ip_address address;
        if (sys::from_raw(detail::to_raw(each), address)) answer.addresses.push_back(address);
    }
    its_->kernel.set_name(std::move(name), std::move(answer));
}

void world::fail_name(std::string name, resolver_errc why, std::chrono::nanoseconds delay) {
    kernel::name_answer answer;
    answer.error = static_cast<int>(why);
    answer.delay = delay.count();
    its_->kernel.set_name(std::move(name), std::move(answer));
}

// ---- time

std::chrono::nanoseconds world::elapsed() const noexcept {
    return std::chrono::nanoseconds{its_->kernel.now() - its_->kernel.beginning()};
}

void world::run_for(std::chrono::nanoseconds span) {
    const std::int64_t end = deadline_in(its_->kernel.now(), span);
    static_cast<void>(its_->run([] { return false; }, end));
    its_->pass_time_until(end);
}

bool world::run_to_end(std::chrono::nanoseconds limit) {
    const auto is_over = [this] {
        return std::none_of(its_->hosts.begin(), its_->hosts.end(),
                            [](const auto& each) { return each->has_main(); });
    };
    const std::int64_t end = deadline_in(its_->kernel.now(), limit);
    const bool has_plans = its_->run(is_over, end);
    if (is_over()) return true;
    its_->problem((has_plans
                       ? std::string{"not over after "} +
                             std::to_string(limit.count() / (1000 * ms)) + " s:\n"
                       : std::string{"deadlock: some wait, and nothing will ever happen:\n"}) +
                  its_->all_tasks());
    return false;
}

bool world::run_until(bool (*is_true)(void*), void* context, std::chrono::nanoseconds limit) {
    const auto asks = [&] { return is_true(context); };
    const std::int64_t end = deadline_in(its_->kernel.now(), limit);
    static_cast<void>(its_->run(asks, end));
    if (asks()) return true;
    its_->pass_time_until(end);
    return false;
}

void world::plan(std::chrono::nanoseconds span, void* context, void (*what)(void*, bool)) {
    const std::shared_ptr<void> kept{context, [what](void* owned) { what(owned, false); }};
    its_->kernel.at(deadline_in(its_->kernel.now(), span),
                    [in = its_, kept, what] { in->act([kept, what] { what(kept.get(), true); }); });
}

// ---- faults

void world::set_faults(const faults& with) { its_->apply(with); }

void world::calm() {
    // What changes no outcome goes on, if it was on.
    faults harmless;
    harmless.short_transfers = std::min(harmless.short_transfers, its_->in_force.short_transfers);
    harmless.passing_time = std::min(harmless.passing_time, its_->in_force.passing_time);
    its_->apply(harmless);
    heal_all();
    for (const auto& each : its_->hosts) {
        each->paused_until = 0;
        each->script.clear();
    }
}

std::size_t world::strikes() const noexcept { return its_->kernel.strikes().size(); }

// ---- what went wrong

void world::require(bool is_true, std::string_view words) {
    if (!is_true) its_->problem(std::string{words});
}

void world::finish(std::chrono::nanoseconds grace) {
    if (std::exchange(its_->is_finished, true)) return;
    calm();
    const auto is_over = [this] {
        return std::none_of(its_->hosts.begin(), its_->hosts.end(),
                            [](const auto& each) { return each->has_tasks(); });
    };
    for (const auto& each : its_->hosts)
        each->self.request_stop();
    if (!its_->is_spinning)
        static_cast<void>(its_->run(is_over, deadline_in(its_->kernel.now(), grace)));
    for (const auto& each : its_->hosts) {
        if (!each->running) continue;
        {
            const sim::host::inside here{each->self};
            each->running->mains->end();
            each->running->services->end();
            detail::end_background(each->running->loop, std::chrono::nanoseconds{0});
        }
        if (each->running->loop.next_deadline())
            its_->problem(std::string{each->self.name()} + ": a timer is left");
        each->end_program();
        if (const std::size_t left = each->self.open_descriptors(); left != 0)
            its_->problem(std::string{each->self.name()} + ": " + std::to_string(left) +
                          " descriptors are left");
    }
    const std::int64_t frames = detail::frames_left() - its_->frames_before;
    if (frames > 0) its_->problem(std::to_string(frames) + " coroutine frames are left");
    // Connections whose descriptor is gone end by themselves: TCP says how long that takes at most.
    const auto sockets_left = [this] {
        std::size_t count = 0;
        for (const auto& each : its_->hosts)
            count += its_->kernel.net().socket_count(each->number);
        return count;
    };
    static_cast<void>(
        its_->run([&] { return sockets_left() == 0; }, its_->kernel.now() + longest_farewell));
    if (const std::size_t left = sockets_left(); left != 0)
        its_->problem(std::to_string(left) + " sockets without a descriptor are left");
}

std::string world::problems() const {
    its_->is_reported = true;
    if (its_->problems.empty()) return {};
    std::string words;
    for (const std::string& each : its_->problems)
        words += each + (each.ends_with('\n') ? "" : "\n");
    return words + its_->how_to_repeat + " repeats this run\n";
}

bool world::has_problems() const noexcept { return !its_->problems.empty(); }

// ---- what happened

void world::listen(void (*listener)(void*, std::string_view), void* context) {
    its_->kernel.trace_to([=](std::string_view line) { listener(context, line); });
}

std::uint64_t world::transcript_hash() const noexcept { return its_->kernel.transcript_hash(); }

std::uint64_t world::system_calls() const noexcept { return its_->kernel.counters().calls; }

void world::dump(dump_sink sink) const noexcept { sink(its_->all_tasks()); }

} // namespace dunlin::sim
