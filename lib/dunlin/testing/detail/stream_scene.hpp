// What a rule about streams is given: two connected ends, and words for what goes wrong.
//
// A rule is a coroutine over a scene that ends with an error as soon as something is not as it
// should be; the scene then holds what was expected and what was seen. All waits in here are
// bounded by the options' `patience`.
#pragma once

#include <dunlin/net/any_stream.hpp>
#include <dunlin/net/buffer.hpp>
#include <dunlin/sys/error.hpp>
#include <dunlin/task/task.hpp>
#include <dunlin/testing/check_stream.hpp>
#include <dunlin/testing/detail/running.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

namespace dunlin::detail {

/// The two ways to read.
enum class read_by : std::uint8_t { buffer, span };
inline constexpr read_by each_read[] = {read_by::buffer, read_by::span};

class stream_scene {
public:
    stream_scene(stream_source& from, const check_stream_options& given) noexcept
        : source{from}, options{given} {}

    any_stream here;
    any_stream there;
    stream_source& source;
    const check_stream_options& options;

    std::string expected; ///< Of what went wrong first; empty as long as nothing has.
    std::string seen;

    /// A new pair in place of the old one.
    io_task<> renew();

    /// Ends the rule unless `is_so`: `co_await or_return(expect(...))`.
    result<void> expect(bool is_so, std::string_view what, std::string_view instead);

    /// Ends the rule unless these are the bytes.
    result<void> expect_bytes(std::string_view came, std::string_view sent);

    /// Ends the rule unless `came` is the error `why`.
    template <class T>
    result<void> expect_error(const result<T>& came, std::error_code why, std::string_view what);

    /// The same for what runs beside: it has ended with that.
    template <class T>
    result<void> expect_error(const running<T>& came, std::error_code why, std::string_view what);

    // Single steps that have to succeed, or the rule ends.

    /// Writes all of it.
    io_task<> put(any_stream& to, std::string_view bytes);

    /// Reads once: at least a byte, at most `most`.
    io_task<std::string> get_some(any_stream& from, std::size_t most);

    /// Reads until so many bytes have come, in pieces of at most `piece`.
    io_task<std::string> get(any_stream& from, std::size_t size, std::size_t piece = 32 * 1024);

    /// Reads to the end of the stream, by spans of at most `piece`.
    io_task<std::string> get_to_end(any_stream& from, std::size_t piece = 32 * 1024);

    /// Reads the end, in both ways.
    io_task<> get_end(any_stream& from);

    /// Nothing comes as long as it is quiet.
    io_task<> get_nothing(any_stream& from);

    /// Waits for the end of what runs beside; it must come, and with success.
    template <class T>
    io_task<T> finish(running<T>& beside, std::string_view what);

    /// Waits for its end, whatever it is.
    template <class T>
    io_task<> finish_anyhow(running<T>& beside, std::string_view what);

    /// Waits for its end, which must be the error `why`.
    template <class T>
    io_task<> finish_with(running<T>& beside, errc why, std::string_view what);

    /// Lets what runs beside come as far as it can without the clock or the peer; it must not have
    /// ended then.
    template <class T>
    io_task<> let_wait(running<T>& beside, std::string_view what);
};

/// Lets every other task run until it waits.
io_task<> let_others_run();

/// So many bytes, different at every place.
[[nodiscard]] std::string pattern(std::size_t size, std::uint32_t seed);

[[nodiscard]] std::span<const std::byte> as_bytes(std::string_view text) noexcept;

// Single operations as tasks, without a timeout: for `running`.
[[nodiscard]] io_task<std::string> read_once(any_stream& from, read_by how);
[[nodiscard]] io_task<> write_all(any_stream& to, std::string_view bytes,
                                  std::size_t* moved = nullptr);

[[nodiscard]] std::string in_words(std::error_code why);
[[nodiscard]] std::string in_words(const result<void>& given);
[[nodiscard]] std::string in_words(const result<std::size_t>& given);
[[nodiscard]] std::string in_words(const result<std::string>& given);
[[nodiscard]] std::string in_words(const result<buffer>& given);

template <class T>
[[nodiscard]] std::string in_words(const running<T>& beside) {
    if (!beside.thrown().empty()) return beside.thrown();
    return beside.outcome() ? in_words(*beside.outcome()) : "it still waits";
}

// Implementation

template <class T>
result<void> stream_scene::expect_error(const result<T>& came, std::error_code why,
                                        std::string_view what) {
    return expect(!came && came.error() == why, what, in_words(came));
}

template <class T>
result<void> stream_scene::expect_error(const running<T>& came, std::error_code why,
                                        std::string_view what) {
    const bool has_failed = came.outcome() && !*came.outcome();
    return expect(has_failed && came.outcome()->error() == why, what, in_words(came));
}

template <class T>
io_task<> stream_scene::finish_anyhow(running<T>& beside, std::string_view what) {
    const bool has_ended = co_await beside.ends_within(options.patience);
    co_await dunlin::or_return(expect(has_ended && beside.outcome(), what, in_words(beside)));
}

template <class T>
io_task<> stream_scene::finish_with(running<T>& beside, errc why, std::string_view what) {
    co_await finish_anyhow(beside, what).or_return();
    co_await dunlin::or_return(expect_error(beside, why, what));
}

template <class T>
io_task<T> stream_scene::finish(running<T>& beside, std::string_view what) {
    co_await finish_anyhow(beside, what).or_return();
    co_await dunlin::or_return(expect(beside.outcome()->has_value(), what, in_words(beside)));
    if constexpr (!std::is_void_v<T>) co_return beside.outcome()->assume_value();
}

template <class T>
io_task<> stream_scene::let_wait(running<T>& beside, std::string_view what) {
    co_await let_others_run().or_return();
    co_await dunlin::or_return(expect(!beside.has_ended(), what, in_words(beside)));
}

} // namespace dunlin::detail
