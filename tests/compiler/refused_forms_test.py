#!/usr/bin/env python3
"""Forms of `co_await` that GCC 12 does not compile at all: is that still so?

Usage: refused_forms_test.py COMPILER... (a command). Each form is right C++ or a common extension. It
fails only if GCC 12 or Clang 16 or 19 does not do what is known of it; of others it is a report.
"""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))

FORMS = {
    # Hence `write(a, b)` is variadic.
    "a braced list as an argument": """
        #include "harness.hpp"
        #include <initializer_list>
        #include <string_view>
        idiom::task<int> write(std::initializer_list<std::string_view>);
        idiom::task<int> form(std::string_view a, std::string_view b) {
            const int given = co_await write({a, b});
            co_return given;
        }""",
    # Hence there is no macro that gives a value or returns the error.
    "a statement expression": """
        #include "harness.hpp"
        #include <optional>
        idiom::task<std::optional<idiom::tracked>> find();
        idiom::task<int> form() {
            const idiom::tracked value = ({
                auto&& found = co_await find();
                if (!found) co_return 1;
                std::move(*found);
            });
            co_return value.value();
        }""",
}

REFUSED_BY = {"gcc 12"}
KNOWN = {"gcc 12", "clang 16", "clang 19"}


def compiler_name(compiler):
    macros = subprocess.run([*compiler, "-dM", "-E", "-x", "c++", os.devnull],
                            capture_output=True, text=True, check=True).stdout
    clang = re.search(r"#define __clang_major__ (\d+)", macros)
    gcc = re.search(r"#define __GNUC__ (\d+)", macros)
    return f"clang {clang[1]}" if clang else f"gcc {gcc[1]}" if gcc else "unknown"


def main():
    compiler = sys.argv[1:]
    name = compiler_name(compiler)
    failed = False
    for form, source in FORMS.items():
        command = [*compiler, "-std=c++20", "-w", "-I", HERE, "-S", "-o", os.devnull, "-x", "c++", "-"]
        done = subprocess.run(command, input=source, capture_output=True, text=True)
        compiles = done.returncode == 0
        expected = name not in REFUSED_BY
        comment = ""
        if compiles != expected:
            comment = ": UNEXPECTED" if name in KNOWN else ": note, this compiler is not known"
            print(done.stderr)
        print(f"{name} {'compiles' if compiles else 'refuses'} {form}{comment}")
        failed |= compiles != expected and name in KNOWN
    sys.exit(failed)


main()
