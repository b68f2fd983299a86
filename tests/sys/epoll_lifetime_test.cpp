// The life of the epoll object and of what is in it: close, move, duplicates, sets made elsewhere.
#include "epoll_support.hpp"

#include <dunlin/sys/error.hpp>

#include <sys/epoll.h>
#include <sys/wait.h>

using namespace epoll_test;

TEST_CASE("closing the last duplicate of a descriptor takes it out of the set", "[sys][epoll]") {
    epoll set = make_epoll();
    auto [reader, writer] = make_pipe();
    put(writer, "x");
    must(set.add(reader, epoll_flags::in));
    CHECK(look(set) == 1);
    reader.close();
    CHECK(look(set) == 0);
}

TEST_CASE("while a duplicate is open, events of a closed descriptor go on and cannot be removed",
          "[sys][epoll]") {
    epoll set = make_epoll();
    auto [reader, writer] = make_pipe();
    const unique_fd duplicate{::fcntl(reader.get(), F_DUPFD_CLOEXEC, 0)};
    const borrowed_fd number = reader;
    must(set.add(reader, epoll_flags::in));
    put(writer, "x");
    reader.close();
    CHECK(look(set) == 1);
    CHECK(error_of(set.remove(number)) == std::errc::bad_file_descriptor);
    CHECK(error_of(set.remove(duplicate)) == std::errc::no_such_file_or_directory);
    CHECK(look(set) == 1);

    // A way back, if the number is free: the kernel knows it as number and open file together.
    REQUIRE(::dup3(duplicate.get(), number.get(), O_CLOEXEC) == number.get());
    const unique_fd again{number.get()};
    must(set.remove(again));
    CHECK(look(set) == 0);
}

TEST_CASE("a child process that inherited a descriptor keeps its events coming", "[sys][epoll]") {
    epoll set = make_epoll();
    auto [reader, writer] = make_pipe();
    int hold[2];
    REQUIRE(::pipe2(hold, O_CLOEXEC) == 0);
    const unique_fd held{hold[0]};
    unique_fd release{hold[1]};
    must(set.add(reader, epoll_flags::in));
    const pid_t child = ::fork();
    if (child == 0) {
        char unused;
        ::close(hold[1]);
        ::_exit(::read(hold[0], &unused, 1) == 0 ? 0 : 1); // until the parent lets go
    }
    REQUIRE(child > 0);
    put(writer, "x");
    reader.close();
    CHECK(look(set) == 1);
    release.close();
    int status = -1;
    CHECK(::waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(look(set) == 0);
}

TEST_CASE("removing before closing ends the events, whatever duplicates are left", "[sys][epoll]") {
    epoll set = make_epoll();
    auto [reader, writer] = make_pipe();
    const unique_fd duplicate{::fcntl(reader.get(), F_DUPFD_CLOEXEC, 0)};
    must(set.add(reader, epoll_flags::in));
    put(writer, "x");
    CHECK(look(set) == 1);
    must(set.remove(reader));
    reader.close();
    CHECK(look(set) == 0);
}

TEST_CASE("a descriptor and its duplicate can both be in a set", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    const unique_fd duplicate{::fcntl(reader.get(), F_DUPFD_CLOEXEC, 0)};
    must(set.add(reader, epoll_flags::in));
    must(set.add(duplicate, epoll_flags::in));
    put(writer, "x");
    CHECK(look(set) == 2);
}

TEST_CASE("close is idempotent, and everything after it says closed", "[sys][epoll]") {
    epoll set = make_epoll();
    const int number = set.fd().get();
    const auto [reader, writer] = make_pipe();
    set.close();
    set.close();
    CHECK(set.is_closed());
    CHECK_FALSE(set.fd().is_open());
    CHECK(::fcntl(number, F_GETFD) == -1);
    std::array<epoll::event, 1> room;
    const std::error_code closed = dunlin::errc::closed;
    CHECK(set.add(reader, epoll_flags::in).error() == closed);
    CHECK(set.add(reader, epoll_flags::in, 1).error() == closed);
    CHECK(set.modify(reader, epoll_flags::in).error() == closed);
    CHECK(set.remove(reader).error() == closed);
    CHECK(set.wait(room, 0s).error() == closed);
    CHECK(set.wait(room, std::nullopt).error() == closed);
    CHECK(set.wait({}, 0s).error() == closed);
    CHECK(set.poll_raw(room, 0) == -EBADF);
}

TEST_CASE("a moved set goes on under its new name, and the old one is closed", "[sys][epoll]") {
    epoll first = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(first.add(reader, epoll_flags::in));
    put(writer, "x");
    epoll second;
    CHECK(second.is_closed());
    second = std::move(first);
    CHECK(first.is_closed()); // NOLINT(bugprone-use-after-move): the state is documented
    CHECK(look(second) == 1);
}

TEST_CASE("from_fd takes over a set and makes it close-on-exec", "[sys][epoll]") {
    unique_fd raw{::epoll_create1(0)};
    const borrowed_fd number = raw;
    const auto [reader, writer] = make_pipe();
    ::epoll_event asked{};
    asked.events = EPOLLIN | EPOLLONESHOT;
    REQUIRE(::epoll_ctl(raw.get(), EPOLL_CTL_ADD, reader.get(), &asked) == 0);
    put(writer, "x");
    {
        auto made = epoll::from_fd(std::move(raw));
        REQUIRE(made);
        epoll set = std::move(made).value();
        CHECK(set.fd() == number);
        CHECK(is_close_on_exec(number));
        CHECK(look(set) == 1); // the look inside took no event away
    }
    CHECK(::fcntl(number.get(), F_GETFD) == -1);
}

TEST_CASE("from_fd of a loan shares the set, and closes independently", "[sys][epoll]") {
    epoll original = make_epoll();
    const auto [reader, writer] = make_pipe();
    auto made = epoll::from_fd(original.fd());
    REQUIRE(made);
    epoll copy = std::move(made).value();
    CHECK(copy.fd() != original.fd());
    CHECK(is_close_on_exec(copy.fd()));
    must(copy.add(reader, epoll_flags::in));
    put(writer, "x");
    CHECK(look(original) == 1);
    copy.close();
    CHECK(look(original) == 1);
}

TEST_CASE("from_fd refuses what is not an epoll descriptor", "[sys][epoll]") {
    auto [reader, writer] = make_pipe();
    const borrowed_fd number = reader;
    CHECK(error_of(epoll::from_fd(number)) == std::errc::invalid_argument);
    CHECK(error_of(epoll::from_fd(borrowed_fd{-1})) == std::errc::bad_file_descriptor);
    CHECK(error_of(epoll::from_fd(unique_fd{})) == std::errc::bad_file_descriptor);
    const unique_fd file{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    CHECK(error_of(epoll::from_fd(file.borrow())) == std::errc::invalid_argument);
    CHECK(::fcntl(number.get(), F_GETFD) != -1);

    CHECK(error_of(epoll::from_fd(std::move(reader))) == std::errc::invalid_argument);
    CHECK(::fcntl(number.get(), F_GETFD) == -1); // given away, so closed
}
