#include <dunlin/loop/frame_pool.hpp>

#include <dunlin/util/assert.hpp>

#include <cstdint>
#include <new>

namespace dunlin::detail {

namespace {

constexpr std::size_t step = 16;             // from one block size to the next
constexpr std::size_t largest = 1024;        // larger blocks are not kept
constexpr std::size_t kept_bytes = 4U << 20; // of frames, per thread
constexpr std::size_t kept_buffers = 64;     // per thread

constexpr std::size_t plain_room = 16; // keeps the frame aligned; its last word is ours
constexpr std::size_t root_room = context_room + sizeof(std::uint64_t);
constexpr std::uint64_t root_bit = 1; // in the word: block sizes leave the low bits free
static_assert(root_room % step == 0);

struct free_block {
    free_block* next;
};

/// In the place of the buffer that was freed last: none may be kept (yet). The first one that is
/// freed brings this thread's owner, and after the owner's end none is left behind.
constexpr std::uintptr_t keeps_none = 1;

struct pool {
    std::uintptr_t last_buffer =
        keeps_none; ///< 0 while it is in use: the usual case needs no list.
    free_block* frames[largest / step + 1] = {};
    free_block* buffers = nullptr;
    std::int64_t frames_left = 0;
    std::size_t frame_room = 0;  ///< Bytes of frames that may still be kept,
    std::size_t buffer_room = 0; ///< and buffers.
    bool has_owner = false;      ///< This thread's `owner` exists, or did.
    bool root_is_expected = false;
};

// Trivially destroyed, so that reaching it costs no check. What it holds is freed by `owner`; after
// that it has no room, and a frame freed by a later destructor of the thread goes straight back.
// Half a KiB, so a library that is loaded late still finds room for it in the static block.
[[gnu::tls_model("initial-exec")]] constinit thread_local pool here;

void release(free_block*& list) noexcept {
    while (list != nullptr) {
        free_block* const block = list;
        list = block->next;
        ::operator delete(block);
    }
}

class pool_owner {
public:
    pool_owner() noexcept {
        here.has_owner = true;
        here.last_buffer = 0;
        here.frame_room = kept_bytes;
        here.buffer_room = kept_buffers;
    }
    pool_owner(const pool_owner&) = delete;
    pool_owner& operator=(const pool_owner&) = delete;
    ~pool_owner() {
        here.frame_room = 0;
        here.buffer_room = 0;
        if (here.last_buffer > keeps_none)
            ::operator delete(reinterpret_cast<void*>(here.last_buffer));
        here.last_buffer = keeps_none;
        for (free_block*& list : here.frames)
            release(list);
        release(here.buffers);
    }

    /// Makes this thread's owner on its first use.
    static void appear() noexcept {
        thread_local const pool_owner owner;
        static_cast<void>(owner);
    }
};

/// Whether there is room, now that there is none: the first block that comes back brings the owner.
[[gnu::noinline]] bool finds_room() noexcept {
    if (DUNLIN_POOLS == 0 || here.has_owner) return false;
    pool_owner::appear();
    return true;
}

void* take(std::size_t size) noexcept {
    if (size <= largest) {
        free_block*& list = here.frames[size / step];
        if (free_block* const block = list) {
            list = block->next;
            here.frame_room += size;
            return block;
        }
    }
    return ::operator new(size, std::nothrow);
}

void give_back(void* memory, std::size_t size) noexcept {
    if (size <= largest && (here.frame_room >= size || (finds_room() && here.frame_room >= size))) {
        free_block*& list = here.frames[size / step];
        list = ::new (memory) free_block{list};
        here.frame_room -= size;
        return;
    }
    ::operator delete(memory);
}

std::uint64_t& word_of(void* frame) noexcept { return static_cast<std::uint64_t*>(frame)[-1]; }

/// The size of the block for so many bytes. glibc's allocator has a word of its own in front of
/// each block, which begin at multiples of 16: what fills the room between them is a word less.
constexpr std::size_t block_size_for(std::size_t size) noexcept {
    return ((size + step / 2 - 1) & ~(step - 1)) + step / 2;
}
static_assert(block_size_for(step + 1) == step + step / 2);
static_assert(block_size_for(step + step / 2) == step + step / 2);
static_assert(block_size_for(step + step / 2 + 1) == 2 * step + step / 2);

} // namespace

void* allocate_frame(std::size_t size) noexcept {
    const bool is_root = here.root_is_expected;
    here.root_is_expected = false;
    const std::size_t room = is_root ? root_room : plain_room;
    const std::size_t block_size = block_size_for(room + size);
    auto* const block = static_cast<std::byte*>(take(block_size));
    if (block == nullptr) return nullptr;
    ++here.frames_left;
    std::byte* const frame = block + room;
    word_of(frame) = block_size | (is_root ? root_bit : 0);
    return frame;
}

void free_frame(void* frame) noexcept {
    const std::uint64_t word = word_of(frame);
    const bool is_root = (word & root_bit) != 0;
    --here.frames_left;
    give_back(static_cast<std::byte*>(frame) - (is_root ? root_room : plain_room),
              word & ~root_bit);
}

std::int64_t frames_left() noexcept { return here.frames_left; }

void expect_root() noexcept { here.root_is_expected = true; }

void unexpect_root() noexcept { here.root_is_expected = false; }

void* context_room_of(void* frame) noexcept {
    if ((word_of(frame) & root_bit) == 0) return nullptr;
    return static_cast<std::byte*>(frame) - root_room;
}

void* allocate_context() noexcept { return take(block_size_for(context_room)); }

void free_context(void* room) noexcept { give_back(room, block_size_for(context_room)); }

namespace {

[[gnu::noinline]] std::byte* allocate_another_buffer() noexcept {
    if (free_block* const block = here.buffers) {
        here.buffers = block->next;
        ++here.buffer_room;
        return reinterpret_cast<std::byte*>(block);
    }
    return static_cast<std::byte*>(::operator new(buffer_size, std::nothrow));
}

/// A thread's first, one of several, or one too many.
[[gnu::noinline]] void free_another_buffer(std::byte* block) noexcept {
    if (here.buffer_room == 0 && !finds_room()) {
        ::operator delete(block);
        return;
    }
    here.buffers = ::new (static_cast<void*>(block)) free_block{here.buffers};
    --here.buffer_room;
}

} // namespace

std::byte* allocate_buffer() noexcept {
    const std::uintptr_t last = here.last_buffer;
    if (last <= keeps_none) [[unlikely]]
        return allocate_another_buffer();
    here.last_buffer = 0;
    return reinterpret_cast<std::byte*>(last);
}

void free_buffer(std::byte* block) noexcept {
    if (here.last_buffer != 0) [[unlikely]]
        return free_another_buffer(block);
    here.last_buffer = reinterpret_cast<std::uintptr_t>(block);
}

} // namespace dunlin::detail
