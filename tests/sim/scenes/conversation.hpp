// A client of a server that sends back what it gets.
#pragma once

#include "stage.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace scenes {

/// Held by one task, whose children may have a pointer to it.
struct conversation {
    conversation(stage* its_stage, dunlin::tcp_socket connected, std::uint32_t number,
                 bool born_calm) noexcept
        : on{its_stage}, sock{std::move(connected)}, stream{number}, was_born_calm{born_calm} {}

    stage* on;
    dunlin::tcp_socket sock;
    std::uint32_t stream;
    bool was_born_calm;
    std::size_t offered = 0;  ///< Bytes that have been given to a write.
    std::size_t received = 0; ///< Bytes that have come back.
};

/// Sends the next `count` bytes of its stream.
dunlin::io_task<> send_bytes(conversation* with, std::size_t count);

/// Reads, in one of the ways that there are, until all up to `target` has come back. Every byte is
/// looked at. Error: `end_of_stream` if the stream ends first.
dunlin::io_task<> receive_bytes(conversation* with, std::size_t target);

/// So many rounds of up to `most` bytes each, one after the other or several under way, then the
/// end in both directions. An error that the faults explain ends it early, and is none here.
dunlin::io_task<> converse(conversation* with, std::size_t rounds, std::size_t most);

/// What both ends of `converse` are for: says whether `why` is explained.
void excuse(const conversation& with, std::error_code why);

} // namespace scenes
