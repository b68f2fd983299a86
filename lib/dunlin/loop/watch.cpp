#include <dunlin/loop/watch.hpp>

#include <dunlin/util/assert.hpp>

#include <cstring>
#include <new>

namespace dunlin::detail {

watch_table::~watch_table() {
    for (std::size_t i = 0; i < chunk_count_; ++i)
        ::operator delete(chunks_[i], std::align_val_t{64});
    ::operator delete(chunks_);
}

watch* watch_table::add(int fd) noexcept {
    if (free_ < 0) {
        // The array of chunk pointers grows one at a time, in powers of two.
        if ((chunk_count_ & (chunk_count_ - 1)) == 0) {
            const std::size_t capacity = chunk_count_ == 0 ? 1 : chunk_count_ * 2;
            auto* const grown = static_cast<watch**>(
                ::operator new(capacity * sizeof(watch*), std::nothrow));
            if (grown == nullptr) return nullptr;
            if (chunk_count_ != 0) std::memcpy(grown, chunks_, chunk_count_ * sizeof(watch*));
            ::operator delete(chunks_);
            chunks_ = grown;
        }
        auto* const chunk = static_cast<watch*>(
            ::operator new(chunk_size * sizeof(watch), std::align_val_t{64}, std::nothrow));
        if (chunk == nullptr) return nullptr;
        const std::size_t first = chunk_count_ * chunk_size;
        for (std::size_t i = chunk_size; i-- > 0;) {
            ::new (&chunk[i]) watch{};
            chunk[i].slot = static_cast<std::uint32_t>(first + i);
            chunk[i].fd = free_;
            free_ = static_cast<std::int32_t>(first + i);
        }
        chunks_[chunk_count_++] = chunk;
    }
    const auto slot = static_cast<std::uint32_t>(free_);
    watch& added = chunks_[slot / chunk_size][slot % chunk_size];
    free_ = added.fd;
    const std::uint32_t generation = added.generation;
    added = watch{};
    added.slot = slot;
    added.generation = generation;
    added.fd = fd;
    added.may_read = true;
    added.may_write = true;
    added.owners = 1;
    ++used_;
    return &added;
}

void watch_table::remove(watch& gone) noexcept {
    DUNLIN_ASSERT(gone.reader == nullptr);
    DUNLIN_ASSERT(gone.writer == nullptr);
    DUNLIN_ASSERT(gone.owners == 0);
    gone.fd = free_;
    free_ = static_cast<std::int32_t>(gone.slot);
    --used_;
}

bool watch_table::is_watched(int fd) const noexcept {
    for (std::size_t c = 0; c < chunk_count_; ++c) {
        for (std::size_t i = 0; i < chunk_size; ++i) {
            const watch& w = chunks_[c][i];
            if (w.owners != 0 && w.fd == fd && w.is_registered && !w.is_stale) return true;
        }
    }
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
