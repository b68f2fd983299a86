// The scheduler's descriptors: how they come to its epoll object and leave it, and who waits for
// one to become free. What epoll says of them is the turn's: scheduler.cpp.
#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/loop/starved_acceptor.hpp>
#include <dunlin/sys/socket.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>

namespace dunlin {

namespace {

constexpr epoll_flags interest = epoll_flags::in | epoll_flags::priority | epoll_flags::out |
                                 epoll_flags::read_hangup | epoll_flags::edge_triggered;

} // namespace

detail::outcome scheduler::register_watch(detail::watch& w) noexcept {
    const borrowed_fd fd{w.fd};
    const std::uint64_t key = detail::watch_table::key_of(w);
    if (w.is_borrowed && !borrowed_.reserve()) return -ENOMEM;
    auto added = epoll_.add(fd, interest, key);
    if (!added && added.error() == std::errc::file_exists) {
        // Either another handle here watches this number, or epoll holds a leftover: a duplicate of
        // what once had this number kept it registered, and now it has the number again.
        if (watches_.is_watched(w.fd)) return detail::failure(errc::busy);
        added = epoll_.modify(fd, interest, key);
    }
    if (!added) {
        if (added.error() == std::errc::operation_not_permitted)
            return detail::failure(errc::not_pollable);
        return -added.error().value();
    }
    // epoll took the number as new, so whoever borrowed it before watches a file that is gone.
    borrowed_.mark_stale(w.fd);
    w.is_registered = true;
    // A socket that was made elsewhere is looked at once; on others a short read proves nothing (a
    // descriptor in flight ends one on a Unix socket).
    if (!w.is_tcp && !w.is_borrowed) w.is_tcp = sys::is_tcp(w.fd);
    w.short_is_all = w.is_tcp;
    if (w.is_borrowed) borrowed_.add(w);
    ++counters_.registrations;
    return 0;
}

void scheduler::release_watch(detail::watch& w) noexcept {
    if (--w.owners != 0) return;
    // close(2) takes a descriptor out of epoll only with its last duplicate. A number that came to
    // mean something else since is not ours to take out.
    if (w.is_registered && (w.is_borrowed || w.is_shared) && !w.is_stale &&
        !DUNLIN_PLANTED(borrowed_not_removed))
        static_cast<void>(epoll_.remove(borrowed_fd{w.fd}));
    if (w.is_borrowed) borrowed_.remove(w);
    ++w.generation;
    if (!w.is_borrowed) {
        unique_fd{w.fd}.close();
        wake_starved();
    }
    w.fd = -1;
    for (operation* const waiting : w.waiting)
        if (waiting != nullptr && !DUNLIN_PLANTED(not_woken_on_close)) schedule(waiting->task());
    waiter_left(w);
}

void scheduler::wake_starved() noexcept {
    while (starved_ != nullptr) {
        detail::starved_acceptor& acceptor = *starved_;
        remove_starved(acceptor);
        acceptor.waiting->interrupt();
    }
}

void scheduler::add_starved(detail::starved_acceptor& acceptor) noexcept {
    if (acceptor.link != nullptr) return;
    acceptor.next = starved_;
    acceptor.link = &starved_;
    if (starved_ != nullptr) starved_->link = &acceptor.next;
    starved_ = &acceptor;
}

void scheduler::remove_starved(detail::starved_acceptor& acceptor) noexcept {
    if (acceptor.link == nullptr) return;
    *acceptor.link = acceptor.next;
    if (acceptor.next != nullptr) acceptor.next->link = acceptor.link;
    acceptor.link = nullptr;
}

} // namespace dunlin
