#include <dunlin/net/accept.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys/clock.hpp>
#include <dunlin/sys/socket.hpp>
#include <dunlin/util/planted.hpp>

#include <cerrno>

namespace dunlin {

using detail::direction;

namespace {

constexpr std::int64_t retry_after = 100'000'000; // nanoseconds

/// accept(2): errors of the connection, not of the listener, which the next call would not see. The
/// last three are those that "various Linux kernels can return".
bool is_about_the_connection(int error) noexcept {
    switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EOPNOTSUPP:
    case EPERM:
    case ESOCKTNOSUPPORT:
    case EPROTONOSUPPORT:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

bool is_about_resources(int error) noexcept {
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM ||
           error == ENOSR;
}

/// Those of them that need not take a connection off the queue, so that the next call may see them
/// again: a security module forbids it (EPERM), or the descriptor is none to accept at.
bool may_come_again(int error) noexcept {
    return error == EPERM || error == EOPNOTSUPP || error == ESOCKTNOSUPPORT ||
           error == EPROTONOSUPPORT;
}

const char* words_for_pause(int why) noexcept {
    if (why == EMFILE || why == ENFILE) return "accepting pauses: no descriptor is free";
    if (is_about_resources(why)) return "accepting pauses: the kernel is out of memory";
    return "accepting pauses: the kernel refuses one connection after the other";
}

} // namespace

tcp_socket accept_operation::take() noexcept {
    unique_fd accepted{static_cast<int>(outcome_)};
    if (!watch_->is_tcp) return tcp_socket{std::move(accepted)};
    return tcp_socket{detail::watched_fd::of_tcp(std::move(accepted))};
}

accept_operation::~accept_operation() {
    if (starved_.waiting == nullptr) return;
    context_->sched->remove_starved(starved_);
    context_->sched->disarm(*context_);
}

bool accept_operation::begin() noexcept { return begin_as<direction::input>(*this); }

bool accept_operation::try_now() noexcept {
    for (;;) {
        const int accepted = sys::accept(watch_->fd);
        if (accepted >= 0) {
            if (starved_.waiting != nullptr) recover();
            outcome_ = accepted;
            if (DUNLIN_PLANTED(accept_once_an_edge)) note_empty();
            return true;
        }
        if (accepted == -EAGAIN) {
            if (starved_.waiting != nullptr) recover();
            watch_->is_starved = false;
            note_empty();
            return false;
        }
        if (is_about_resources(-accepted)) {
            if (DUNLIN_PLANTED(descriptors_forgotten)) return false;
            if (DUNLIN_PLANTED(descriptors_spin)) {
                wants_turn_ = true;
                return false;
            }
            starve(-accepted);
            return false;
        }
        if (!is_about_the_connection(-accepted) || DUNLIN_PLANTED(accept_ends_on_abort)) {
            outcome_ = accepted;
            return true;
        }
        if (spend()) continue;
        if (may_come_again(-accepted))
            starve(-accepted);
        else
            wants_turn_ = true;
        return false;
    }
}

bool accept_operation::attempt() noexcept { return attempt_as<direction::input>(*this); }

void accept_operation::starve(int why) noexcept {
    scheduler& sched = *context_->sched;
    starved_.waiting = this;
    if (!watch_->is_starved) { // said once, until nobody is left in the kernel's queue
        watch_->is_starved = true;
        sched.log(log_level::warning, words_for_pause(why));
    }
    sched.add_starved(starved_);
    sched.arm(*context_, sys::monotonic_now() + retry_after);
}

void accept_operation::recover() noexcept {
    context_->sched->remove_starved(starved_);
    context_->sched->arm(*context_, detail::never); // it may wait on, under its deadlines
    starved_.waiting = nullptr;
}

} // namespace dunlin
