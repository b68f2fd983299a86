// The same work for each of many items, so many at a time.
//
//     co_await for_each_concurrent(urls, 8, fetch).or_return();
//
// For a fixed number of different things see when.hpp, for tasks that come and go task_group.hpp.
#pragma once

#include <dunlin/task/invoke.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/task/task_group.hpp>
#include <dunlin/task/yield.hpp>
#include <dunlin/util/assert.hpp>

#include <cstddef>
#include <span> // brings the concepts of iterators; <iterator> brings streams as well
#include <type_traits>
#include <utility>

namespace dunlin {

/// Awaits `function(item)`, a coroutine function that gives `io_task<>` or `task<>`, for each item
/// of `range`, for at most `limit` of them at a time, until all have ended.
///
/// `range` is anything that a range-for takes. Items are taken in order, one by one, each not
/// before there is room for it: so a range that reads or computes its items, even an endless one,
/// will do. A range given as an lvalue is referred to and must outlive the task; an rvalue is moved
/// in. `function` gets a reference to an item that stays where it is (forward iterators that give
/// lvalues), and otherwise an rvalue, which lives until its task has ended. It is copied or moved
/// in once. `limit` is at least 1 (asserted); std::size_t's maximum is as good as none.
///
/// Error: the first one of an item's task; the others are asked to stop then and waited for, and no
/// further item is taken. An exception likewise, of the range too, and it comes out here. `stopped`
/// under a stop, which goes on to the tasks; no item is taken then, either.
///
/// Cancelling it loses no item unseen: each that was taken has been given to `function`. Allocates
/// frames only, which are recycled: two for each item whose task is under way. Loop thread.
template <class Range, class Function>
[[nodiscard]] io_task<> for_each_concurrent(Range&& range, std::size_t limit, Function&& function);

// Implementation

namespace detail {

/// An item that stays where it is comes as a pointer, any other as itself.
template <bool Stays, class Function, class Item>
auto start_for(Function& function, Item& taken) {
    if constexpr (Stays)
        return detail::call(function, *taken);
    else
        return detail::call(function, std::move(taken));
}

/// The items that are left, and who works on them. Lies in the frame of `run_for_each`.
template <class Iterator, class Sentinel, class Function>
class item_source {
    static constexpr bool stays = std::forward_iterator<Iterator> &&
                                  std::is_lvalue_reference_v<std::iter_reference_t<Iterator>>;

public:
    /// An item as its worker keeps it.
    using item = std::conditional_t<stays, std::add_pointer_t<std::iter_reference_t<Iterator>>,
                                    std::iter_value_t<Iterator>>;

    using task_type = decltype(start_for<stays>(std::declval<Function&>(), std::declval<item&>()));
    static_assert(std::is_same_v<task_type, io_task<>> || std::is_same_v<task_type, task<>>,
                  "for_each_concurrent wants a function that gives io_task<> or task<>");

    item_source(Iterator first, Sentinel last, std::size_t limit, Function& function)
        : next_{std::move(first)}, last_{std::move(last)}, limit_{limit}, function_{&function} {}
    item_source(const item_source&) = delete;
    item_source& operator=(const item_source&) = delete;

    /// One more worker, if there may be one and none is on its way. (So a function that never waits
    /// does not have a worker queued for each of its items.)
    void add_worker(task_group& workers) {
        if (count_ == limit_ || is_at_end_ || is_one_coming_) return;
        ++count_;
        is_one_coming_ = true;
        workers.spawn(&item_source::work, this, &workers);
    }

private:
    [[nodiscard]] bool has_next() {
        if (stop_requested()) return false; // also when another worker has failed
        if (was_taken_) ++next_;            // not sooner: it may have to read the next one
        was_taken_ = false;
        is_at_end_ = next_ == last_;
        return !is_at_end_;
    }
    [[nodiscard]] item take() {
        was_taken_ = true;
        if constexpr (stays)
            return std::addressof(*next_);
        else
            return item(*next_);
    }

    static io_task<> work(item_source* source, task_group* workers) {
        source->is_one_coming_ = false;
        while (source->has_next()) {
            item taken = source->take();
            source->add_worker(*workers);
            Function& function = *source->function_;
            if constexpr (is_result<typename task_type::value_type>)
                co_await start_for<stays>(function, taken).or_return();
            else
                co_await start_for<stays>(function, taken); // tidy: a task<>, which gives nothing
        }
    }

    Iterator next_;
    Sentinel last_;
    std::size_t limit_;
    Function* function_;
    std::size_t count_ = 0;      ///< Workers so far; none ends before the last item is taken.
    bool is_one_coming_ = false; ///< A worker was spawned and has not begun.
    bool was_taken_ = false;     ///< `next_` is still at the item that was taken last.
    bool is_at_end_ = false;
};

template <class Range, class Function>
io_task<> run_for_each(Range range, std::size_t limit, Function function) {
    using std::begin;
    using std::end;
    item_source<decltype(begin(range)), decltype(end(range)), Function> items{
        begin(range), end(range), limit, function};
    task_group workers; // after what they use
    items.add_worker(workers);
    co_await workers.join().or_return();
}

} // namespace detail

template <class Range, class Function>
io_task<> for_each_concurrent(Range&& range, std::size_t limit, Function&& function) {
    DUNLIN_ASSERT(limit > 0); // nothing would ever run
    return detail::run_for_each<Range, std::decay_t<Function>>(std::forward<Range>(range), limit,
                                                               std::forward<Function>(function));
}

} // namespace dunlin
