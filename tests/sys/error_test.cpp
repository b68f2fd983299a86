#include <dunlin/sys/error.hpp>

#include <support/catch.hpp>

#include <string>

using dunlin::errc;

namespace {

constexpr errc every_error[] = {errc::timeout,     errc::stopped,       errc::closed,
                                errc::busy,        errc::end_of_stream, errc::not_pollable,
                                errc::bad_address, errc::too_long};

} // namespace

TEST_CASE("an errc is an error code of the category dunlin", "[sys][error]") {
    const std::error_code why = errc::timeout;
    CHECK(why.category() == dunlin::dunlin_category());
    CHECK(std::string{why.category().name()} == "dunlin");
    CHECK(why == errc::timeout);
    CHECK(why != errc::stopped);
}

TEST_CASE("no errc is zero, which would mean success", "[sys][error]") {
    for (const errc each : every_error)
        CHECK(std::error_code{each});
}

TEST_CASE("each errc has a message of one line, and no two have the same", "[sys][error]") {
    for (const errc each : every_error) {
        const std::string message = make_error_code(each).message();
        CHECK_FALSE(message.empty());
        CHECK(message.find('\n') == std::string::npos);
        CHECK(message.find("unknown") == std::string::npos);
        for (const errc other : every_error)
            if (other != each) CHECK(make_error_code(other).message() != message);
    }
}

TEST_CASE("a number that is no errc still has a message", "[sys][error]") {
    CHECK(dunlin::dunlin_category().message(99) == "unknown dunlin error 99");
}

TEST_CASE("an errc equals the std::errc that is nearest to it", "[sys][error]") {
    CHECK(std::error_code{errc::timeout} == std::errc::timed_out);
    CHECK(std::error_code{errc::stopped} == std::errc::operation_canceled);
    CHECK(std::error_code{errc::closed} == std::errc::bad_file_descriptor);
    CHECK(std::error_code{errc::busy} == std::errc::device_or_resource_busy);
    CHECK(std::error_code{errc::not_pollable} == std::errc::operation_not_permitted);
    CHECK(std::error_code{errc::bad_address} == std::errc::invalid_argument);
    CHECK(std::error_code{errc::too_long} == std::errc::message_size);
}

TEST_CASE("the end of a stream equals no std::errc", "[sys][error]") {
    const std::error_condition nearest =
        make_error_code(errc::end_of_stream).default_error_condition();
    CHECK(nearest.category() == dunlin::dunlin_category());
}

TEST_CASE("the kernel's ETIMEDOUT is not mistaken for a timeout of ours", "[sys][error]") {
    const std::error_code kernel = std::make_error_code(std::errc::timed_out);
    CHECK(kernel == std::errc::timed_out);
    CHECK(kernel != errc::timeout);
}
