// The chat server: what a client says goes to all others, line by line.
//
//     /name alice     says who one is; until then one is called by one's address
//     /quit           leaves
//
// Lines of the server itself begin with "* ", its complaints with "! ".
#pragma once

#include <dunlin/dunlin.hpp>

namespace chat {

/// Serves on `listener` until it is asked to stop.
dunlin::io_task<> serve(dunlin::tcp_listener listener, dunlin::serve_options options);

} // namespace chat
