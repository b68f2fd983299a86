"""Shows in gdb where every coroutine of a dunlin program is, in a live process or in a core file.

    (gdb) source /usr/local/share/dunlin/dunlin-gdb.py
    (gdb) dunlin tasks

prints what `dunlin::dump_tasks()` would, of every scheduler that a thread runs. Nothing of the program is
called, so it works with one that hangs or has crashed. It needs the debug information of the program
(`-g`; an optimised build will do). A core file does not say what a descriptor is connected to: there its
number is all. See docs/debugging.md.
"""

import os
import re
import socket
import struct
import time

import gdb

NEVER = 2**63 - 1
STOP_DRAIN, STOP_ALL = 1, 2  # detail::stop_level
LIMIT_DEADLINE = 2  # operation::limit

# What `describe()` says, where it is not the class's name.
KINDS = {"read_buffer": "read", "gather_write": "write", "span_write": "write", "put_some": "write_some",
         "when_all_of": "when_all", "when_any_of": "when_any"}


def written_name(function):
    """task/function_name.cpp: `my::session` of what the compiler says of a coroutine."""
    begin = end = depth = 0
    while end < len(function):
        rest = function[end:]
        for part_of_name in ("operator()", "(anonymous namespace)"):
            if rest.startswith(part_of_name):
                end += len(part_of_name)
                break
        else:
            if depth == 0 and rest[0] == "(":
                break
            depth += {"<": 1, ">": -1}.get(rest[0], 0)
            end += 1
            if rest[0] == " " and depth == 0:
                begin = end
    return function[begin:end].lstrip("*&")


def seconds(nanoseconds):
    milliseconds = max(int(nanoseconds), 0) // 1_000_000
    return f"{milliseconds // 1000}.{milliseconds % 1000:03} s"


def place(location):
    """A std::source_location: (function, file:line)."""
    known = location["_M_impl"]
    if int(known) == 0:
        return "", ":0"
    return known["_M_function_name"].string(), f'{known["_M_file_name"].string()}:{int(known["_M_line"])}'


def as_most_derived(pointer):
    """The same object as the class that it was made as. (gdb 13's `dynamic_cast` gets the address wrong.)"""
    kind = pointer.dynamic_type
    if kind == pointer.type:
        return pointer
    # The word two before the virtual table says how far the whole begins from here (Itanium C++ ABI, 2.5.2).
    words = gdb.lookup_type("long").pointer()
    to_top = int(pointer.reinterpret_cast(words.pointer()).dereference()[-2])
    return gdb.Value(int(pointer) + to_top).reinterpret_cast(kind)


def has_field(value, name):
    """Whether the class has that member, perhaps in a base."""
    def look(kind):
        return any(field.name == name or field.is_base_class and look(field.type.strip_typedefs())
                   for field in kind.fields())
    return look(value.dereference().type.strip_typedefs())


def address_text(packed, port):
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{port}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{port}"


class Sockets:
    """What the kernel says of a live process's descriptors; nothing of a core file's."""

    def __init__(self):
        connection = getattr(gdb.selected_inferior(), "connection", None)
        self.pid = gdb.selected_inferior().pid if connection is not None and connection.type == "native" else 0
        self.by_inode = {}
        for table in ("tcp", "tcp6") if self.pid else ():
            try:
                with open(f"/proc/{self.pid}/net/{table}") as file:
                    rows = [line.split() for line in file.readlines()[1:]]
            except OSError:
                continue
            for row in rows:
                self.by_inode[row[9]] = [self.parse(text) for text in row[1:3]]

    @staticmethod
    def parse(text):
        """`0100007F:1F90`: words of 32 bits as the machine has them, and the port."""
        digits, port = text.split(":")
        words = (int(digits[i:i + 8], 16) for i in range(0, len(digits), 8))
        return b"".join(struct.pack("=I", word) for word in words), int(port, 16)

    def describe(self, number):
        if not self.pid:
            return ""
        try:
            link = os.readlink(f"/proc/{self.pid}/fd/{number}")
        except OSError:
            return ""
        found = re.fullmatch(r"socket:\[(\d+)\]", link)
        if not found or found[1] not in self.by_inode:
            return ""
        local, peer = self.by_inode[found[1]]
        return f", {address_text(*local)}" + (f" - {address_text(*peer)}" if peer[1] else "")


class Dump:
    """The tasks of one scheduler, as a tree. Mirrors task/dump_tasks.cpp."""

    def __init__(self, scheduler):
        self.scheduler = scheduler
        self.sockets = Sockets()
        # Of a core file the last turn's clock is what there is.
        self.now = time.monotonic_ns() if self.sockets.pid else int(scheduler["now_"])

    def lines(self):
        owners, tasks_of, made_in = [], {}, {}
        owner = self.scheduler["first_owner_"]
        while int(owner):
            owners.append(owner)
            tasks, task = [], owner["first_task"]
            while int(task):
                tasks.append(task)
                task = task["sibling_next"]
            tasks_of[int(owner)] = tasks[::-1]
            made_in.setdefault(int(owner["made_in"]), []).append(owner)
            owner = owner["next_owner"]
        yield f"tasks: {sum(map(len, tasks_of.values()))}"
        shown = set()
        for top in owners:
            pending = [(top, 0)] if int(top) not in shown else []
            while pending:  # owners, and the tasks in them that are still to be shown
                at, depth = pending.pop()
                if at.type.target().name == "dunlin::task_context":
                    yield from self.show(at, depth)
                    made = made_in.get(int(at["number"]), ())
                    pending += [(each, depth + 1) for each in reversed(made) if int(each) not in shown]
                elif int(at) not in shown:
                    shown.add(int(at))
                    pending += [(task, depth) for task in reversed(tasks_of[int(at)])]

    def show(self, task, depth):
        stack = []
        promise = task["innermost"]
        while int(promise):
            function, where = place(promise["where"])
            name = written_name(function)
            if not name.startswith("dunlin::detail::"):
                stack.append((name, where))
            promise = promise["parent"]
        name = task["name"].string() if int(task["name"]) else stack[-1][0] if stack else "(unnamed)"
        if int(task) == int(self.scheduler["running_"]):
            state = "running"
        elif not int(task["leaf"]):
            state = "not started"
        else:
            state = self.wait(task)
        indent = "  " * depth
        yield f'{indent}#{int(task["number"])} {name}: {state}{self.limits(task)}'
        for function, where in stack:
            yield f"{indent}    at {function} {where}"
        yield f'{indent}    spawned at {place(task["spawned"])[1]}'

    def wait(self, task):
        leaf = as_most_derived(task["leaf"])
        kind = re.sub(r"<.*", "", leaf.type.target().name or "").rsplit("::", 1)[-1]
        kind = kind[:-len("_operation")] if kind.endswith("_operation") else "waits"
        words = ("ready: " if int(task["next"]) else "waits: ") + KINDS.get(kind, kind)
        if has_field(leaf, "watch_") and int(leaf["watch_"]["fd"]) >= 0:
            number = int(leaf["watch_"]["fd"])
            words += f", fd {number}{self.sockets.describe(number)}"
        if kind == "connect":
            target = leaf["where_"]
            size = 16 if bool(target["is_v6_"]) else 4
            packed = bytes(int(target["bytes_"][i]) & 255 for i in range(size))
            words += f', to {address_text(packed, int(target["port_"]))}'
        words += f', for {seconds(self.now - int(task["since"]))}'
        if kind in ("sleep", "drain"):
            words += f', until in {seconds(int(leaf["deadline_"]) - self.now)}'
        return words

    def limits(self, task):
        deadline = self.deadline(task)
        words = f", {seconds(deadline - self.now)} left" if deadline != NEVER else ""
        stop, requested = int(task["stop"]), int(task["requested"])
        if stop == STOP_DRAIN:
            words += ", draining"
        if stop >= STOP_ALL:
            words += ", stopping"
        if stop < requested:
            words += ", shielded from a stop"
        return words

    @staticmethod
    def deadline(task):
        """task_context::deadline_in_force: its own, its scopes', those of the tasks that await it."""
        earliest = NEVER
        while int(task):
            leaf = task["leaf"]
            if int(leaf) and int(leaf["limited_"]) == LIMIT_DEADLINE:
                earliest = min(earliest, int(leaf["limit_"]))
            scope = task["scopes"]
            while int(scope):
                if not bool(scope["has_expired"]):
                    earliest = min(earliest, int(scope["deadline"]))
                if bool(scope["is_shield"]):
                    return earliest
                scope = scope["outer"]
            owner = as_most_derived(task["owner"])
            if not has_field(owner, "branches_"):
                break
            task = owner["context_"]
        return earliest


def current_scheduler():
    """That of the selected thread, as a pointer; None if it runs none."""
    symbol = gdb.lookup_static_symbol("dunlin::(anonymous namespace)::current_scheduler")
    if symbol is not None:
        try:
            found = symbol.value()
            return found if int(found) else None
        except gdb.error:
            pass  # thread-locals need libthread_db; look at what the functions have
    frame = gdb.newest_frame()
    while frame is not None:
        found = scheduler_in(frame)
        if found is not None:
            return found
        frame = frame.older()
    return None


def scheduler_in(frame):
    try:
        block = frame.block()
    except RuntimeError:
        return None  # no debug information
    while block is not None:
        for symbol in block:
            if not (symbol.is_variable or symbol.is_argument):
                continue
            kind = symbol.type.strip_typedefs()
            try:
                if kind.code in (gdb.TYPE_CODE_PTR, gdb.TYPE_CODE_REF):
                    if kind.target().unqualified().name == "dunlin::scheduler":
                        value = symbol.value(frame)
                        value = value.referenced_value().address if kind.code == gdb.TYPE_CODE_REF else value
                        if not value.is_optimized_out and int(value):
                            return value
                elif kind.unqualified().name == "dunlin::scheduler":
                    value = symbol.value(frame)
                    if not value.is_optimized_out:
                        return value.address
            except gdb.error:
                continue  # not here at this instruction
        if block.function is not None:
            return None
        block = block.superblock
    return None


class DunlinCommand(gdb.Command):
    """Looks into programs that stand on the dunlin library."""

    def __init__(self):
        super().__init__("dunlin", gdb.COMMAND_DATA, gdb.COMPLETE_NONE, True)


class TasksCommand(gdb.Command):
    """Prints every task of every scheduler: what it waits for, and the stack of its coroutines."""

    def __init__(self):
        super().__init__("dunlin tasks", gdb.COMMAND_DATA)

    def invoke(self, _argument, _from_tty):
        if not gdb.selected_inferior().threads():
            raise gdb.GdbError("there is no process and no core file to look at")
        selected = gdb.selected_thread()
        seen = set()
        try:
            for thread in sorted(gdb.selected_inferior().threads(), key=lambda each: each.num):
                thread.switch()
                scheduler = current_scheduler()
                if scheduler is None or int(scheduler) in seen:
                    continue
                seen.add(int(scheduler))
                if len(seen) > 1:
                    print(f"thread {thread.num}:")
                for line in Dump(scheduler).lines():
                    print(line)
        finally:
            if selected is not None:
                selected.switch()
        if not seen:
            raise gdb.GdbError("no thread runs a dunlin scheduler, or its debug information is missing")


DunlinCommand()
TasksCommand()
