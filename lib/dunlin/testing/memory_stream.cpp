#include <dunlin/testing/memory_stream.hpp>

#include <dunlin/loop/scheduler.hpp>
#include <dunlin/util/assert.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace dunlin {

namespace detail {

namespace {

/// One direction: a ring of bytes, and who waits at its ends.
class memory_pipe {
public:
    explicit memory_pipe(std::size_t capacity)
        : capacity_{capacity}, ring_{new std::byte[capacity]} {}

    [[nodiscard]] bool is_empty() const noexcept { return size_ == 0; }

    std::size_t put(const std::byte* from, std::size_t size) noexcept {
        size = std::min(size, capacity_ - size_);
        const std::size_t last = (first_ + size_) % capacity_;
        const std::size_t straight = std::min(size, capacity_ - last);
        copy_bytes({from, straight}, {&ring_[last], straight});
        copy_bytes({from + straight, size - straight}, {&ring_[0], size - straight});
        size_ += size;
        return size;
    }
    std::size_t get(std::byte* into, std::size_t size) noexcept {
        size = std::min(size, size_);
        const std::size_t straight = std::min(size, capacity_ - first_);
        copy_bytes({&ring_[first_], straight}, {into, straight});
        copy_bytes({&ring_[0], size - straight}, {into + straight, size - straight});
        first_ = (first_ + size) % capacity_;
        size_ -= size;
        return size;
    }

    void wake_reader() const noexcept { wake(reader); }
    void wake_writer() const noexcept { wake(writer); }

    operation* reader = nullptr; ///< At most one each; waits, or is queued to try again.
    operation* writer = nullptr;
    bool has_ended = false; ///< The writing end is shut down or closed.
    bool is_broken = false; ///< The reading end is closed.

private:
    static void copy_bytes(std::span<const std::byte> from, std::span<std::byte> into) noexcept {
        if (!from.empty()) std::memcpy(into.data(), from.data(), from.size());
    }
    /// What is to be had stays in the pipe, so nothing is lost if the woken one dies before its
    /// turn.
    static void wake(operation* waiting) noexcept {
        if (waiting != nullptr) waiting->task().sched->schedule(waiting->task());
    }

    std::size_t capacity_;
    std::unique_ptr<std::byte[]> ring_;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

} // namespace

class memory_link {
public:
    explicit memory_link(std::size_t capacity)
        : pipes_{memory_pipe{capacity}, memory_pipe{capacity}} {}

    [[nodiscard]] memory_pipe& out_of(memory_side side) noexcept {
        return pipes_[static_cast<std::size_t>(side)];
    }
    [[nodiscard]] memory_pipe& into(memory_side side) noexcept {
        return pipes_[1 - static_cast<std::size_t>(side)];
    }
    [[nodiscard]] bool& is_closed(memory_side side) noexcept {
        return is_closed_[static_cast<std::size_t>(side)];
    }
    /// Bytes have been read since the last write was done: a drain does not end the session.
    [[nodiscard]] bool& is_unanswered(memory_side side) noexcept {
        return is_unanswered_[static_cast<std::size_t>(side)];
    }

    void close(memory_side side) noexcept {
        is_closed(side) = true;
        out_of(side).has_ended = true;
        into(side).is_broken = true;
        for (const memory_pipe& each : pipes_) {
            each.wake_reader();
            each.wake_writer();
        }
    }

    std::size_t owners = 0;

private:
    memory_pipe pipes_[2]; ///< By the side that writes.
    bool is_closed_[2] = {};
    bool is_unanswered_[2] = {};
};

memory_link_owner::memory_link_owner(memory_link* shared) noexcept : link_{shared} {
    if (link_ != nullptr) ++link_->owners;
}

memory_link_owner::~memory_link_owner() {
    if (link_ != nullptr && --link_->owners == 0) delete link_;
}

} // namespace detail

// ---- operations

operation*& memory_operation::place() noexcept {
    detail::memory_link& link = *link_.get();
    return is_read_ ? link.into(side_).reader : link.out_of(side_).writer;
}

bool memory_operation::is_closed() const noexcept {
    return link_.get() == nullptr || link_.get()->is_closed(side_);
}

/// As of a socket: a drain ends a wait for input, unless there is something to answer.
detail::outcome memory_operation::why_not_stay() const noexcept {
    const bool is_idle = is_read_ && !link_.get()->is_unanswered(side_);
    if (context_->is_draining() && is_idle) return detail::failure(errc::stopped);
    return why_not_wait();
}

memory_operation::~memory_operation() {
    if (!is_waiting_) return;
    place() = nullptr;
    abandon();
}

bool memory_operation::begin_to_use() noexcept {
    if (is_closed()) {
        outcome_ = detail::failure(errc::closed);
        return finish();
    }
    if (place() != nullptr) {
        outcome_ = detail::failure(errc::busy);
        return finish();
    }
    const bool may_try = spend();
    if (may_try && try_now()) return finish();
    outcome_ = why_not_stay();
    if (outcome_ != 0) return finish();
    if (!may_try) context_->sched->schedule_later(*context_);
    place() = this;
    wait();
    return false;
}

bool memory_operation::attempt() noexcept {
    if (is_lost()) {
        outcome_ = detail::failure(errc::stopped);
    } else if (is_closed()) {
        outcome_ = detail::failure(errc::closed);
    } else if (!try_now()) {
        outcome_ = why_not_stay();
        if (outcome_ == 0) return false;
    }
    place() = nullptr;
    return true;
}

bool memory_read_operation::begin() noexcept {
    if (into_.empty()) return finish();
    return begin_to_use();
}

bool memory_read_operation::try_now() noexcept {
    auto& from = link_.get()->into(side_);
    if (from.is_empty()) {
        outcome_ = 0;
        return from.has_ended;
    }
    constexpr std::size_t most = 0x7fff'f000; // as read(2)
    outcome_ = static_cast<detail::outcome>(from.get(into_.data(), std::min(into_.size(), most)));
    link_.get()->is_unanswered(side_) = true;
    from.wake_writer();
    return true;
}

bool memory_read_buffer_operation::begin() noexcept { return begin_to_use(); }

bool memory_read_buffer_operation::try_now() noexcept {
    auto& from = link_.get()->into(side_);
    if (from.is_empty()) {
        outcome_ = 0;
        return from.has_ended;
    }
    std::byte* const block = detail::allocate_buffer();
    if (block == nullptr) {
        outcome_ = -ENOMEM;
        return true;
    }
    came_ = buffer{block, from.get(block, detail::buffer_size)};
    link_.get()->is_unanswered(side_) = true;
    from.wake_writer();
    return true;
}

bool memory_write_operation::begin() noexcept {
    if (bytes_.size == 0) return finish();
    return begin_to_use();
}

bool memory_write_operation::try_now() noexcept {
    auto& to = link_.get()->out_of(side_);
    if (to.has_ended || to.is_broken) {
        outcome_ = -EPIPE;
        return true;
    }
    const std::size_t count = to.put(bytes_.data, bytes_.size);
    bytes_.data += count;
    bytes_.size -= count;
    if (moved_ != nullptr) *moved_ += count;
    if (count != 0) to.wake_reader();
    if (bytes_.size != 0) return false;
    link_.get()->is_unanswered(side_) = false;
    outcome_ = 0;
    return true;
}

// ---- the stream

result<void> memory_stream::shutdown_write() noexcept {
    if (!is_open()) return errc::closed;
    auto& out = link_.get()->out_of(side_);
    out.has_ended = true;
    out.wake_reader();
    out.wake_writer();
    return success();
}

void memory_stream::close() noexcept {
    if (!is_open()) return;
    link_.get()->close(side_);
    link_ = detail::memory_link_owner{};
}

std::pair<memory_stream, memory_stream> memory_stream_pair(std::size_t capacity) {
    DUNLIN_ASSERT(capacity != 0);
    const detail::memory_link_owner link{new detail::memory_link{capacity}};
    return {memory_stream{link, detail::memory_side::first},
            memory_stream{link, detail::memory_side::second}};
}

} // namespace dunlin
