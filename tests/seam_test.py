"""Only sys/ speaks with the kernel: no other object file refers to a socket, a clock or a die of libc.

The simulated kernel takes the place of sys/ when a program is linked, so what goes past it would be real
in the midst of a simulation. Argument: the folder with the layers' libraries, `build/lib/dunlin`.
"""

import pathlib
import re
import shutil
import subprocess
import sys
import unittest

FOLDER = None  # set by main

CALLS = """
    socket socketpair bind listen accept accept4 connect shutdown getsockname getpeername getsockopt setsockopt
    recv recvfrom recvmsg recvmmsg send sendto sendmsg sendmmsg sendfile splice
    open openat creat close dup dup2 dup3 fcntl ioctl pipe pipe2 fstat stat isatty
    read readv pread preadv write writev pwrite pwritev lseek
    poll ppoll select pselect epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2
    eventfd eventfd_read eventfd_write signalfd timerfd_create timerfd_settime timerfd_gettime
    clock_gettime clock_getres clock_nanosleep gettimeofday time times clock nanosleep usleep sleep alarm
    getrandom getentropy rand srand random srandom rand_r drand48 arc4random
    getaddrinfo freeaddrinfo getnameinfo gethostbyname if_nametoindex if_indextoname
    sigaction signal sigprocmask pthread_sigmask sigwait sigwaitinfo sigtimedwait raise kill pthread_kill
    pthread_create thrd_create
    fork vfork execve posix_spawn getpid syscall
""".split()

# With 64-bit files or fortification, libc gives these calls other names.
VARIANT = re.compile(r"^(?:__)?(\w+?)(?:64)?(?:_2|_chk)?(?:@.*)?$")
CXX = re.compile(r"^_ZNSt6chrono.*(steady|system|high_resolution)_clock3nowEv|^_ZNSt13random_device|^_ZNSt6thread")


def reaches_kernel(symbol):
    """Whether an undefined symbol is one of the calls, whatever dress it wears."""
    if CXX.match(symbol):
        return True
    plain = VARIANT.match(symbol)
    return symbol in CALLS or bool(plain and plain[1] in CALLS)


def undefined_symbols(library):
    """Yields (object file, symbol) for everything the members of a static library want from elsewhere."""
    done = subprocess.run(["nm", "-u", str(library)], capture_output=True, text=True, check=True)
    member = ""
    for line in done.stdout.splitlines():
        if line.endswith(":"):
            member = line[:-1]
        elif line.strip():
            yield member, line.split()[-1]


# <stop_token>'s lock is a futex: it waits for a thread, which no simulated kernel has.
EXCUSED = {("stop_token.cpp.o", "syscall")}


def kernel_calls(library):
    return [(member, symbol) for member, symbol in undefined_symbols(library)
            if reaches_kernel(symbol) and (pathlib.PurePath(member).name, symbol) not in EXCUSED]


class Seam(unittest.TestCase):
    def libraries(self):
        found = {path.stem.removeprefix("libdunlin-"): path for path in FOLDER.rglob("libdunlin-*.a")}
        self.assertIn("sys", found, f"no libdunlin-sys.a under {FOLDER}")
        return found

    def test_sys_refers_to_the_kernel_s_calls_so_this_test_can_see_them(self):
        seen = {symbol for _, symbol in kernel_calls(self.libraries()["sys"])}
        for call in ("recv", "send", "epoll_ctl", "clock_gettime", "accept4", "socket"):
            self.assertTrue(any(reaches_kernel(symbol) and call in symbol for symbol in seen), f"{call}: {seen}")

    def test_no_other_layer_refers_to_any_of_them(self):
        libraries = self.libraries()
        self.assertGreater(len(libraries), 2, "the layers' libraries were not found")
        for layer, library in libraries.items():
            if layer in ("sys", "sys_sim", "sim"): # the last is all layers with sys_sim
                continue
            with self.subTest(layer=layer):
                # A list, so that a failure shows which object wants what.
                self.assertEqual(kernel_calls(library), [])

    def test_every_layer_has_objects_that_were_looked_at(self):
        for layer, library in self.libraries().items():
            with self.subTest(layer=layer):
                self.assertTrue({member for member, _ in undefined_symbols(library)})

    def test_the_calls_are_recognised_in_every_dress(self):
        for symbol in ("recv", "__recv_chk", "fcntl64", "open64", "__open64_2", "__read_chk", "clock_gettime",
                       "read@GLIBC_2.2.5", "_ZNSt6chrono3_V212steady_clock3nowEv",
                       "_ZNSt6chrono3_V212system_clock3nowEv", "_ZNSt13random_device9_M_getvalEv",
                       "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE",
                       "pthread_create@GLIBC_2.34", "getaddrinfo", "signalfd"):
            self.assertTrue(reaches_kernel(symbol), symbol)
        for symbol in ("memcpy", "_ZN6dunlin3sys4recvEiSt4spanISt4byteLm18446744073709551615EE", "readable",
                       "__memcpy_chk", "_Znwm", "timer", "_ZN6dunlin4readEv"):
            self.assertFalse(reaches_kernel(symbol), symbol)


if __name__ == "__main__":
    if not shutil.which("nm"):
        print("skipped: nm is not installed")
        sys.exit(77)
    FOLDER = pathlib.Path(sys.argv.pop(1))
    unittest.main(verbosity=2)
