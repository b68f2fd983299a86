#include <dunlin/sys/fd.hpp>

#include <support/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <utility>

using dunlin::borrowed_fd;
using dunlin::unique_fd;

namespace {

bool is_open(int number) { return ::fcntl(number, F_GETFD) != -1; }

} // namespace

TEST_CASE("a unique_fd closes its descriptor when it dies", "[sys][fd]") {
    const int number = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    REQUIRE(number >= 0);
    {
        const unique_fd owner{number};
        CHECK(owner.is_open());
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("a moved unique_fd closes once, and the target closes what it had", "[sys][fd]") {
    unique_fd first{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    unique_fd second{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const int kept = first.get();
    const int dropped = second.get();
    second = std::move(first);
    CHECK(second.get() == kept);
    CHECK(is_open(kept));
    CHECK_FALSE(is_open(dropped));
}

TEST_CASE("a borrowed_fd closes nothing", "[sys][fd]") {
    const unique_fd owner{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
    {
        const borrowed_fd loan = owner.borrow();
        CHECK(loan.get() == owner.get());
    }
    CHECK(is_open(owner.get()));
}

TEST_CASE("descriptor zero is a descriptor, and minus one is none", "[sys][fd]") {
    CHECK(borrowed_fd{0}.is_open());
    CHECK_FALSE(borrowed_fd{-1}.is_open());
    CHECK_FALSE(unique_fd{}.is_open());
}
