#include "room.hpp"

#include <algorithm>
#include <utility>

namespace chat {

member::member(room& in, dunlin::tcp_socket socket, std::string called)
    : name{std::move(called)}, client{std::move(socket)}, room_{in} {
    room_.members_.push_back(this);
}

void member::leave() noexcept { std::erase(room_.members_, this); }

void member::tell(const line& what) {
    if (was_dropped_ || outgoing.try_send(what)) return;
    was_dropped_ = true;
    // Its session and its writer are told `closed`. What the kernel still has for it goes, too.
    static_cast<void>(client.stream().set_reset_on_close(true));
    client.close();
    outgoing.close();
}

dunlin::io_task<> room::say(std::string text, const member* by) {
    const line said = std::make_shared<const std::string>(std::move(text));
    co_await floor_.acquire().or_return();
    const dunlin::semaphore::permit held{floor_};
    for (member* each : members_)
        if (each != by) each->tell(said);
    co_await dunlin::yield().ignore(); // the writers have their turn
}

dunlin::io_task<> room::answer(member& to, std::string text) {
    const line said = std::make_shared<const std::string>(std::move(text));
    co_await floor_.acquire().or_return();
    const dunlin::semaphore::permit held{floor_};
    to.tell(said);
    co_await dunlin::yield().ignore();
}

bool room::has(std::string_view name) const noexcept {
    return std::any_of(members_.begin(), members_.end(),
                       [name](const member* each) { return each->name == name; });
}

} // namespace chat
