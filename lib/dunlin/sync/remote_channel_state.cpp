#include <dunlin/sync/detail/remote_channel_state.hpp>

#include <utility>

namespace dunlin::detail {

// ---- ports

void remote_port::run() noexcept {
    remote_channel_state& state = state_;
    {
        const locked held{state, home};
        is_posted_ = false;
        // The first that was called is the last in the list.
        remote_waiter* oldest = called_;
        while (oldest != nullptr && oldest->next != nullptr)
            oldest = static_cast<remote_waiter*>(oldest->next);
        while (oldest != nullptr) {
            auto* const newer = static_cast<remote_waiter*>(oldest->prev);
            oldest->is_at_port = false;
            home->schedule(*oldest->sleeper);
            oldest = newer;
        }
        called_ = nullptr;
    }
    state.release();
}

void remote_port::abandon() noexcept {
    remote_channel_state& state = state_;
    {
        const locked held{state, nullptr};
        is_posted_ = false; // from here on it may be cleared away
    }
    state.release();
}

void remote_waiter::wake(waiter& self) noexcept {
    auto& woken = static_cast<remote_waiter&>(self);
    woken.port->call(woken);
}

void remote_port::call(remote_waiter& woken) noexcept {
    if (state_.here == home) {
        home->schedule(*woken.sleeper);
        return;
    }
    woken.is_at_port = true;
    woken.prev = nullptr;
    woken.next = called_;
    if (called_ != nullptr) called_->prev = &woken;
    called_ = &woken;
    if (is_posted_) return;
    is_posted_ = true;
    state_.acquire();
    if (remote_.post(*this)) return;
    is_posted_ = false; // the scheduler is gone, though one of its tasks is not
    state_.release();   // not the last: our caller has one
}

void remote_port::uncall(remote_waiter& gone) noexcept {
    gone.is_at_port = false;
    auto* const newer = static_cast<remote_waiter*>(gone.prev);
    auto* const older = static_cast<remote_waiter*>(gone.next);
    if (newer != nullptr)
        newer->next = older;
    else
        called_ = older;
    if (older != nullptr) older->prev = newer;
}

// ---- the state

remote_channel_state::~remote_channel_state() {
    while (ring.size() != 0) {
        destroy_(place_at(channel_end::receive));
        ring.popped();
    }
    ::operator delete(places_, std::align_val_t{alignment_});
    while (ports_ != nullptr)
        delete std::exchange(ports_, ports_->next_port);
}

remote_port* remote_channel_state::port_of(scheduler& home) noexcept {
    for (remote_port* each = ports_; each != nullptr; each = each->next_port)
        if (each->home == &home && each->is_alive()) return each;
    clear_dead_ports();
    auto* const made = new (std::nothrow) remote_port{*this, home};
    if (made == nullptr) return nullptr;
    made->next_port = ports_;
    ports_ = made;
    return made;
}

/// Schedulers do not say when they die, so their ports are cleared away when another one is made.
void remote_channel_state::clear_dead_ports() noexcept {
    for (remote_port** link = &ports_; *link != nullptr;) {
        remote_port* const each = *link;
        if (each->is_alive() || !each->is_idle()) {
            link = &each->next_port;
        } else {
            *link = each->next_port;
            delete each;
        }
    }
}

} // namespace dunlin::detail
