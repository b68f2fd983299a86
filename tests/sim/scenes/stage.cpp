#include "stage.hpp"

#include <utility>

namespace scenes {

using namespace dunlin;

sim::host& stage::host(std::string_view name) {
    sim::host& made = world.host(name);
    for (const sim::host* const each : hosts)
        if (each == &made) return made;
    hosts.push_back(&made);
    return made;
}

bool stage::play(nanoseconds stormy, nanoseconds limit) {
    world.run_for(stormy);
    world.calm();
    is_calm = true;
    return world.run_to_end(limit);
}

void stage::finish() {
    if (std::exchange(is_finished, true)) return;
    world.finish();
    for (const sim::host* const each : hosts)
        for (const std::string& failed : each->errors())
            world.require(false, "a task failed: " + failed);
}

void stage::excuse(std::error_code why, bool was_born_calm, std::string_view what) {
    const bool is_about_memory =
        why == std::errc::not_enough_memory || why == std::errc::no_buffer_space;
    const bool is_about_descriptors =
        why == std::errc::too_many_files_open || why == std::errc::too_many_files_open_in_system;
    const bool is_broken = why == std::errc::connection_reset || why == std::errc::broken_pipe ||
                           why == std::errc::not_connected; // shutdown(2) after a reset
    const bool some_break = odds.resets > 0 || odds.refused_memory > 0 || odds.no_descriptor > 0;
    const bool is_explained =
        (is_about_memory && odds.refused_memory > 0 && !was_born_calm) ||
        (is_about_descriptors &&
         ((odds.no_descriptor > 0 && !was_born_calm) || limits_descriptors)) ||
        (is_broken && ((some_break && !was_born_calm) || breaks(was_born_calm)));
    if (!is_explained)
        world.require(false, std::string{what} + " failed without a cause: " + why.message() +
                                 (was_born_calm ? ", on a connection made after the storm" : ""));
}

void stage::excuse_end(bool was_born_calm, std::string_view what) {
    const bool some_break = odds.resets > 0 || odds.refused_memory > 0 || odds.no_descriptor > 0;
    const bool is_explained = breaks(was_born_calm) || (some_break && !was_born_calm);
    if (!is_explained) world.require(false, std::string{what} + " ended before its time");
}

std::vector<std::byte> bytes_of(std::uint32_t stream, std::size_t offset, std::size_t count) {
    std::vector<std::byte> bytes(count);
    for (std::size_t i = 0; i < count; ++i)
        bytes[i] = byte_at(stream, offset + i);
    return bytes;
}

bool is_part_of(std::uint32_t stream, std::size_t offset,
                std::span<const std::byte> bytes) noexcept {
    for (std::size_t i = 0; i < bytes.size(); ++i)
        if (bytes[i] != byte_at(stream, offset + i)) return false;
    return true;
}

io_task<tcp_listener> listen_at(stage* on, std::uint16_t port) {
    for (;;) {
        auto bound = tcp_listener::bind(endpoint::any_v4(port));
        if (bound) co_return std::move(bound).assume_value();
        on->excuse(bound.assume_error(), on->is_calm, "listening");
        co_await sleep_for(20ms).or_return();
    }
}

io_task<tcp_socket> connect_to(stage* on, std::string where) {
    for (;;) {
        const bool is_born_calm = on->is_calm;
        auto connected = co_await tcp_socket::connect(where);
        if (connected) co_return std::move(connected).assume_value();
        const std::error_code why = connected.assume_error();
        if (why == errc::stopped) co_return why;
        if (why != std::errc::connection_refused && why != std::errc::timed_out)
            on->excuse(why, is_born_calm, "connecting");
        co_await sleep_for(30ms).or_return();
    }
}

io_task<std::pair<tcp_socket, tcp_socket>> make_pair(stage* on) {
    for (;;) {
        auto made = socket_pair();
        if (made) co_return std::move(made).assume_value();
        on->excuse(made.assume_error(), on->is_calm, "making a pair");
        co_await sleep_for(20ms).or_return();
    }
}

} // namespace scenes
