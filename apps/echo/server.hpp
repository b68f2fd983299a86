// The echo server: what a client sends comes back to it.
#pragma once

#include <dunlin/dunlin.hpp>

namespace echo {

/// Serves on `listener` until it is asked to stop. With `verbose`, says what happens on standard
/// output.
dunlin::io_task<> serve(dunlin::tcp_listener listener, bool verbose, dunlin::serve_options options);

} // namespace echo
