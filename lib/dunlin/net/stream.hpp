// What a stream is: the concepts that `buffered_reader`, `any_stream` and protocols ask for.
//
// A stream carries bytes both ways, in order, with an end. `tcp_socket`, `any_stream` and the
// `memory_stream` of testing/ are streams; so is whatever has these members:
//
//     read()             gives a `buffer`, empty at the end
//     read(span)         gives the number of bytes, 0 at the end or for an empty span
//     write(span, moved) gives nothing; done when all of it was taken, `*moved` (unless null) says
//                        at all times how much that is
//     shutdown_write()   a result<void>, at once: the other side reads the end after what was sent
//     close()            whoever waits on it is told `closed`
//
// The first three give something to await: an operation (loop/operation.hpp), or an `io_task`, as
// a stream would that is made of others. So each has `.timeout()`, `.or_return()` and the other
// spellings, and generic code may rely on:
//
// - a read that is stopped, timed out or destroyed has taken nothing;
// - one task may read while another writes; a second reader or writer is told `busy`;
// - an operation is awaited at once, and does not refer to the stream object itself once it waits,
//   so closing or destroying the stream meanwhile ends it with `closed`. (One made of tasks may
//   ask to outlive them.)
#pragma once

#include <dunlin/loop/operation.hpp>
#include <dunlin/net/buffer.hpp>
#include <dunlin/result.hpp>
#include <dunlin/task/task.hpp>

#include <concepts>
#include <cstddef>
#include <span>

namespace dunlin {

namespace detail {
template <class Awaitable>
struct awaited; // others are not for `or_return`
template <class Operation>
    requires(std::derived_from<Operation, operation>)
struct awaited<Operation> {
    using value_type = typename Operation::value_type;
};
template <class T>
struct awaited<io_task<T>> {
    using value_type = T;
};
} // namespace detail

/// An operation or an io_task that gives a T: `T t = co_await a.or_return();`
template <class Awaitable, class T>
concept awaitable_of = std::same_as<typename detail::awaited<Awaitable>::value_type, T>;

/// The reading side of a stream; `tcp_reader` is one.
template <class S>
concept readable_stream = std::movable<S> && requires(S& s, std::span<std::byte> into) {
    { s.read() } -> awaitable_of<buffer>;
    { s.read(into) } -> awaitable_of<std::size_t>;
    s.close();
};

/// The writing side; `tcp_writer` is one.
template <class S>
concept writable_stream =
    std::movable<S> && requires(S& s, std::span<const std::byte> bytes, std::size_t* moved) {
        { s.write(bytes) } -> awaitable_of<void>;
        { s.write(bytes, moved) } -> awaitable_of<void>;
        { s.shutdown_write() } -> std::same_as<result<void>>;
        s.close();
    };

/// Both.
template <class S>
concept stream = readable_stream<S> && writable_stream<S>;

} // namespace dunlin
