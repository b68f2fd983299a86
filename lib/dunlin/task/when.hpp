// Several things at once: `when_all` waits for all of them, `when_any` for the first.
//
//     auto both = co_await when_all(ask(first), ask(second)).timeout(2s).or_return();
//     auto& [a, b] = both;
//
//     auto raced = co_await when_any(sock.read(), quit.wait()).or_return();
//     if (raced.index() == 0) use(std::get<0>(raced));
//
//     auto reads = socks | std::views::transform([](tcp_socket& sock) { return sock.read(); });
//     auto first = co_await when_any(reads).or_return(); // which, and what it read
//
// They take tasks and operations, also with timeouts of their own, and run each as a task. Nothing
// is left behind: they return only when every branch has ended, and its frame is gone. Those that
// are not wanted any more (the rest after an error, the losers of a race, all under a stop or a
// timeout) are asked to stop; a read or a receive among them that was waiting then takes nothing.
// They begin in the order given, and one whose turn comes after the decision does not begin at all.
// Awaited once, as temporaries. They allocate nothing but, for operations, a small frame each,
// which is recycled; for a range they allocate the branches. Loop thread.
#pragma once

#include <dunlin/task/branches.hpp>
#include <dunlin/task/range_branches.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace dunlin {

/// What stands for the value of a branch that gives none.
using no_value = std::monostate;

namespace detail {
/// A fixed number of branches, each of its own type.
template <class... Awaitables>
class fixed_branches : public branches_operation {
protected:
    fixed_branches(over_at when, Awaitables&&... given) : branches_operation{when} {
        std::size_t next = 0;
        (fill_branch(all_[next++], static_cast<Awaitables&&>(given)), ...);
        set_branches(all_, sizeof...(Awaitables));
    }
    ~fixed_branches() { destroy_branches(); }

    template <std::size_t I, class Awaitable>
    [[nodiscard]] auto value_at() {
        return take_value<Awaitable>(all_[I]);
    }
    void destroy_frames() noexcept {
        for (branch& each : all_)
            each.destroy_frame();
    }

private:
    branch all_[sizeof...(Awaitables)];
};
} // namespace detail

/// The awaiter behind `when_all(...)`.
template <class... Awaitables>
class [[nodiscard]] when_all_operation final : public detail::fixed_branches<Awaitables...>,
                                               public spellings<when_all_operation<Awaitables...>> {
public:
    static constexpr bool gives_nothing = (... && std::is_void_v<detail::branch_value<Awaitables>>);
    using value_type =
        std::conditional_t<gives_nothing, void,
                           std::tuple<detail::value_or_none<detail::branch_value<Awaitables>>...>>;

    explicit when_all_operation(Awaitables&&... given)
        : detail::fixed_branches<Awaitables...>{
              detail::fixed_branches<Awaitables...>::over_at::first_error,
              static_cast<Awaitables&&>(given)...} {}

    value_type take() {
        this->rethrow_if_thrown();
        if constexpr (gives_nothing)
            this->destroy_frames();
        else
            return values(std::index_sequence_for<Awaitables...>{});
    }

private:
    template <std::size_t... I>
    value_type values(std::index_sequence<I...>) {
        value_type all{this->template value_at<I, Awaitables>()...};
        this->destroy_frames();
        return all;
    }
};

/// The awaiter behind `when_any(...)`.
template <class... Awaitables>
class [[nodiscard]] when_any_operation final : public detail::fixed_branches<Awaitables...>,
                                               public spellings<when_any_operation<Awaitables...>> {
public:
    using value_type = std::variant<detail::value_or_none<detail::branch_value<Awaitables>>...>;

    explicit when_any_operation(Awaitables&&... given)
        : detail::fixed_branches<Awaitables...>{
              detail::fixed_branches<Awaitables...>::over_at::first_end,
              static_cast<Awaitables&&>(given)...} {}

    value_type take() {
        this->rethrow_if_thrown();
        return winners_value<0, Awaitables...>();
    }

private:
    template <std::size_t I, class First, class... Rest>
    value_type winners_value() {
        if constexpr (sizeof...(Rest) != 0)
            if (this->winner() != I) return winners_value<I + 1, Rest...>();
        value_type value{std::in_place_index<I>, this->template value_at<I, First>()};
        this->destroy_frames();
        return value;
    }
};

/// The awaiter behind `when_all` of a range.
template <class Element>
class [[nodiscard]] when_all_of_operation final : public detail::range_branches<Element>,
                                                  public spellings<when_all_of_operation<Element>> {
    using item = detail::branch_value<Element>;

public:
    using value_type =
        std::conditional_t<std::is_void_v<item>, void, std::vector<detail::value_or_none<item>>>;

    template <class Range>
    when_all_of_operation(std::size_t count, Range& given)
        : detail::range_branches<Element>{detail::range_branches<Element>::over_at::first_error,
                                          count, given} {}

    value_type take() {
        this->rethrow_if_thrown();
        if constexpr (std::is_void_v<item>) {
            this->destroy_frames();
        } else {
            value_type values;
            values.reserve(this->count_);
            for (std::size_t i = 0; i < this->count_; ++i)
                values.push_back(this->value_at(i));
            this->destroy_frames();
            return values;
        }
    }
};

/// The awaiter behind `when_any` of a range.
template <class Element>
class [[nodiscard]] when_any_of_operation final : public detail::range_branches<Element>,
                                                  public spellings<when_any_of_operation<Element>> {
    using item = detail::branch_value<Element>;

public:
    using value_type = std::pair<std::size_t, detail::value_or_none<item>>;

    template <class Range>
    when_any_of_operation(std::size_t count, Range& given)
        : detail::range_branches<Element>{detail::range_branches<Element>::over_at::first_end,
                                          count, given} {}

    value_type take() {
        this->rethrow_if_thrown();
        value_type value{this->winner(), this->value_at(this->winner())};
        this->destroy_frames();
        return value;
    }
};

/// Runs all of them side by side and waits until each has ended. Gives a tuple of their values
/// (`no_value` for one that gives none; nothing if none gives any).
///
/// Error: the first one of a branch; the others are asked to stop then. An exception likewise, and
/// it comes out here. `stopped` or `timeout` when that is why the branches ended.
template <class... Awaitables>
    requires(sizeof...(Awaitables) > 0 && (... && detail::can_be_branch<Awaitables>))
[[nodiscard]] when_all_operation<Awaitables...> when_all(Awaitables&&... several) {
    return when_all_operation<Awaitables...>{static_cast<Awaitables&&>(several)...};
}

/// The same for a range of any number: a vector of their values in that order, or nothing.
///
/// `several` is anything that a range-for takes and whose elements are tasks, also with timeouts:
/// a vector, a span, a view. They are moved out of it, also if it is an lvalue, and it need not
/// outlive the call. A view may make them, operations too (which no container can hold, as they
/// are not moved); of operations it must be one that can be gone through twice, as
/// `std::views::transform` is, and each is made once.
///
/// Allocates a block for the branches, and one for elements other than tasks. bad_alloc, and what
/// the range itself throws, come from the call.
template <class Range>
    requires(detail::has_branches<Range>)
[[nodiscard]] when_all_of_operation<detail::range_element<Range>> when_all(Range&& several) {
    return detail::over_range<when_all_of_operation>(several);
}

/// Runs all of them side by side; the first that ends, be it with an error or an exception, is the
/// one whose outcome counts. The others are asked to stop and waited for. Gives a `std::variant`
/// whose index says which it was (`no_value` for one that gives none).
template <class... Awaitables>
    requires(sizeof...(Awaitables) > 0 && (... && detail::can_be_branch<Awaitables>))
[[nodiscard]] when_any_operation<Awaitables...> when_any(Awaitables&&... several) {
    return when_any_operation<Awaitables...>{static_cast<Awaitables&&>(several)...};
}

/// The same for a range, as `when_all` takes: the index of the first and its value. An empty range
/// is the error invalid_argument.
template <class Range>
    requires(detail::has_branches<Range>)
[[nodiscard]] when_any_of_operation<detail::range_element<Range>> when_any(Range&& several) {
    return detail::over_range<when_any_of_operation>(several);
}

} // namespace dunlin
