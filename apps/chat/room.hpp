// Who is in the chat, and how a line gets from one to all others without anybody waiting for one
// who reads slowly.
#pragma once

#include <dunlin/dunlin.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace chat {

/// What is said, with its end. It is made once and shared by all who are still to get it.
using line = std::shared_ptr<const std::string>;

class room;

/// A client, in its room as long as this lives or until it leaves.
class member {
public:
    /// Lines that may wait for a client that reads more slowly than the others talk.
    static constexpr std::size_t most_waiting = 128;

    member(room& in, dunlin::tcp_socket client, std::string called);
    member(const member&) = delete;
    member& operator=(const member&) = delete;
    ~member() { leave(); }

    /// Puts `what` into the queue. Nobody waits here: a client whose queue is full is dropped.
    void tell(const line& what);

    /// It hears nothing more; what is in its queue already is still sent.
    void leave() noexcept;

    [[nodiscard]] bool was_dropped() const noexcept { return was_dropped_; }

    std::string name;
    dunlin::buffered_reader<dunlin::tcp_socket> client;
    dunlin::channel<line> outgoing{most_waiting};

private:
    room& room_;
    bool was_dropped_ = false;
};

/// All members. It outlives them.
class room {
public:
    /// Says `text` to all but `by`, or to all.
    dunlin::io_task<> say(std::string text, const member* by = nullptr);

    /// Says `text` to one.
    dunlin::io_task<> answer(member& to, std::string text);

    [[nodiscard]] bool has(std::string_view name) const noexcept;

private:
    friend class member;

    // A queue must not fill up only because its writer had no turn yet. So whoever speaks takes the
    // floor first and has it until all writers have had their turn, and no more than so many have
    // it at once: far fewer lines than a queue has room for, and than a writer sends in a turn.
    static constexpr std::size_t most_at_once = 8;

    std::vector<member*> members_;
    dunlin::semaphore floor_{most_at_once};
};

} // namespace chat
