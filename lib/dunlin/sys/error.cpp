#include <dunlin/sys/error.hpp>

#include <string>

namespace dunlin {
namespace {

class category final : public std::error_category {
public:
    constexpr category() noexcept = default;

    const char* name() const noexcept override { return "dunlin"; }

    std::string message(int value) const override {
        switch (static_cast<errc>(value)) {
        case errc::timeout:
            return "the timeout expired";
        case errc::stopped:
            return "stopped before it was done";
        case errc::closed:
            return "closed on this side";
        case errc::busy:
            return "another task is using it already";
        case errc::end_of_stream:
            return "the stream ended too early";
        case errc::not_pollable:
            return "epoll cannot wait for this kind of descriptor";
        case errc::bad_address:
            return "not a valid address or port";
        case errc::too_long:
            return "longer than the limit allows";
        }
        return "unknown dunlin error " + std::to_string(value);
    }

    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<errc>(value)) {
        case errc::timeout:
            return std::errc::timed_out;
        case errc::stopped:
            return std::errc::operation_canceled;
        case errc::closed:
            return std::errc::bad_file_descriptor;
        case errc::busy:
            return std::errc::device_or_resource_busy;
        case errc::not_pollable:
            return std::errc::operation_not_permitted;
        case errc::bad_address:
            return std::errc::invalid_argument;
        case errc::too_long:
            return std::errc::message_size;
        case errc::end_of_stream:
            break; // the kernel knows no such error: it reports the end as a length of 0
        }
        return {value, *this};
    }
};

// The union keeps the category's destructor from running at exit, when others may still compare.
union immortal {
    constexpr immortal() noexcept : value{} {}
    ~immortal() {}
    category value;
};

constinit immortal the_category;

} // namespace

const std::error_category& dunlin_category() noexcept { return the_category.value; }

} // namespace dunlin
