// An acceptor that found no free descriptor, in the list of those waiting for one to be closed.
#pragma once

namespace dunlin {

class operation;

namespace detail {

struct starved_acceptor {
    operation* waiting = nullptr;
    starved_acceptor* next = nullptr;
    starved_acceptor** link = nullptr; ///< What points here; null when it is in no list.
};

} // namespace detail
} // namespace dunlin
