#include "server.hpp"

#include "../common/words.hpp"
#include "room.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace chat {

namespace {

using namespace std::chrono_literals;

using reader = dunlin::buffered_reader<dunlin::tcp_socket>;

constexpr std::size_t longest_line = 4096;        // bytes
constexpr std::size_t longest_name = 32;          // bytes
constexpr std::size_t send_buffer = 64 * 1024;    // bytes; the kernel's share of a slow reader
constexpr std::chrono::seconds to_take_last = 2s; // for who leaves to take what was said before

/// Nothing that could be taken for another part of a line, or for an address.
bool is_name(std::string_view word) {
    const auto is_fine = [](unsigned char c) { return c > ' ' && c != 0x7f && c != ':'; };
    return !word.empty() && word.size() <= longest_name &&
           std::all_of(word.begin(), word.end(), is_fine);
}

/// The next line; nullopt at the end. Between lines a client is idle: a stop need not wait for it.
dunlin::io_task<std::optional<std::string_view>> next_line(reader& from) {
    if (from.buffered().empty()) co_await from.stream().readable().idle().or_return();
    co_return co_await from.read_line(longest_line);
}

/// Drops a line that is too long, up to its end.
dunlin::io_task<> skip_line(reader& from) {
    std::array<std::byte, 1024> dropped;
    for (;;) {
        const auto seen = co_await from.peek().or_return();
        const auto end = std::find(seen.begin(), seen.end(), std::byte{'\n'});
        const bool has_end = end != seen.end();
        const auto size = static_cast<std::size_t>(end - seen.begin()) + (has_end ? 1 : 0);
        const auto part = std::span{dropped}.first(std::min(size, dropped.size()));
        const std::size_t count = co_await from.read(part).or_return();
        if (count == 0 || (has_end && count == size)) co_return;
    }
}

dunlin::io_task<> rename(member& self, room& all, std::string_view wanted) {
    if (!is_name(wanted)) {
        const std::string why =
            fmt::format("! a name has up to {} bytes, no spaces and no colons\n", longest_name);
        co_await all.answer(self, why).or_return();
    } else if (all.has(wanted)) {
        co_await all.answer(self, fmt::format("! {} is here already\n", wanted)).or_return();
    } else {
        const std::string before = std::exchange(self.name, std::string{wanted});
        co_await all.say(fmt::format("* {} is now {}\n", before, self.name)).or_return();
    }
}

/// Passes on what one client says, until it has had enough.
dunlin::io_task<> listen_to(member& self, room& all) {
    co_await all.answer(self, fmt::format("* you are {}\n", self.name)).or_return();
    co_await all.say(fmt::format("* {} joined\n", self.name), &self).or_return();
    for (;;) {
        const auto next = co_await next_line(self.client);
        if (!next && next.error() == dunlin::errc::too_long) {
            co_await all.answer(self, "! too long a line\n").or_return();
            co_await skip_line(self.client).or_return();
            continue;
        }
        const auto said = co_await dunlin::or_return(next);
        if (!said || *said == "/quit") co_return;
        if (said->starts_with("/name ")) {
            co_await rename(self, all, said->substr(6)).or_return();
        } else if (said->starts_with('/')) {
            co_await all.answer(self, "! there are only /name NAME and /quit\n").or_return();
        } else if (!said->empty()) {
            co_await all.say(fmt::format("{}: {}\n", self.name, *said), &self).or_return();
        }
    }
}

/// Sends what the others say.
dunlin::io_task<> write_to(member& self) {
    while (const auto next = co_await self.outgoing.receive())
        co_await self.client.stream().write(*next.value()).or_return();
}

std::string farewell(const member& who, const dunlin::result<void>& ended) {
    if (who.was_dropped()) return fmt::format("* {} was dropped: it reads too slowly\n", who.name);
    if (!ended) return fmt::format("* {} left: {}\n", who.name, ended.error().message());
    return fmt::format("* {} left\n", who.name);
}

dunlin::io_task<> session(room& all, dunlin::tcp_socket client) {
    const auto where = co_await dunlin::or_return(client.peer_endpoint());
    co_await dunlin::or_return(client.set_send_buffer(send_buffer));
    member self{all, std::move(client), where.to_string()};
    dunlin::task_group writing;
    writing.spawn(write_to, std::ref(self));
    const auto ended = co_await listen_to(self, all);

    self.leave();
    self.outgoing.close(); // what is in it is still sent
    const bool was_asked = !ended && ended.error() == dunlin::errc::stopped;
    if (!was_asked) co_await all.say(farewell(self, ended)).or_return();
    co_await writing.join().timeout(to_take_last).or_return();
    if (!was_asked) co_await self.client.stream().lingering_close().ignore();
    co_await dunlin::or_return(ended);
}

} // namespace

dunlin::io_task<> serve(dunlin::tcp_listener listener, dunlin::serve_options options) {
    // Said in here, where a signal is heard already.
    const auto where = co_await dunlin::or_return(listener.local_endpoint());
    apps::say(fmt::format("listening on {}", where.to_string()));

    room all;
    const auto handler = std::bind_front(session, std::ref(all));
    co_await dunlin::serve(std::move(listener), handler, options).or_return();
}

} // namespace chat
