// The branches of `when_all` and `when_any` over a range: any number of one type. See when.hpp.
//
// Tasks are taken out of the range at once. Other elements (a task with a timeout, an operation)
// must lie still while they are awaited, so they are kept beside the branches.
#pragma once

#include <dunlin/task/branches.hpp>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace dunlin::detail {

/// What a range-for calls; in a namespace of its own, so that nothing else is found by it.
namespace range_access {
using std::begin;
using std::end;
template <class Range>
auto first_of(Range& range) -> decltype(begin(range)) {
    return begin(range);
}
template <class Range>
auto last_of(Range& range) -> decltype(end(range)) {
    return end(range);
}
} // namespace range_access
using range_access::first_of;
using range_access::last_of;

template <class Range>
using range_iterator = decltype(first_of(std::declval<std::remove_reference_t<Range>&>()));
template <class Range>
using range_reference = decltype(*std::declval<range_iterator<Range>&>());
template <class Range>
using range_element = std::remove_cvref_t<range_reference<Range>>;

/// Whether a range can be gone through more than once. (std::forward_iterator is in <iterator>,
/// which would be half of this header.)
template <class Iterator>
[[nodiscard]] constexpr bool is_multi_pass() {
    if constexpr (requires { typename Iterator::iterator_concept; })
        return std::is_base_of_v<std::forward_iterator_tag, typename Iterator::iterator_concept>;
    else if constexpr (requires { typename std::iterator_traits<Iterator>::iterator_category; })
        return std::is_base_of_v<std::forward_iterator_tag,
                                 typename std::iterator_traits<Iterator>::iterator_category>;
    else
        return false;
}

/// Elements that can be taken: moved out of the range, or made by its iterator on the way. What
/// cannot be moved (an operation) must be made where it stays, for which all are counted first.
template <class Range>
concept has_branches =
    can_be_branch<range_element<Range>> &&
    !std::is_const_v<std::remove_reference_t<range_reference<Range>>> &&
    (std::is_move_constructible_v<range_element<Range>> ||
     (!std::is_reference_v<range_reference<Range>> && is_multi_pass<range_iterator<Range>>()));

/// Any number of branches of one type, in a block of memory.
class DUNLIN_API counted_branches : public branches_operation {
protected:
    counted_branches(over_at when, std::size_t count)
        : branches_operation{when}, all_{count == 0 ? nullptr : new branch[count]}, count_{count} {
        set_branches(all_, count);
    }
    ~counted_branches() { delete[] all_; }
    void destroy_frames() noexcept {
        for (std::size_t i = 0; i < count_; ++i)
            all_[i].destroy_frame();
    }

    branch* const all_;
    const std::size_t count_;
};

/// Elements that lie still, side by side.
template <class Element>
class kept_elements {
public:
    explicit kept_elements(std::size_t room)
        : first_{room == 0
                     ? nullptr
                     : static_cast<Element*>(::operator new(room * sizeof(Element), alignment))} {}
    kept_elements(const kept_elements&) = delete;
    kept_elements& operator=(const kept_elements&) = delete;
    ~kept_elements() {
        while (count_ != 0)
            first_[--count_].~Element();
        ::operator delete(first_, alignment);
    }
    /// The element that an iterator is at, in its place.
    template <class Iterator>
    Element&& take(Iterator& at) {
        Element* made = nullptr;
        if constexpr (std::is_reference_v<decltype(*at)>)
            made = ::new (static_cast<void*>(first_ + count_)) Element(std::move(*at));
        else
            made = ::new (static_cast<void*>(first_ + count_)) Element(*at);
        ++count_;
        return std::move(*made);
    }

private:
    static constexpr std::align_val_t alignment{alignof(Element)};

    Element* first_;
    std::size_t count_ = 0;
};

/// For tasks: whoever has the frame has all.
template <class T>
class kept_elements<task<T>> {
public:
    explicit kept_elements(std::size_t) noexcept {}
    template <class Iterator>
    decltype(auto) take(Iterator& at) {
        if constexpr (std::is_reference_v<decltype(*at)>)
            return std::move(*at);
        else
            return *at;
    }
};

template <class Element>
class range_branches : public counted_branches {
protected:
    template <class Range>
    range_branches(over_at when, std::size_t count, Range& given)
        : counted_branches{when, count}, kept_{count} {
        auto next = first_of(given);
        for (std::size_t i = 0; i < count; ++i, ++next)
            fill_branch(all_[i], kept_.take(next));
    }
    ~range_branches() { destroy_branches(); } // the frames before what they await

    [[nodiscard]] auto value_at(std::size_t index) { return take_value<Element>(all_[index]); }

private:
    [[no_unique_address]] kept_elements<Element> kept_;
};

template <class Range>
[[nodiscard]] std::size_t count_of(Range& range) {
    auto next = first_of(range);
    const auto last = last_of(range);
    if constexpr (requires {
                      { last - next } -> std::convertible_to<std::ptrdiff_t>;
                  }) {
        return static_cast<std::size_t>(last - next);
    } else {
        std::size_t count = 0;
        for (; next != last; ++next)
            ++count;
        return count;
    }
}

/// What is left of a range that can be gone through only once.
template <class Range>
[[nodiscard]] std::vector<range_element<Range>> collect(Range& range) {
    std::vector<range_element<Range>> all;
    const auto last = last_of(range);
    for (auto next = first_of(range); next != last; ++next)
        all.push_back(static_cast<range_element<Range>&&>(*next));
    return all;
}

/// `Operation` over the elements of a range.
template <template <class> class Operation, class Range>
[[nodiscard]] Operation<range_element<Range>> over_range(Range& range) {
    using made = Operation<range_element<Range>>;
    if constexpr (is_multi_pass<range_iterator<Range>>()) {
        return made{count_of(range), range};
    } else {
        auto all = collect(range);
        return made{all.size(), all};
    }
}

} // namespace dunlin::detail
