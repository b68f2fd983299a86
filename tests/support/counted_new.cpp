#include <support/counted_new.hpp>

#include <dunlin/loop/frame_pool.hpp>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>

namespace {

constexpr long never = std::numeric_limits<long>::max();
constexpr std::size_t usual = alignof(std::max_align_t);
constexpr std::size_t too_much = std::size_t{1} << 40; // for which the sanitizers would abort

std::atomic<long> calls{0};
std::atomic<long> alive{0};
std::atomic<long> buffers{0};
std::atomic<long> refused_from{never};
std::atomic<long> refused_until{never};

/// What is added to the front of a block: its size, right before it.
std::size_t header_size(std::size_t alignment) noexcept {
    return alignment < usual ? usual : alignment;
}

void* allocate(std::size_t size, std::size_t alignment) noexcept {
    const long number = calls++;
    if (number >= refused_from && number < refused_until) return nullptr;
    if (size > too_much) return nullptr;
    const std::size_t header = header_size(alignment);
    const std::size_t whole = (header + size + header - 1) / header * header;
    auto* const front = static_cast<std::byte*>(std::aligned_alloc(header, whole));
    if (front == nullptr) return nullptr;
    ::new (static_cast<void*>(front + header - sizeof(std::size_t))) std::size_t{size};
    ++alive;
    if (size == dunlin::detail::buffer_size) ++buffers;
    return front + header;
}

void give_back(void* block, std::size_t alignment) noexcept {
    if (block == nullptr) return;
    auto* const bytes = static_cast<std::byte*>(block);
    const auto size = *std::launder(reinterpret_cast<std::size_t*>(bytes - sizeof(std::size_t)));
    --alive;
    if (size == dunlin::detail::buffer_size) --buffers;
    std::free(bytes - header_size(alignment));
}

void* allocate_or_throw(std::size_t size, std::size_t alignment) {
    void* const made = allocate(size, alignment);
    if (made == nullptr) throw std::bad_alloc{};
    return made;
}

constexpr std::size_t number(std::align_val_t alignment) noexcept {
    return static_cast<std::size_t>(alignment);
}

} // namespace

void* operator new(std::size_t size) { return allocate_or_throw(size, usual); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return allocate(size, usual);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_or_throw(size, number(alignment));
}
void* operator new(std::size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(size, number(alignment));
}
void operator delete(void* block) noexcept { give_back(block, usual); }
void operator delete(void* block, std::size_t) noexcept { give_back(block, usual); }
void operator delete(void* block, std::align_val_t alignment) noexcept {
    give_back(block, number(alignment));
}
void operator delete(void* block, std::size_t, std::align_val_t alignment) noexcept {
    give_back(block, number(alignment));
}

namespace dunlin::test {

long allocations() noexcept { return calls; }
long live_allocations() noexcept { return alive; }
long live_buffers() noexcept { return buffers; }

refusal::refusal(long nth, refuse how) noexcept : first_{calls}, nth_{nth} {
    if (nth < 0) return;
    refused_until = how == refuse::once ? first_ + nth + 1 : never;
    refused_from = first_ + nth;
}
refusal::~refusal() { refused_from = never; }

bool has_pools() noexcept {
    detail::free_frame(detail::allocate_frame(100));
    const long before = calls;
    detail::free_frame(detail::allocate_frame(100));
    return calls == before;
}

} // namespace dunlin::test
