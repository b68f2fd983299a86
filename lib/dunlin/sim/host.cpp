#include <dunlin/sim/detail/host_state.hpp>

#include <dunlin/net/detail/raw_endpoint.hpp>
#include <dunlin/sys_sim/network.hpp>
#include <dunlin/sys_sim/tcp.hpp>
#include <dunlin/task/background.hpp>
#include <dunlin/util/assert.hpp>

#include <algorithm>
#include <exception>
#include <utility>

namespace dunlin::sim {

namespace {

sys_sim::call to_call(std::string_view name) noexcept {
    std::size_t number = 0;
    while (number < sys_sim::call_count && name_of(static_cast<sys_sim::call>(number)) != name)
        ++number;
    DUNLIN_ASSERT(number < sys_sim::call_count); // no system call of this name is simulated
    return static_cast<sys_sim::call>(number);
}

endpoint to_endpoint(const sys::ip_address& address, std::uint16_t port) noexcept {
    sys::ip_address with_port = address;
    with_port.port = port;
    return detail::from_raw(sys::to_raw(with_port)).assume_value();
}

} // namespace

// ---- state

sys_sim::host& host::state::machine() const noexcept { return in.kernel.host_at(number); }

void host::state::begin() {
    const std::size_t outer = in.kernel.here_number();
    in.kernel.enter(number);
    scheduler_options options;
    if (in.in_force.small_portions) {
        in.had_small_portions = true;
        options.resumptions_a_turn = static_cast<std::uint16_t>(1 + in.dice.below(8));
        options.operations_a_turn = static_cast<std::uint8_t>(1 + in.dice.below(4));
        options.events_a_turn = static_cast<std::uint16_t>(1 + in.dice.below(4));
    }
    // A program that cannot even begin is none: what it opens then is not refused.
    const bool was_spared = std::exchange(machine().is_spared, true);
    running.emplace(options, [this](const child_failure& failed) { hear(failed); });
    machine().is_spared = was_spared;
    in.kernel.enter(outer);
}

void host::state::end_program() {
    if (!running) return;
    const std::size_t outer = in.kernel.here_number();
    in.kernel.enter(number);
    running.reset();
    in.kernel.enter(outer);
}

void host::state::hear(const child_failure& failed) {
    std::string words{self.name()};
    words += ": ";
    if (failed.exception() == nullptr) {
        const std::error_code why = failed.error();
        words +=
            why.message() + " (" + why.category().name() + ":" + std::to_string(why.value()) + ")";
        errors.push_back(std::move(words));
        return;
    }
    try {
        std::rethrow_exception(failed.exception());
    } catch (const std::exception& thrown) {
        words += std::string{"an exception: "} + thrown.what();
    } catch (...) {
        words += "an exception that is no std::exception";
    }
    words += std::string{", of the task spawned at "} + failed.spawned_at().file_name() + ":" +
             std::to_string(failed.spawned_at().line());
    in.problem(std::move(words));
}

std::optional<std::int64_t> host::state::next_turn_at() const noexcept {
    if (!running) return std::nullopt;
    const std::int64_t earliest = std::max(paused_until, next_turn);
    if (machine().is_woken) return earliest;
    const auto planned = running->loop.next_deadline();
    if (!planned) return std::nullopt;
    return std::max<std::int64_t>(earliest, planned->time_since_epoch().count());
}

void host::state::take_turn() {
    in.is_in_turn = true;
    const auto done = [this] {
        const inside here{self};
        return running->loop.poll_once(std::chrono::nanoseconds{0});
    }();
    in.end_turn();
    if (!done) {
        in.problem(std::string{self.name()} + ": its scheduler fails: " + done.error().message());
        self.crash();
        return;
    }
    if (running->loop.has_forgotten_waiter())
        in.problem(std::string{self.name()} +
                   ": who waited for a closed descriptor was not resumed within the turn\n" +
                   in.all_tasks());
    next_turn = in.kernel.now() + turn_length;
    constexpr std::uint64_t most_idle = 10'000;
    constexpr std::uint64_t most = 1'000'000;
    if (machine().idle_polls > most_idle || machine().polls_now > most) {
        in.is_spinning = true;
        in.problem(std::string{self.name()} + ": it spins: " + std::to_string(machine().polls_now) +
                   " waits at the same instant, " + std::to_string(machine().idle_polls) +
                   " of them for nothing\n" + in.all_tasks());
    }
    if (machine().killed_by != 0) self.crash();
}

// ---- for users

host::inside::inside(host& here) noexcept
    : here_{here}, outer_{here.its_.in.kernel.here_number()}, current_{here.loop()} {
    here.its_.in.kernel.enter(here.its_.number);
}

host::inside::~inside() { here_.its_.in.kernel.enter(outer_); }

scheduler& host::loop() noexcept {
    DUNLIN_ASSERT(its_.running); // it is down
    return its_.running->loop;
}

task_group& host::main_group() noexcept { return *its_.running->mains; }
task_group& host::service_group() noexcept { return *its_.running->services; }

std::string_view host::name() const noexcept { return its_.machine().name(); }

endpoint host::address(std::uint16_t port) const noexcept {
    return to_endpoint(its_.machine().addresses()[0], port);
}
endpoint host::address_v6(std::uint16_t port) const noexcept {
    return to_endpoint(its_.machine().addresses()[1], port);
}

const std::vector<std::string>& host::errors() const noexcept { return its_.errors; }

std::size_t host::running() const noexcept {
    return its_.running ? its_.running->mains->size() : 0;
}

void host::request_stop() noexcept {
    if (!its_.running) return;
    const inside here{*this};
    its_.running->mains->request_stop();
    its_.running->services->request_stop();
}

void host::crash() {
    if (!its_.running) return;
    its_.in.kernel.crash(its_.number);
    its_.end_program();
    its_.machine().drop_all_descriptors();
}

void host::restart() {
    DUNLIN_ASSERT(!its_.running); // it has not crashed
    its_.in.kernel.restart(its_.number);
    its_.paused_until = its_.next_turn = its_.turn_length = 0;
    its_.begin();
}

void host::pause(std::chrono::nanoseconds span) {
    its_.paused_until = std::max(its_.paused_until, its_.in.kernel.now() + span.count());
}

void host::slow_down(std::chrono::nanoseconds per_turn) { its_.turn_length = per_turn.count(); }

void host::jump_wall_clock(std::chrono::nanoseconds by) { its_.machine().wall_clock += by.count(); }

void host::signal(int number) {
    its_.machine().send_signal(number);
    if (its_.machine().killed_by != 0) crash();
}

void host::reset_connections() { its_.in.kernel.net().reset_all(its_.number); }

void host::limit_descriptors(std::size_t most) { its_.machine().most_descriptors = most; }

void host::fail_call(std::string_view call, std::uint64_t nth, int error_number,
                     std::uint64_t count) {
    const sys_sim::call which = to_call(call);
    const std::uint64_t made = its_.machine().calls[static_cast<std::size_t>(which)];
    its_.script.push_back({which, made + nth - 1, count, error_number});
}

std::uint64_t host::calls(std::string_view call) const noexcept {
    return its_.machine().calls[static_cast<std::size_t>(to_call(call))];
}

void host::spare_from_faults() noexcept { its_.in.kernel.spare(its_.number, true); }

bool host::is_down() const noexcept { return !its_.running; }

std::size_t host::open_descriptors() const noexcept { return its_.machine().open_count(); }

} // namespace dunlin::sim
