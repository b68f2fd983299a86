"""Whether every call of libc by which the objects reach a kernel is among those that --wrap leads elsewhere.

    python3 tests/behaviour/calls_test.py CALL,CALL,… LIBRARY…
"""

import subprocess
import sys

# These stay in the process, or only print.
HARMLESS = set("""bcmp memchr memcmp memcpy memmove memset strlen strcmp strtol strtoull strtoul strerrorname_np sigabbrev_np
    sigaddset sigemptyset sigismember htonl htons ntohl ntohs inet_addr inet_ntop inet_pton
    fflush fprintf fputs fwrite printf putchar puts stderr stdout vsnprintf abort getpid main""".split())


def undefined(library):
    """The C names (C++'s and the compiler's own begin with an underscore) that a library's objects lack."""
    lines = subprocess.run(["nm", "-u", library], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    return {line.split()[1] for line in lines if line.startswith(" ") and not line.split()[1].startswith("_")}


def main(calls, libraries):
    used = set().union(*map(undefined, libraries)) - HARMLESS
    for name in sorted(used - set(calls)):
        print(f"{name} reaches the real kernel: wrap it (simulated_names in tests/meson.build), or name it among the harmless")
    return 1 if used - set(calls) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1].split(","), sys.argv[2:]))
