// How often a ready descriptor is reported: every way of triggering, against what was done about
// it.
#include "epoll_support.hpp"

#include <thread>

using namespace epoll_test;

namespace {

// One row of the table in docs/epoll.md. Each column says what the second wait reports, after the
// first one reported ten bytes and then this was done:
struct row {
    const char* name;
    epoll_flags how;
    std::size_t read_all;      // all ten bytes were read
    std::size_t read_part;     // three of them
    std::size_t read_nothing;  // none
    std::size_t more_came;     // none, and one more byte arrived
    std::size_t part_and_more; // three, and one more byte arrived
    std::size_t all_and_more;  // all ten, and one more byte arrived
    bool can_modify;
    std::size_t modified;         // none, and the same flags were given to `modify`
    std::size_t all_and_modified; // all ten, and the same flags were given to `modify`
};

const row table[] = {
    {"level", epoll_flags::none, 0, 1, 1, 1, 1, 1, true, 1, 0},
    {"edge", epoll_flags::edge_triggered, 0, 0, 0, 1, 1, 1, true, 1, 0},
    {"one-shot", epoll_flags::one_shot, 0, 0, 0, 0, 0, 0, true, 1, 0},
    {"edge, one-shot", epoll_flags::edge_triggered | epoll_flags::one_shot, 0, 0, 0, 0, 0, 0, true,
     1, 0},
    {"exclusive", epoll_flags::exclusive, 0, 1, 1, 1, 1, 1, false, 0, 0},
    {"edge, exclusive", epoll_flags::edge_triggered | epoll_flags::exclusive, 0, 0, 0, 1, 1, 1,
     false, 0, 0},
};

// A set with a pipe of ten bytes that have been reported once.
struct reported_once {
    explicit reported_once(const row& r) : flags{epoll_flags::in | r.how} {
        must(set.add(pipe.reader, flags));
        REQUIRE(look(set) == 0); // not yet
        put(pipe.writer, "0123456789");
        REQUIRE(look(set) == 1); // now
    }
    epoll set = make_epoll();
    pipe_ends pipe = make_pipe();
    epoll_flags flags;
};

} // namespace

TEST_CASE("what is reported again depends on the trigger and on what was done", "[sys][epoll]") {
    for (const row& r : table) {
        DYNAMIC_SECTION(r.name << ", everything read") {
            reported_once it{r};
            take(it.pipe.reader, 100);
            CHECK(look(it.set) == r.read_all);
        }
        DYNAMIC_SECTION(r.name << ", a part read") {
            reported_once it{r};
            take(it.pipe.reader, 3);
            CHECK(look(it.set) == r.read_part);
            CHECK(look(it.set) == r.read_part);
        }
        DYNAMIC_SECTION(r.name << ", nothing read") {
            reported_once it{r};
            CHECK(look(it.set) == r.read_nothing);
            CHECK(look(it.set) == r.read_nothing);
        }
        DYNAMIC_SECTION(r.name << ", nothing read and more came") {
            reported_once it{r};
            put(it.pipe.writer, "x");
            CHECK(look(it.set) == r.more_came);
        }
        DYNAMIC_SECTION(r.name << ", a part read and more came") {
            reported_once it{r};
            take(it.pipe.reader, 3);
            put(it.pipe.writer, "x");
            CHECK(look(it.set) == r.part_and_more);
        }
        DYNAMIC_SECTION(r.name << ", everything read and more came") {
            reported_once it{r};
            take(it.pipe.reader, 100);
            put(it.pipe.writer, "x");
            CHECK(look(it.set) == r.all_and_more);
        }
        DYNAMIC_SECTION(r.name << ", nothing read and modified") {
            reported_once it{r};
            CHECK(it.set.modify(it.pipe.reader, it.flags).has_value() == r.can_modify);
            if (r.can_modify) CHECK(look(it.set) == r.modified);
        }
        DYNAMIC_SECTION(r.name << ", everything read and modified") {
            reported_once it{r};
            take(it.pipe.reader, 100);
            CHECK(it.set.modify(it.pipe.reader, it.flags).has_value() == r.can_modify);
            if (r.can_modify) CHECK(look(it.set) == r.all_and_modified);
        }
    }
}

TEST_CASE("a one-shot descriptor stays in the set after its event", "[sys][epoll]") {
    reported_once it{row{"", epoll_flags::one_shot, 0, 0, 0, 0, 0, 0, true, 0, 0}};
    CHECK(error_of(it.set.add(it.pipe.reader, it.flags)) == std::errc::file_exists);
    it.pipe.writer.close(); // not even a hang-up is reported
    CHECK(look(it.set) == 0);
}

TEST_CASE("edge-triggered, one edge is one event however many bytes came", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    must(set.add(reader, epoll_flags::in | epoll_flags::edge_triggered));
    for (int i = 0; i < 5; ++i)
        put(writer, "x");
    CHECK(look(set) == 1);
    CHECK(look(set) == 0);
}

TEST_CASE("edge-triggered, what is ready already when it is added is reported", "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [reader, writer] = make_pipe();
    put(writer, "x");
    must(set.add(reader, epoll_flags::in | epoll_flags::edge_triggered));
    CHECK(look(set) == 1);
    CHECK(look(set) == 0);
}

TEST_CASE("edge-triggered for both directions, an edge of one reports the other again",
          "[sys][epoll]") {
    epoll set = make_epoll();
    const auto [here, there] = make_tcp_pair();
    must(set.add(here, epoll_flags::in | epoll_flags::out | epoll_flags::edge_triggered));
    epoll_flags seen;
    CHECK(look(set, &seen) == 1);
    CHECK(seen == epoll_flags::out);
    CHECK(look(set) == 0);
    put(there, "x");
    std::array<epoll::event, 1> events;
    REQUIRE(set.wait(events, 10s).value() == 1);
    CHECK(events[0].flags() == (epoll_flags::in | epoll_flags::out));
}

TEST_CASE("of two sets that wait exclusively for one descriptor, at least one is woken",
          "[sys][epoll]") {
    const auto [reader, writer] = make_pipe();
    const auto [stop_reader, stop_writer] = make_pipe();
    epoll sets[2] = {make_epoll(), make_epoll()};
    std::size_t woken[2] = {0, 0};
    for (epoll& each : sets) {
        must(each.add(reader, epoll_flags::in | epoll_flags::exclusive));
        must(each.add(stop_reader, epoll_flags::in));
    }
    std::thread waiters[2];
    for (int i = 0; i < 2; ++i)
        waiters[i] = std::thread{[&set = sets[i], &count = woken[i], fd = reader.borrow(),
                                  answer = stop_writer.borrow()] {
            std::array<epoll::event, 2> events;
            const auto n = set.wait(events, 30s);
            for (std::size_t k = 0; n && k < n.value(); ++k)
                count += events[k].fd() == fd ? 1U : 0U;
            // Whoever is woken ends the wait of both.
            static_cast<void>(!::write(answer.get(), "x", 1));
        }};
    put(writer, "x");
    for (auto& each : waiters)
        each.join();
    CHECK(woken[0] + woken[1] >= 1);
}
