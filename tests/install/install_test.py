#!/usr/bin/env python3
"""Installs dunlin from a build folder and uses it as its users do: Meson, CMake, a Meson subproject.

usage: install_test.py <build folder>

The three consumers (main.cpp and a test on the simulated kernel, three build files) are built outside of our tree
against the copy in a temporary folder, and run. What is installed is compared with the headers in the tree, so that a new one
is not forgotten.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SKIPPED = 77
PUBLIC_IN_SYS = {"epoll.hpp", "error.hpp", "fd.hpp", "resolver_error.hpp"}


def output_of(*words, env=None):
    """Runs a command and gives back what it printed; when it fails, that is shown and the test ends."""
    done = subprocess.run([str(w) for w in words], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        print(done.stdout)
        sys.exit(f"failed: {' '.join(str(w) for w in words)}")
    return done.stdout


def expect(holds, otherwise):
    if not holds:
        sys.exit(otherwise)


def public_headers(with_sim):
    """The headers that users may include: see "Layers" in docs/design.md."""
    headers = {"version.hpp"}
    for path in (ROOT / "lib/dunlin").rglob("*.hpp"):
        header = path.relative_to(ROOT / "lib/dunlin")
        internal = ("detail" in header.parts or header.parts[0] == "sys_sim"
                    or header.parts[0] == "sim" and not with_sim
                    or header.parts[0] == "sys" and header.name not in PUBLIC_IN_SYS)
        if not internal:
            headers.add(str(header))
    return headers


def all_public_headers_are_installed(prefix, with_sim):
    include = prefix / "include/dunlin"
    installed = {str(path.relative_to(include)) for path in include.rglob("*.hpp")}
    public = public_headers(with_sim)
    forgotten = sorted(public - installed)
    expect(not forgotten, f"not installed: {forgotten}; list them in their folder's meson.build")
    surplus = sorted(installed - public)
    expect(not surplus, f"installed, but not public: {surplus}")


def consumer(temporary, name):
    """A copy of one consumer, in a folder of its own outside of our tree."""
    folder = temporary / name
    shutil.copytree(HERE / name, folder)
    shutil.copy(HERE / "main.cpp", folder)
    shutil.copy(HERE / "simulated.cpp", folder)
    return folder


def run_both(folder, with_sim, env=None):
    output_of(folder / "build/consumer", env=env)
    simulated = folder / "build/simulated"
    expect(simulated.exists() == with_sim, f"{simulated}: it is {'not ' if with_sim else ''}there")
    if with_sim:
        output_of(simulated, env=env)


def meson_finds_it(temporary, libdir, with_sim):
    folder = consumer(temporary, "meson")
    env = dict(os.environ, PKG_CONFIG_PATH=str(libdir / "pkgconfig"), LD_LIBRARY_PATH=str(libdir),
               PKG_CONFIG_SYSROOT_DIR=str(temporary / "root"))
    output_of("meson", "setup", folder / "build", folder, env=env)
    output_of("ninja", "-C", folder / "build", env=env)
    run_both(folder, with_sim, env)


def cmake_finds_it(temporary, libdir, with_sim):
    folder = consumer(temporary, "cmake")
    env = dict(os.environ, LD_LIBRARY_PATH=str(libdir))
    # Said outright, for Meson and CMake need not agree where libraries go (Debian without dpkg-dev: lib64).
    output_of("cmake", "-G", "Ninja", "-S", folder, "-B", folder / "build",
              f"-Ddunlin_DIR={libdir / 'cmake/dunlin'}")
    output_of("ninja", "-C", folder / "build")
    run_both(folder, with_sim, env)


def it_is_a_subproject(temporary):
    folder = consumer(temporary, "subproject")
    (folder / "subprojects").mkdir()
    (folder / "subprojects/dunlin").symlink_to(ROOT)
    output_of("meson", "setup", folder / "build", folder)
    output_of("ninja", "-C", folder / "build")
    run_both(folder, True)

    targets = json.loads(output_of("meson", "introspect", "--targets", folder / "build"))
    programs = [target["name"] for target in targets if target["type"] == "executable"]
    expect(sorted(programs) == ["consumer", "simulated"], f"as a subproject we also built {programs}")
    installed = json.loads(output_of("meson", "introspect", "--installed", folder / "build"))
    expect(not installed, f"as a subproject we would install {installed}")


def missing_boost_is_named(temporary):
    """The configure error must say which package to install. BOOST_ROOT hides the Boost of the system."""
    (temporary / "no-boost").mkdir()
    env = dict(os.environ, BOOST_ROOT=str(temporary / "no-boost"))
    done = subprocess.run(["meson", "setup", str(temporary / "without"), str(ROOT)], env=env, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    expect(done.returncode != 0 and "libboost-dev" in done.stdout, f"not said clearly:\n{done.stdout}")


def main(build):
    for program in ("cmake", "pkg-config"):
        if shutil.which(program) is None:
            print(f"{program} is not installed")
            return SKIPPED
    with tempfile.TemporaryDirectory(prefix="dunlin-install-") as name:
        temporary = pathlib.Path(name)
        output_of("meson", "install", "-C", build, "--no-rebuild", "--skip-subprojects",
                  "--destdir", temporary / "root")
        package = next((temporary / "root").rglob("dunlin.pc"))
        libdir = package.parent.parent
        prefix = next(p for p in package.parents if (p / "include").is_dir())

        with_sim = (libdir / "pkgconfig/dunlin-sim.pc").exists()
        all_public_headers_are_installed(prefix, with_sim)
        meson_finds_it(temporary, libdir, with_sim)
        cmake_finds_it(temporary, libdir, with_sim)
        it_is_a_subproject(temporary)
        missing_boost_is_named(temporary)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
