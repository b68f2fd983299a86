// Descriptors that somebody else made: looked at and used without a change to their flags, and
// without ever blocking.
#include <support/catch.hpp>

#include <dunlin/sys/fd.hpp>
#include <dunlin/sys/foreign.hpp>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace dunlin;

namespace {

struct ends {
    unique_fd out;
    unique_fd in;
};

ends make_pipe() {
    int numbers[2];
    REQUIRE(::pipe2(numbers, O_CLOEXEC) == 0);
    return {unique_fd{numbers[0]}, unique_fd{numbers[1]}};
}

void put(const unique_fd& into, std::string_view words) {
    REQUIRE(::write(into.get(), words.data(), words.size()) == static_cast<ssize_t>(words.size()));
}

bool is_blocking(const unique_fd& fd) { return (::fcntl(fd.get(), F_GETFL) & O_NONBLOCK) == 0; }

void fill(const unique_fd& pipe) {
    const std::vector<std::byte> block(PIPE_BUF);
    while (sys::write_some(pipe.get(), block.data(), block.size()) > 0) {
    }
}

} // namespace

TEST_CASE("readable now: bytes, the end, a hang-up, and no number at all", "[sys][foreign]") {
    auto [out, in] = make_pipe();
    CHECK(sys::is_readable_now(out.get()) == 0);
    put(in, "x");
    CHECK(sys::is_readable_now(out.get()) == 1);
    std::byte one[1];
    CHECK(sys::read_some(out.get(), one, 1) == 1);
    CHECK(sys::is_readable_now(out.get()) == 0);
    in.close();
    CHECK(sys::is_readable_now(out.get()) == 1); // a hang-up without bytes
    CHECK(sys::read_some(out.get(), one, 1) == 0);

    const int number = out.get();
    out.close();
    CHECK(sys::is_readable_now(number) == -EBADF);
    CHECK(sys::is_readable_now(-1) == -EBADF);
    CHECK(sys::is_writable_now(number) == -EBADF);
    CHECK(sys::is_writable_now(-1) == -EBADF);
    CHECK(sys::read_some(number, one, 1) == -EBADF);
    CHECK(sys::write_some(number, one, 1) == -EBADF);
}

TEST_CASE("a half-closed socket is readable now, and writable still", "[sys][foreign]") {
    int numbers[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, numbers) == 0);
    const unique_fd here{numbers[0]};
    const unique_fd there{numbers[1]};
    CHECK(sys::is_readable_now(here.get()) == 0);
    REQUIRE(::shutdown(there.get(), SHUT_WR) == 0);
    CHECK(sys::is_readable_now(here.get()) == 1);
    CHECK(sys::is_writable_now(here.get()) == 1);
}

TEST_CASE("reading a blocking pipe never blocks, and leaves it blocking", "[sys][foreign]") {
    auto [out, in] = make_pipe();
    std::byte into[16];
    CHECK(sys::read_some(out.get(), into, sizeof into) == -EAGAIN);
    put(in, "words");
    CHECK(sys::read_some(out.get(), into, 3) == 3);
    CHECK(sys::read_some(out.get(), into, sizeof into) == 2);
    CHECK(sys::read_some(out.get(), into, sizeof into) == -EAGAIN);
    CHECK(is_blocking(out));
}

TEST_CASE("writing a blocking pipe never blocks, and leaves it blocking", "[sys][foreign]") {
    auto [out, in] = make_pipe();
    const std::vector<std::byte> much(3 * PIPE_BUF);
    CHECK(sys::write_some(in.get(), much.data(), much.size()) == PIPE_BUF); // see pipe(7)
    fill(in);
    CHECK(sys::is_writable_now(in.get()) == 0);
    CHECK(sys::write_some(in.get(), much.data(), 1) == -EAGAIN);
    std::vector<std::byte> into(PIPE_BUF);
    CHECK(sys::read_some(out.get(), into.data(), into.size()) == PIPE_BUF);
    CHECK(sys::is_writable_now(in.get()) == 1);
    CHECK(sys::write_some(in.get(), much.data(), much.size()) == PIPE_BUF);
    CHECK(is_blocking(in));
}

TEST_CASE("a pipe that is non-blocking already takes as much as it has room for",
          "[sys][foreign]") {
    auto [out, in] = make_pipe();
    REQUIRE(::fcntl(in.get(), F_SETFL, O_NONBLOCK) == 0);
    REQUIRE(::fcntl(out.get(), F_SETFL, O_NONBLOCK) == 0);
    const std::vector<std::byte> much(3 * PIPE_BUF);
    CHECK(sys::write_some(in.get(), much.data(), much.size()) == 3 * PIPE_BUF);
    std::vector<std::byte> into(4 * PIPE_BUF);
    CHECK(sys::read_some(out.get(), into.data(), into.size()) == 3 * PIPE_BUF);
    CHECK(sys::read_some(out.get(), into.data(), into.size()) == -EAGAIN);
}

TEST_CASE("a pipe without a reader is writable now, and says why when written", "[sys][foreign]") {
    auto [out, in] = make_pipe();
    fill(in);
    CHECK(sys::is_writable_now(in.get()) == 0);
    out.close();
    CHECK(sys::is_writable_now(in.get()) == 1);
    const auto before = std::signal(SIGPIPE, SIG_IGN); // the program's business, here as there
    const std::byte one[1] = {};
    CHECK(sys::write_some(in.get(), one, 1) == -EPIPE);
    std::signal(SIGPIPE, before);
}

TEST_CASE("a regular file is always ready, and is no terminal", "[sys][foreign]") {
    std::FILE* const file = std::tmpfile();
    REQUIRE(file != nullptr);
    const int number = ::fileno(file);
    std::byte one[1] = {};
    CHECK(sys::is_readable_now(number) == 1);
    CHECK(sys::is_writable_now(number) == 1);
    CHECK(sys::read_some(number, one, 1) == 0);
    CHECK(sys::write_some(number, one, 1) == 1);
    CHECK_FALSE(sys::is_terminal(number));
    CHECK_FALSE(sys::is_terminal(-1));
    std::fclose(file);
}
