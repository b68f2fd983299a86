#include <dunlin/task/dump_tasks.hpp>

#include <dunlin/loop/operation.hpp>
#include <dunlin/loop/task_context.hpp>
#include <dunlin/sys/address.hpp>
#include <dunlin/sys/clock.hpp>
#include <dunlin/sys/foreign.hpp>
#include <dunlin/sys/socket.hpp>
#include <dunlin/task/detail/function_name.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>

namespace dunlin {

using detail::promise_base;
using detail::stop_level;
using detail::task_owner;

namespace {

/// Gathers words and passes them on when there are many.
class words {
public:
    explicit words(dump_sink sink) noexcept : sink_{sink} {}
    words(const words&) = delete;
    words& operator=(const words&) = delete;
    ~words() { flush(); }

    words& operator<<(std::string_view text) noexcept {
        while (!text.empty()) {
            if (used_ == sizeof room_) flush();
            const std::size_t size = std::min(text.size(), sizeof room_ - used_);
            std::copy_n(text.data(), size, room_ + used_);
            used_ += size;
            text.remove_prefix(size);
        }
        return *this;
    }
    words& operator<<(std::uint64_t number) noexcept {
        char digits[20];
        const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
        return *this << std::string_view{digits, static_cast<std::size_t>(end - digits)};
    }
    words& operator<<(std::source_location where) noexcept {
        return *this << where.file_name() << ":" << std::uint64_t{where.line()};
    }
    void put_seconds(std::int64_t nanoseconds) noexcept {
        if (nanoseconds < 0) nanoseconds = 0;
        const auto milliseconds = static_cast<std::uint64_t>(nanoseconds) / 1'000'000;
        const auto rest = static_cast<std::size_t>(milliseconds % 1000);
        const char digits[3] = {static_cast<char>('0' + rest / 100),
                                static_cast<char>('0' + rest / 10 % 10),
                                static_cast<char>('0' + rest % 10)};
        *this << milliseconds / 1000 << "." << std::string_view{digits, 3} << " s";
    }

private:
    void flush() noexcept {
        sink_(std::string_view{room_, used_});
        used_ = 0;
    }

    dump_sink sink_;
    std::size_t used_ = 0;
    char room_[2048];
};

/// The youngest is first in the list; shown are the oldest first.
const task_context* oldest_of(const task_owner& owner) noexcept {
    const task_context* task = owner.first_task;
    while (task != nullptr && task->sibling_next != nullptr)
        task = task->sibling_next;
    return task;
}

const task_context* younger_than(const task_context& task) noexcept { return task.sibling_prev; }

/// The owners, to be found by the number of the task that made them. Whoever has ended made some,
/// too, so a number it is and not a pointer. There may be very many (a group in each session), so
/// they are hashed, through links of their own.
class owners_by_task {
public:
    explicit owners_by_task(const scheduler& of) noexcept {
        for (task_owner* each = of.last_owner(); each != nullptr; each = each->prev_owner) {
            each->is_shown = false;
            each->next_alike = bucket_of(each->made_in);
            bucket_of(each->made_in) = each; // so the oldest comes first
        }
    }

    /// The first that a task of this number made, or the next one after `previous`.
    [[nodiscard]] task_owner* first(std::uint32_t made_in) noexcept {
        return from(bucket_of(made_in), made_in);
    }
    [[nodiscard]] task_owner* next(const task_owner& previous) noexcept {
        return from(previous.next_alike, previous.made_in);
    }

private:
    static constexpr std::size_t bucket_count = 1024;

    /// Numbers repeat after some billion tasks; what was shown is not shown again all the same.
    static task_owner* from(task_owner* each, std::uint32_t made_in) noexcept {
        while (each != nullptr && (each->made_in != made_in || each->is_shown))
            each = each->next_alike;
        return each;
    }
    [[nodiscard]] task_owner*& bucket_of(std::uint32_t number) noexcept {
        return buckets_[number % bucket_count];
    }

    task_owner* buckets_[bucket_count] = {};
};

class dump {
public:
    dump(const scheduler& of, dump_sink sink) noexcept
        : sched_{of}, now_{sys::monotonic_now()}, owners_{of}, out_{sink} {}

    void show_all() noexcept {
        std::uint64_t count = 0;
        for (const task_owner* each = sched_.first_owner(); each != nullptr;
             each = each->next_owner)
            for (const task_context* task = each->first_task; task != nullptr;
                 task = task->sibling_next)
                ++count;
        out_ << "tasks: " << count << "\n";
        // Who made an owner is older than it, so what is not shown when its turn comes stands under
        // nobody: it was made outside of tasks, or by one that is over.
        for (task_owner* each = sched_.first_owner(); each != nullptr; each = each->next_owner)
            if (!each->is_shown) show_tree(*each);
    }

private:
    /// The tasks of `top`, and below each those that it made. With links instead of recursion: a
    /// dump must not fail where the stack is short.
    void show_tree(task_owner& top) noexcept {
        task_owner* owner = &top;
        const task_context* task = enter(top, nullptr);
        std::size_t depth = 0;
        for (;;) {
            if (task != nullptr) {
                show(*task, depth);
                if (task_owner* const made = owners_.first(task->number)) {
                    owner = made;
                    task = enter(*made, task);
                    ++depth;
                } else {
                    task = younger_than(*task);
                }
                continue;
            }
            const task_context* const above = owner->shown_under;
            if (above == nullptr) return;
            if (task_owner* const another = owners_.next(*owner)) {
                owner = another;
                task = enter(*another, above);
            } else {
                owner = above->owner;
                task = younger_than(*above);
                --depth;
            }
        }
    }

    static const task_context* enter(task_owner& owner, const task_context* under) noexcept {
        owner.is_shown = true;
        owner.shown_under = under;
        return oldest_of(owner);
    }

    void show(const task_context& task, std::size_t depth) noexcept {
        begin_line(depth);
        out_ << "#" << std::uint64_t{task.number} << " " << name_of(task) << ": ";
        if (&task == sched_.current_task())
            out_ << "running";
        else if (task.leaf == nullptr)
            out_ << "not started";
        else
            show_wait(task);
        show_limits(task);
        out_ << "\n";
        for (const promise_base* each = task.innermost; each != nullptr; each = each->parent) {
            const std::string_view name = detail::written_name(each->where.function_name());
            if (detail::is_wrapper(name)) continue;
            begin_line(depth);
            out_ << "    at " << name << " " << each->where << "\n";
        }
        begin_line(depth);
        out_ << "    spawned at " << task.spawned << "\n";
    }

    void show_wait(const task_context& task) noexcept {
        const leaf_description leaf = task.leaf->describe();
        out_ << (task.is_queued() ? "ready: " : "waits: ") << leaf.kind;
        if (leaf.descriptor >= 0) show_descriptor(leaf.descriptor);
        if (leaf.target[0] != '\0') out_ << ", to " << leaf.target;
        out_ << ", for ";
        out_.put_seconds(now_ - task.since);
        if (leaf.until != detail::never) {
            out_ << ", until in ";
            out_.put_seconds(leaf.until - now_);
        }
    }

    void show_descriptor(int number) noexcept {
        out_ << ", fd " << static_cast<std::uint64_t>(number);
        const borrowed_fd socket{number};
        sys::socket_text room;
        if (const auto local = sys::local_address(socket))
            out_ << ", " << sys::format_socket(local.assume_value(), room);
        if (const auto peer = sys::peer_address(socket))
            out_ << " - " << sys::format_socket(peer.assume_value(), room);
    }

    void show_limits(const task_context& task) noexcept {
        const std::int64_t deadline = task.deadline_in_force();
        if (deadline != detail::never) {
            out_ << ", ";
            out_.put_seconds(deadline - now_);
            out_ << " left";
        }
        if (task.stop == stop_level::drain) out_ << ", draining";
        if (task.stop >= stop_level::all) out_ << ", stopping";
        if (task.stop < task.requested) out_ << ", shielded from a stop";
    }

    static std::string_view name_of(const task_context& task) noexcept {
        if (task.name != nullptr) return task.name;
        std::string_view outermost = "(unnamed)";
        for (const promise_base* each = task.innermost; each != nullptr; each = each->parent) {
            const std::string_view name = detail::written_name(each->where.function_name());
            if (!detail::is_wrapper(name)) outermost = name;
        }
        return outermost;
    }

    void begin_line(std::size_t depth) noexcept {
        for (std::size_t i = 0; i < depth; ++i)
            out_ << "  ";
    }

    const scheduler& sched_;
    std::int64_t now_;
    owners_by_task owners_;
    words out_;
};

void write_to_stderr(void*, std::string_view piece) { sys::write_to_stderr(piece); }

} // namespace

void dump_tasks(const scheduler& which, dump_sink sink) noexcept { dump{which, sink}.show_all(); }

void dump_tasks(const scheduler& which) noexcept {
    dump_tasks(which, dump_sink{&write_to_stderr, nullptr});
}

void dump_tasks(dump_sink sink) noexcept {
    if (const scheduler* const here = scheduler::current()) dump_tasks(*here, sink);
}

void dump_tasks() noexcept {
    if (const scheduler* const here = scheduler::current()) dump_tasks(*here);
}

} // namespace dunlin
