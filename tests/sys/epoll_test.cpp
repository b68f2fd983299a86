// The calls of the epoll object and what each refuses. Closing, moving and duplicates are in
// epoll_lifetime_test.cpp, triggering in epoll_matrix_test.cpp, what the kernel reports in which
// situation in epoll_facts_test.cpp, time in epoll_time_test.cpp.
#include "epoll_support.hpp"

#include <sys/epoll.h>
#include <sys/resource.h>

#include <bit>
#include <set>
#include <vector>

using namespace epoll_test;

TEST_CASE("flags are a set", "[sys][epoll]") {
    constexpr epoll_flags both = epoll_flags::in | epoll_flags::out;
    STATIC_REQUIRE(both.has(epoll_flags::in));
    STATIC_REQUIRE(both.has(both));
    STATIC_REQUIRE_FALSE(epoll_flags::in.has(both));
    STATIC_REQUIRE(epoll_flags::in.has_any(both));
    STATIC_REQUIRE_FALSE(both.has_any(epoll_flags::error | epoll_flags::hangup));
    STATIC_REQUIRE((both & epoll_flags::in) == epoll_flags::in);
    STATIC_REQUIRE(both.without(epoll_flags::in) == epoll_flags::out);
    STATIC_REQUIRE((epoll_flags::in & epoll_flags::out).is_none());
    STATIC_REQUIRE(epoll_flags{} == epoll_flags::none);
}

TEST_CASE("an event has the layout of the kernel's", "[sys][epoll]") {
    const epoll::event ours{epoll_flags::in | epoll_flags::edge_triggered, 0x0123'4567'89ab'cdef};
    ::epoll_event kernels{};
    kernels.events = EPOLLIN | EPOLLET;
    kernels.data.u64 = 0x0123'4567'89ab'cdef;
    using bytes = std::array<std::byte, sizeof kernels>;
    CHECK(std::bit_cast<bytes>(ours) == std::bit_cast<bytes>(kernels));
}

TEST_CASE("a new set is open, close-on-exec and empty", "[sys][epoll]") {
    epoll set = make_epoll();
    CHECK_FALSE(set.is_closed());
    CHECK(set.fd().is_open());
    CHECK(is_close_on_exec(set.fd()));
    CHECK(look(set) == 0);
}

TEST_CASE("creating a set without a free descriptor is an error value", "[sys][epoll]") {
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto refused = epoll::create();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(error_of(refused) == std::errc::too_many_files_open);
}

TEST_CASE("an added descriptor is reported when it is ready, with its number", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    std::array<epoll::event, 4> events;
    CHECK(set.wait(events, 0s).value() == 0);

    put(writer, "x");
    REQUIRE(set.wait(events, 10s).value() == 1);
    CHECK(events[0].flags() == epoll_flags::in);
    CHECK(events[0].fd() == reader.borrow());
    CHECK(events[0].data() == static_cast<std::uint64_t>(reader.get()));
}

TEST_CASE("an event carries all 64 bits of the data given", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    std::array<epoll::event, 4> events;
    must(set.add(reader, epoll_flags::in, 0xfedc'ba98'7654'3210));
    REQUIRE(set.wait(events, 0s).value() == 1);
    CHECK(events[0].data() == 0xfedc'ba98'7654'3210);

    must(set.modify(reader, epoll_flags::in, 7));
    REQUIRE(set.wait(events, 0s).value() == 1);
    CHECK(events[0].data() == 7);

    must(set.modify(reader, epoll_flags::in));
    REQUIRE(set.wait(events, 0s).value() == 1);
    CHECK(events[0].fd() == reader.borrow());
}

TEST_CASE("modify changes what is looked out for", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [here, there] = make_tcp_pair();
    must(set.add(here, epoll_flags::in));
    CHECK(look(set) == 0);
    must(set.modify(here, epoll_flags::out));
    epoll_flags seen;
    CHECK(look(set, &seen) == 1);
    CHECK(seen == epoll_flags::out);
    must(set.modify(here, epoll_flags::in));
    CHECK(look(set) == 0);
}

TEST_CASE("a removed descriptor is reported no more, and may be added again", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    must(set.add(reader, epoll_flags::in));
    CHECK(look(set) == 1);
    must(set.remove(reader));
    CHECK(look(set) == 0);
    must(set.add(reader, epoll_flags::in));
    CHECK(look(set) == 1);
}

TEST_CASE("adding twice is file_exists, and the first registration stays", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    must(set.add(reader, epoll_flags::in, 1));
    CHECK(error_of(set.add(reader, epoll_flags::none, 2)) == std::errc::file_exists);
    std::array<epoll::event, 4> events;
    REQUIRE(set.wait(events, 0s).value() == 1);
    CHECK(events[0].data() == 1);
}

TEST_CASE("an unknown descriptor cannot be modified or removed, and nothing changes",
          "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    must(set.add(reader, epoll_flags::in));
    CHECK(error_of(set.modify(writer, epoll_flags::out)) == std::errc::no_such_file_or_directory);
    CHECK(error_of(set.remove(writer)) == std::errc::no_such_file_or_directory);
    CHECK(look(set) == 1);
}

TEST_CASE("a number that is no descriptor is bad_file_descriptor", "[sys][epoll]") {
    epoll set = make_epoll();
    int closed = -1;
    {
        const auto pipe = make_pipe();
        closed = pipe.reader.get();
    }
    for (const int number : {-1, -1000, 1'000'000'000, closed}) {
        const borrowed_fd fd{number};
        CHECK(error_of(set.add(fd, epoll_flags::in)) == std::errc::bad_file_descriptor);
        CHECK(error_of(set.modify(fd, epoll_flags::in)) == std::errc::bad_file_descriptor);
        CHECK(error_of(set.remove(fd)) == std::errc::bad_file_descriptor);
    }
    CHECK(look(set) == 0);
}

TEST_CASE("regular files, directories and /dev/null are operation_not_permitted", "[sys][epoll]") {
    epoll set = make_epoll();
    const unique_fd file{::open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
    const unique_fd folder{::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const unique_fd null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (const auto* each : {&file, &folder, &null}) {
        REQUIRE(each->is_open());
        CHECK(error_of(set.add(*each, epoll_flags::in)) == std::errc::operation_not_permitted);
    }
    CHECK(look(set) == 0);
}

TEST_CASE("exclusive with a flag it does not allow is invalid_argument", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    const epoll_flags exclusive_in = epoll_flags::in | epoll_flags::exclusive;
    for (const epoll_flags also :
         {epoll_flags::one_shot, epoll_flags::read_hangup, epoll_flags::priority,
          epoll_flags::read_normal, epoll_flags::write_band, epoll_flags::message}) {
        CHECK(error_of(set.add(reader, exclusive_in | also)) == std::errc::invalid_argument);
        // The kernel says the same, so refusing up front forbids nothing that would work.
        ::epoll_event asked{};
        asked.events = (exclusive_in | also).bits();
        CHECK(::epoll_ctl(set.fd().get(), EPOLL_CTL_ADD, reader.get(), &asked) == -1);
        CHECK(errno == EINVAL);
    }
    must(set.add(reader, exclusive_in | epoll_flags::out | epoll_flags::edge_triggered |
                             epoll_flags::wakeup | epoll_flags::error | epoll_flags::hangup));
}

TEST_CASE("exclusive cannot come, go or stay by modify", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in));
    CHECK(error_of(set.modify(reader, epoll_flags::in | epoll_flags::exclusive)) ==
          std::errc::invalid_argument);
    must(set.remove(reader));
    must(set.add(reader, epoll_flags::in | epoll_flags::exclusive));
    CHECK(error_of(set.modify(reader, epoll_flags::in)) == std::errc::invalid_argument);
    put(writer, "x");
    CHECK(look(set) == 1); // as it was added
}

TEST_CASE("exclusive on another set is invalid_argument", "[sys][epoll]") {
    epoll set = make_epoll();
    const epoll inner = make_epoll();
    CHECK(error_of(set.add(inner.fd(), epoll_flags::in | epoll_flags::exclusive)) ==
          std::errc::invalid_argument);
}

TEST_CASE("a set in a set is ready when something in it is", "[sys][epoll]") {
    epoll outer = make_epoll();
    epoll inner = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(outer.add(inner.fd(), epoll_flags::in));
    must(inner.add(reader, epoll_flags::in));
    CHECK(look(outer) == 0);
    put(writer, "x");
    CHECK(look(outer) == 1);
    take(reader, 1);
    CHECK(look(outer) == 0);
}

TEST_CASE("a set in itself is invalid_argument", "[sys][epoll]") {
    epoll set = make_epoll();
    CHECK(error_of(set.add(set.fd(), epoll_flags::in)) == std::errc::invalid_argument);
}

TEST_CASE("a circle of sets is ELOOP, and both stay usable", "[sys][epoll]") {
    epoll a = make_epoll();
    epoll b = make_epoll();
    must(a.add(b.fd(), epoll_flags::in));
    CHECK(error_of(b.add(a.fd(), epoll_flags::in)) == std::errc::too_many_symbolic_link_levels);
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    must(b.add(reader, epoll_flags::in));
    CHECK(look(a) == 1);
}

TEST_CASE("sets nest five deep, and the sixth is ELOOP", "[sys][epoll]") {
    std::vector<epoll> sets;
    sets.push_back(make_epoll());
    for (int depth = 2; depth <= 5; ++depth) {
        sets.push_back(make_epoll());
        must(sets.back().add(sets[sets.size() - 2].fd(), epoll_flags::in));
    }
    epoll sixth = make_epoll();
    CHECK(error_of(sixth.add(sets.back().fd(), epoll_flags::in)) ==
          std::errc::too_many_symbolic_link_levels);
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    must(sixth.add(reader, epoll_flags::in));
    CHECK(look(sixth) == 1);
}

TEST_CASE("waiting without room for an event is invalid_argument", "[sys][epoll]") {
    epoll set = make_epoll();
    CHECK(error_of(set.wait({}, 0s)) == std::errc::invalid_argument);
    CHECK(error_of(set.wait({}, std::nullopt)) == std::errc::invalid_argument);
    CHECK(error_of(set.wait({}, 1us)) == std::errc::invalid_argument);
    CHECK(set.poll_raw({}, 0) == -EINVAL);
}

TEST_CASE("with room for one event, a hundred ready descriptors are seen in turn", "[sys][epoll]") {
    epoll set = make_epoll();
    std::vector<pipe_ends> pipes;
    for (int i = 0; i < 100; ++i) {
        pipes.push_back(make_pipe());
        must(set.add(pipes.back().reader, epoll_flags::in));
        put(pipes.back().writer, "x");
    }
    std::set<int> seen;
    for (int i = 0; i < 100; ++i) {
        std::array<epoll::event, 1> one;
        REQUIRE(set.wait(one, 0s).value() == 1);
        seen.insert(one[0].fd().get());
    }
    CHECK(seen.size() == 100);
}
