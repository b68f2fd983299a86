"""What is known of the machine that measures: the numbers mean nothing without it."""

import datetime
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess

import children

PACKAGES = {"libevent": "libevent", "libuv": "libuv"}  # names of pkg-config


def output(*command):
    """What a program prints first; "" if it is not there or fails."""
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def contents(path):
    try:
        return pathlib.Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""


def processor(cpuinfo):
    """Its name, of the text of /proc/cpuinfo, which other processors fill in otherwise."""
    found = re.search(r"^(?:model name|Model|cpu model)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def boost_version(header):
    found = re.search(r'#define BOOST_LIB_VERSION "([\d_]+)"', header)
    return found[1].replace("_", ".") if found else ""


def compiler(build):
    """The compiler of a build folder, as Meson found it."""
    try:
        found = json.loads((build / "meson-info/intro-compilers.json").read_text())
        cpp = found["host"]["cpp"]
        return f"{pathlib.Path(cpp['exelist'][-1]).name} {cpp['version']}"
    except (OSError, KeyError, ValueError):
        return output(os.environ.get("CXX", "g++"), "--version")


def options(build):
    """The options of a build folder that change its speed."""
    try:
        all_of_them = json.loads((build / "meson-info/intro-buildoptions.json").read_text())
    except (OSError, ValueError):
        return {}
    wanted = ("optimization", "debug", "b_lto", "b_pgo", "b_ndebug", "cpp_args", "pools")
    return {option["name"]: option["value"] for option in all_of_them if option["name"] in wanted}


def facts(build):
    servers_core, load_core = children.cores()
    versions = {"compiler": compiler(build), "meson": output("meson", "--version"),
                "python": platform.python_version(), "go": output("go", "version").removeprefix("go version "),
                "boost": boost_version(contents("/usr/include/boost/version.hpp")),
                **{name: output("pkg-config", "--modversion", package) for name, package in PACKAGES.items()}}
    return {
        "processor": processor(contents("/proc/cpuinfo")),
        "cores": len(os.sched_getaffinity(0)),
        "server_core": servers_core,
        "load_core": load_core,
        "shares_a_core": children.share_a_core(),
        "governor": contents(f"/sys/devices/system/cpu/cpu{servers_core}/cpufreq/scaling_governor") or None,
        "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
        "virtual": " hypervisor " in f" {contents('/proc/cpuinfo')} ".replace("\n", " "),
        "system": system_name(contents("/etc/os-release")),
        "kernel": platform.release(),
        "versions": {name: version for name, version in versions.items() if version},
        "build_options": options(build),
        "commit": output("git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty"),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
    }


def system_name(os_release):
    found = re.search(r'^PRETTY_NAME="?([^"\n]*)', os_release, re.MULTILINE)
    return found[1] if found else ""
