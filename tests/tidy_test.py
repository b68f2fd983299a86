"""Shows tidy.py bad text and good: a check that cannot fail is worth nothing."""

import unittest

import tidy
from tidy_await import await_problems


def in_coroutine(statement, before=""):
    return f"{before}\nio_task<> f(tcp_socket sock) {{\n    {statement}\n}}\n"


class Awaits(unittest.TestCase):
    BAD = {
        "conditional expression": "auto n = ok ? co_await sock.read(a).or_return() : 0;",
        "braced initialiser": "point p{co_await x().or_return(), 1};",
        "braced initialiser ": "auto p = point{.x = co_await x().or_return()};",
        "braced initialiser  ": "std::vector<int> v = {co_await x().or_return()};",
        "call's arguments": "use(1, co_await x().or_return());",
        "call's arguments ": "auto y = std::move(co_await x().or_return());",
        "call's arguments  ": "std::size_t n(co_await x().or_return());",
        "inside REQUIRE": "REQUIRE(co_await x() == 1);",
        "inside CHECK_FALSE": "CHECK_FALSE(co_await x().or_return());",
        "inside parentheses": "(co_await x()).value();",
        "more than one": "auto n = co_await x().or_return() + co_await y().or_return();",
        "in a condition": "if (co_await x().or_return()) go();",
        "in a condition ": "while (!co_await x().or_return()) go();",
        "does not stand alone": "auto n = 1 + co_await x().or_return();",
        "does not stand alone ": "n += co_await x().or_return();",
        "in a condition  ": "for (auto v : co_await x().or_return()) go();",
        "larger expression": "auto n = co_await x().or_return() + 1;",
        "structured binding": "auto [a, b] = co_await x().or_return();",
        "structured binding ": "const auto& [a, b] = co_await x().or_return();",
        "cast away": "(void)co_await sock.write(b);",
        "is dropped": "co_await sock.write(b);",
        "is dropped ": "co_await dunlin::sleep_for(1s);",
        "is dropped  ": "if (ok) co_await sock.write(b); else go();",
        "is dropped   ": "{ go(); } co_await sock.write(b).timeout(3s);",
        "is dropped    ": "co_await child;",
        "captured values": "co_await run([n] { return n; }).or_return();",
        "captured values ": "auto r = co_await run([&a, b = 1] { return a + b; }).or_return();",
        "index or captures": "auto n = numbers[co_await x().or_return()];",
    }
    GOOD = [
        "co_await sock.write(b).or_return();",
        "co_await sock.write(b).timeout(3s).ignore();",
        "auto n = co_await sock.read(a).or_return();",
        "const std::size_t n = co_await sock.read(std::span{a}).or_throw();",
        "n = co_await sock.read(a);",
        "while (auto data = co_await sock.read().or_return()) co_await sock.write(data).or_return();",
        "if (auto n = co_await x(); n) go();",
        "for (auto n = co_await x().or_return(); n > 0; --n) go();",
        "co_return co_await x();",
        "switch (auto n = co_await x().or_return()) { case 1: co_await y().or_return(); break; default: go(); }",
        "co_await serve(std::move(l), session, {.max_connections = 50'000, .drain = 10s}).or_return();",
        "auto body = [n]() -> io_task<> { co_await x(n).or_return(); }; auto r = co_await body();",
        "loop.run([&]() -> io_task<> { co_await x().or_return(); }());",
        "group.spawn([](int a) -> task<> { auto n = co_await x(a); use(n); }, 1);",
        "for (;;) { auto n = co_await x().or_return(); if (!n) break; }",
        "do co_await x().or_return(); while (more());",
        "if (a < b) { co_await x().or_return(); } else { co_await y().or_return(); }",
        "try { co_await x().or_throw(); } catch (const std::system_error&) { go(); }",
        "co_await dunlin::yield().or_return();",
        "co_await dunlin::fail(ec);",
        'log("co_await sock.write(x);"); // co_await sock.write(x);',
        "co_await sock.write(b); // tidy: the test is about dropping it",
        "// tidy: the test is about dropping it\n    co_await sock.write(b);",
        "auto text = R\"x(co_await a;)x\"; char c = '\"'; co_await y().or_return();",
    ]

    def test_every_bad_form_is_found_and_called_by_its_name(self):
        for name, statement in self.BAD.items():
            with self.subTest(statement=statement):
                found = list(await_problems(in_coroutine(statement)))
                self.assertEqual(len(found) if "more than" not in name else 1, 1, found)
                self.assertEqual(found[0][0], 3)
                self.assertIn(name.strip(), found[0][1])

    def test_no_good_form_is_found(self):
        for statement in self.GOOD:
            with self.subTest(statement=statement):
                self.assertEqual(list(await_problems(in_coroutine(statement))), [])

    def test_tasks_and_awaiters_that_give_nothing_may_be_awaited_as_statements(self):
        for before, statement in (
                ("task<> child(int n);", "co_await child(1);"),
                ("dunlin::task<void> child();", "co_await child();"),
                ("auto child = [](int n) -> dunlin::task<> { co_return; };", "co_await child(1);"),
                ("struct pause { bool await_ready(); void await_resume(); };", "co_await pause{};"),
                ("struct pause { void await_resume(); };\npause rest(int);", "co_await rest(1);")):
            with self.subTest(before=before):
                self.assertEqual(list(await_problems(in_coroutine(statement, before))), [])
        for before in ("io_task<> child();", "task<int> child();", "struct pause { int await_resume(); };"):
            with self.subTest(before=before):
                self.assertTrue(list(await_problems(in_coroutine("co_await child();", before))))

    def test_members_and_templates_with_qualifiers_and_trailing_types_are_blocks(self):
        for head in ("auto operator co_await() && noexcept {", "auto f() const -> std::map<int, long> {",
                     "struct s final : base<int> { task<> f() noexcept(true) {", "namespace a::b { task<> f() {",
                     "template <class T> requires small<T> io_task<T> f(T t) {", "auto f = [] {",
                     "auto f = [n]() mutable {", "auto f = []() -> io_task<> {"):
            with self.subTest(head=head):
                self.assertEqual(list(await_problems(head + " co_await x().or_return(); }")), [])


class Layers(unittest.TestCase):
    def problems(self, name, *headers):
        return [text for _, text in tidy.layer_problems(name, "".join(f"#include <{h}>\n" for h in headers))]

    def test_an_include_that_points_left_is_found(self):
        for name, header in (("loop/a.hpp", "dunlin/task/task.hpp"), ("sys/a.cpp", "dunlin/loop/a.hpp"),
                             ("task/a.cpp", "dunlin/net/a.hpp"), ("task/a.hpp", "dunlin/sync/event.hpp"),
                             ("util/a.hpp", "dunlin/sys/fd.hpp"), ("result.hpp", "dunlin/util/a.hpp"),
                             ("util/a.hpp", "dunlin/result.hpp"), ("http/a.cpp", "dunlin/testing/a.hpp"),
                             ("net/a.cpp", "dunlin/dunlin.hpp"), ("sys_sim/a.cpp", "dunlin/loop/a.hpp"),
                             ("net/a.cpp", "dunlin/sys_sim/a.hpp"), ("sim/a.hpp", "dunlin/sys_sim/a.hpp")):
            with self.subTest(name=name, header=header):
                self.assertEqual(len(self.problems(name, header)), 1)

    def test_an_include_that_points_right_is_not(self):
        for name, header in (("net/a.cpp", "dunlin/sys/socket.hpp"), ("loop/a.hpp", "dunlin/util/a.hpp"),
                             ("sync/a.hpp", "dunlin/task/task.hpp"), ("dunlin.hpp", "dunlin/net/a.hpp"),
                             ("sys/a.hpp", "dunlin/result.hpp"), ("net/a.hpp", "dunlin/net/b.hpp"),
                             ("sim/a.cpp", "dunlin/sys_sim/a.hpp")):
            with self.subTest(name=name, header=header):
                self.assertEqual(self.problems(name, header), [])

    def test_a_kernel_header_outside_sys_is_found(self):
        for header in ("sys/epoll.h", "unistd.h", "fcntl.h", "netinet/in.h", "errno.h", "csignal", "ctime", "random"):
            with self.subTest(header=header):
                self.assertEqual(len(self.problems("loop/a.cpp", header)), 1)
                self.assertEqual(self.problems("sys/a.cpp", header), [])
                self.assertEqual(len(self.problems("sys/epoll.hpp", header)), 1)
        self.assertEqual(self.problems("loop/a.cpp", "cerrno", "atomic", "chrono"), [])

    def test_a_public_header_that_includes_a_private_or_a_heavy_one_is_found(self):
        for header in ("dunlin/sys/socket.hpp", "dunlin/net/detail/a.hpp", "memory", "functional", "algorithm",
                       "ranges", "thread", "iostream"):
            with self.subTest(header=header):
                self.assertEqual(len(self.problems("net/a.hpp", header)), 1)
                if header not in ("thread", "iostream"):
                    self.assertEqual(self.problems("net/a.cpp", header), [])
        self.assertEqual(self.problems("net/detail/a.hpp", "dunlin/sys/socket.hpp"), [])

    def test_a_quoted_include_and_a_folder_without_a_place_are_found(self):
        self.assertTrue(list(tidy.layer_problems("net/a.cpp", '#include "b.hpp"\n')))
        self.assertTrue(self.problems("new_folder/a.cpp"))

    def test_a_program_that_reaches_behind_the_public_headers_is_found(self):
        def problems(path, header):
            return len(list(tidy.app_problems(path, f"#include <{header}>\n")))
        self.assertEqual(problems("apps/echo/main.cpp", "dunlin/sys/socket.hpp"), 1)
        self.assertEqual(problems("apps/echo/main.cpp", "sys/socket.h"), 1)
        self.assertEqual(problems("apps/echo_epoll/main.cpp", "sys/socket.h"), 0)
        self.assertEqual(problems("apps/echo/main.cpp", "dunlin/dunlin.hpp"), 0)
        self.assertEqual(problems("apps/echo/main.cpp", "csignal"), 0)


class Six(unittest.TestCase):
    HEADER = """
    class operation {};
    class DUNLIN_API io_operation : public operation { };            // in between: not awaited itself
    class [[nodiscard]] DUNLIN_API read_operation final : public io_operation, public spellings<read_operation> { };
    class [[nodiscard]] nap final : public detail::operation { };
    // class old_operation : public operation { };
    class many final : public io_operation, public spellings<many<N>> { };
    class other : public thing<operation> { };
    enum class kind : int { a };
    """

    def test_the_ends_of_every_derivation_are_found(self):
        found = tidy.derived_operations([("a.hpp", self.HEADER)])
        self.assertEqual(sorted(found), ["many", "nap", "read_operation"])
        self.assertEqual(found["read_operation"], ("a.hpp", 4))

    def test_a_missing_case_and_a_misspelt_tag_are_found(self):
        operations = {"nap": ("a.hpp", 3)}
        tags = [f'TEST_CASE("x", "[six:nap:{case}]")' for case in tidy.SIX]
        self.assertEqual(list(tidy.missing_tests(operations, tags)), [])
        self.assertIn("spurious", list(tidy.missing_tests(operations, tags[:2] + tags[3:]))[0][2])
        self.assertEqual(len(list(tidy.missing_tests(operations, tags + ["[six:gone:ready]"]))), 1)
        self.assertEqual(len(list(tidy.missing_tests(operations, tags + ["[six:nap:redy]"]))), 1)


class Words(unittest.TestCase):
    def test_each_of_them_is_found(self):
        for text in ("x // TO" "DO: later\n", "x // FIX" "ME\n", "a /home" "/me/x\n", "b = '/tmp" "/echo.sock'\n",
                     "in /srv/tree/x\n", "blank \n", "no newline", "a\r\n"):
            with self.subTest(text=text):
                self.assertTrue(list(tidy.word_problems(text, root="/srv/tree")))

    def test_what_is_right_is_not(self):
        for text in ("", "x // TO" "DO(perf): a table\n", "/proc/self/fd and /dev/full\n", "TO" "DOS\n"):
            with self.subTest(text=text):
                self.assertEqual(list(tidy.word_problems(text, root="/srv/tree")), [])


class Blocks(unittest.TestCase):
    def test_the_cpp_blocks_of_a_page_are_found_with_their_lines(self):
        page = "# A\n\n```cpp\nint a;\n```\n\n```sh\nls\n```\n  ```cpp\n  int b;\n  ```\n"
        self.assertEqual(list(tidy.doc_blocks(page)), [(4, "int a;\n"), (11, "  int b;\n")])


class Headers(unittest.TestCase):
    def test_a_header_that_does_not_compile_is_found(self):
        self.assertTrue(list(tidy.header_problems(["false"])))


if __name__ == "__main__":
    unittest.main()
