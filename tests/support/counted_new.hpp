// An operator new that counts, and fails when it is told to: of a program whose name stands in
// `counted_new_tests` (tests/meson.build). All threads count together. Not under TSan, which has
// its own.
#pragma once

namespace dunlin::test {

/// Calls of operator new so far, those that were refused included.
[[nodiscard]] long allocations() noexcept;

/// Blocks that are not freed yet.
[[nodiscard]] long live_allocations() noexcept;

/// Those among them of exactly a read buffer's size.
[[nodiscard]] long live_buffers() noexcept;

enum class refuse : bool { once, from_then_on };

/// While it lives, the `nth` allocation is refused, counted from its beginning and from 0; or that
/// one and all later ones. A negative `nth`: none. One at a time.
class refusal {
public:
    explicit refusal(long nth, refuse how = refuse::once) noexcept;
    refusal(const refusal&) = delete;
    refusal& operator=(const refusal&) = delete;
    ~refusal();

    /// Whether it has come to that.
    [[nodiscard]] bool has_happened() const noexcept {
        return nth_ >= 0 && allocations() > first_ + nth_;
    }

private:
    long first_;
    long nth_;
};

/// What `function` gives while every allocation is refused.
template <class Function>
auto without_memory(Function function) {
    const refusal all{0, refuse::from_then_on};
    return function();
}

/// Whether frames and buffers come from pools: not under sanitizers, which want to see each. Then
/// nothing can be said of how many are allocated.
[[nodiscard]] bool has_pools() noexcept;

} // namespace dunlin::test
