#include <dunlin/loop/watch.hpp>

#include <dunlin/loop/operation.hpp>
#include <dunlin/util/assert.hpp>

#include <cstring>
#include <new>

namespace dunlin::detail {

watch_table::~watch_table() {
    for (std::size_t i = 0; i < chunk_count_; ++i)
        ::operator delete(chunks_[i], std::align_val_t{watch_chunk::bytes});
    ::operator delete(chunks_);
}

bool watch_table::grow() noexcept {
    // The array of chunk pointers grows in powers of two.
    if ((chunk_count_ & (chunk_count_ - 1)) == 0) {
        const std::size_t capacity = chunk_count_ == 0 ? 1 : chunk_count_ * 2;
        auto* const grown = static_cast<watch_chunk**>(
            ::operator new(capacity * sizeof(watch_chunk*), std::nothrow));
        if (grown == nullptr) return false;
        if (chunk_count_ != 0) std::memcpy(grown, chunks_, chunk_count_ * sizeof(watch_chunk*));
        ::operator delete(chunks_);
        chunks_ = grown;
    }
    void* const page =
        ::operator new(watch_chunk::bytes, std::align_val_t{watch_chunk::bytes}, std::nothrow);
    if (page == nullptr) return false;
    auto* const chunk = ::new (page) watch_chunk{};
    chunk->home = home_;
    const std::size_t first = chunk_count_ * slots_a_chunk;
    for (std::size_t i = watch_chunk::capacity; i-- > 0;) {
        chunk->slots[i].slot = static_cast<std::uint32_t>(first + i);
        chunk->slots[i].fd = free_;
        free_ = static_cast<std::int32_t>(first + i);
    }
    chunks_[chunk_count_++] = chunk;
    return true;
}

watch* watch_table::add(int fd) noexcept {
    if (free_ < 0 && !grow()) return nullptr;
    const auto slot = static_cast<std::uint32_t>(free_);
    watch& added = at(slot);
    free_ = added.fd;
    const std::uint32_t generation = added.generation;
    added = watch{};
    added.slot = slot;
    added.generation = generation;
    added.fd = fd;
    added.may_go_on[0] = true;
    added.may_go_on[1] = true;
    added.owners = 1;
    ++used_;
    return &added;
}

void watch_table::remove(watch& gone) noexcept {
    DUNLIN_ASSERT(gone.waiting[0] == nullptr);
    DUNLIN_ASSERT(gone.waiting[1] == nullptr);
    DUNLIN_ASSERT(gone.owners == 0);
    // Should somebody await an operation that he made before the close, it finds no readiness here.
    gone.may_go_on[0] = false;
    gone.may_go_on[1] = false;
    gone.is_registered = false;
    gone.fd = free_;
    free_ = static_cast<std::int32_t>(gone.slot);
    --used_;
}

bool watch_table::is_watched(int fd) const noexcept {
    for (std::size_t c = 0; c < chunk_count_; ++c) {
        for (const watch& w : chunks_[c]->slots) {
            if (w.owners != 0 && w.fd == fd && w.is_registered && !w.is_stale) return true;
        }
    }
    return false;
}

bool watch_table::has_forgotten_waiter() const noexcept {
    for (std::size_t c = 0; c < chunk_count_; ++c)
        for (const watch& w : chunks_[c]->slots)
            for (operation* const waiting : w.waiting)
                if (w.owners == 0 && waiting != nullptr && !waiting->task().is_queued())
                    return true;
    return false;
}

borrowed_list::~borrowed_list() { ::operator delete(all_); }

bool borrowed_list::reserve() noexcept {
    if (count_ < capacity_) return true;
    const std::size_t capacity = capacity_ == 0 ? 4 : capacity_ * 2;
    auto* const grown =
        static_cast<watch**>(::operator new(capacity * sizeof(watch*), std::nothrow));
    if (grown == nullptr) return false;
    if (count_ != 0) std::memcpy(grown, all_, count_ * sizeof(watch*));
    ::operator delete(all_);
    all_ = grown;
    capacity_ = capacity;
    return true;
}

void borrowed_list::remove(watch& w) noexcept {
    for (std::size_t i = 0; i < count_; ++i) {
        if (all_[i] != &w) continue;
        all_[i] = all_[--count_];
        return;
    }
}

void borrowed_list::mark_stale(int fd) noexcept {
    for (std::size_t i = 0; i < count_; ++i)
        if (all_[i]->fd == fd) all_[i]->is_stale = true;
}

} // namespace dunlin::detail
