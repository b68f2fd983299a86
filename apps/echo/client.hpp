// The interactive client: sends what it reads from standard input, prints what comes back.
#pragma once

#include <dunlin/dunlin.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace echo {

/// Talks to the server at `host` and `port` until the input ends and everything has come back.
/// Sends and prints at the same time, byte for byte; on a terminal it shows a prompt whenever all
/// has come back.
///
/// If it fails, `trouble_with` says what: the connection, standard input or standard output.
dunlin::io_task<> talk(std::string host, std::uint16_t port, std::string_view& trouble_with);

} // namespace echo
