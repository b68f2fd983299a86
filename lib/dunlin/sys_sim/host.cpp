#include <dunlin/sys_sim/host.hpp>

#include <dunlin/sys_sim/epoll_file.hpp>
#include <dunlin/sys_sim/kernel.hpp>
#include <dunlin/sys_sim/small_files.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace dunlin::sys_sim {

namespace {

constexpr std::uint64_t bit_of(int signal) noexcept { return std::uint64_t{1} << (signal - 1); }

bool is_ignored_by_default(int signal) noexcept {
    return signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH || signal == SIGCONT;
}

} // namespace

host::host(kernel& in, std::size_t number, std::string name, std::vector<sys::ip_address> addresses)
    : kernel_{in}, number_{number}, name_{std::move(name)}, addresses_{std::move(addresses)} {
    open_console();
}

void host::open_console() {
    for (int fd = 0; fd <= 2; ++fd)
        open(std::make_shared<console>(*this, fd), false);
}

host::~host() { drop_all_descriptors(); }

bool host::has_address(const sys::ip_address& address) const noexcept {
    if (address.is_v6) {
        sys::ip_address loopback{.is_v6 = true, .bytes = {}, .port = 0, .scope_id = 0};
        loopback.bytes[15] = std::byte{1};
        if (std::memcmp(loopback.bytes, address.bytes, 16) == 0) return true;
    } else if (address.bytes[0] == std::byte{127}) {
        return true;
    }
    const std::size_t size = address.is_v6 ? 16 : 4;
    return std::any_of(addresses_.begin(), addresses_.end(), [&](const sys::ip_address& own) {
        return own.is_v6 == address.is_v6 && std::memcmp(own.bytes, address.bytes, size) == 0;
    });
}

// ---- descriptors

long host::open(std::shared_ptr<file> description, bool close_on_exec, int least) {
    std::size_t fd = std::max(lowest_free_, static_cast<std::size_t>(least));
    while (fd < table_.size() && table_[fd].description != nullptr)
        ++fd;
    if (fd >= most_descriptors) return -EMFILE;
    if (fd >= table_.size()) table_.resize(fd + 1);
    ++description->descriptors;
    table_[fd] = {std::move(description), close_on_exec};
    if (fd == lowest_free_) ++lowest_free_;
    return static_cast<long>(fd);
}

file* host::find(int fd) const noexcept {
    const auto index = static_cast<std::size_t>(fd);
    return fd >= 0 && index < table_.size() ? table_[index].description.get() : nullptr;
}

std::shared_ptr<file> host::share(int fd) const noexcept {
    return find(fd) != nullptr ? table_[static_cast<std::size_t>(fd)].description : nullptr;
}

long host::close(int fd) {
    if (find(fd) == nullptr) return -EBADF;
    const auto index = static_cast<std::size_t>(fd);
    const std::shared_ptr<file> description = std::move(table_[index].description);
    table_[index] = {};
    lowest_free_ = std::min(lowest_free_, index);
    if (--description->descriptors != 0) return 0;
    // The description leaves every epoll set before its own end is felt.
    while (!description->watchers.empty())
        description->watchers.front()->set.forget(*description->watchers.front());
    description->close();
    return 0;
}

bool host::is_close_on_exec(int fd) const noexcept {
    return table_[static_cast<std::size_t>(fd)].close_on_exec;
}

void host::set_close_on_exec(int fd, bool on) noexcept {
    table_[static_cast<std::size_t>(fd)].close_on_exec = on;
}

bool host::is_full() const noexcept {
    std::size_t fd = lowest_free_;
    while (fd < table_.size() && table_[fd].description != nullptr)
        ++fd;
    return fd >= most_descriptors;
}

void host::note_poll(bool had_events) noexcept {
    if (last_poll_ != kernel_.now()) {
        last_poll_ = kernel_.now();
        polls_now = idle_polls = 0;
    }
    ++polls_now;
    if (!had_events) ++idle_polls;
}

std::size_t host::open_count() const noexcept {
    std::size_t count = 0;
    for (std::size_t fd = 3; fd < table_.size(); ++fd)
        if (table_[fd].description != nullptr) ++count;
    return count;
}

void host::drop_all_descriptors() {
    for (std::size_t fd = table_.size(); fd-- > 0;)
        if (table_[fd].description != nullptr) close(static_cast<int>(fd));
}

// ---- signals

std::uint64_t host::pending() const noexcept {
    std::uint64_t mask = 0;
    for (const ::siginfo_t& each : pending_)
        mask |= bit_of(each.si_signo);
    return mask;
}

void host::send_signal(int signal) {
    ::siginfo_t about{};
    about.si_signo = signal;
    about.si_code = SI_USER;
    send_signal(signal, about);
}

void host::send_signal(int signal, const ::siginfo_t& about) {
    if ((blocked_ & bit_of(signal)) == 0) {
        deliver(signal, about);
        return;
    }
    // A standard signal is pending once; a real-time one as often as it was sent (signal(7)).
    if (signal >= SIGRTMIN || (pending() & bit_of(signal)) == 0) pending_.push_back(about);
    for (signal_file* const each : signal_files)
        each->wake(0);
}

bool host::take_signal(std::uint64_t mask, ::siginfo_t& into) {
    const ::siginfo_t* first = nullptr;
    for (const ::siginfo_t& each : pending_)
        if ((mask & bit_of(each.si_signo)) != 0 &&
            (first == nullptr || each.si_signo < first->si_signo))
            first = &each;
    if (first == nullptr) return false;
    into = *first;
    pending_.erase(pending_.begin() + (first - pending_.data()));
    return true;
}

void host::set_blocked(std::uint64_t mask) {
    blocked_ = mask & ~(bit_of(SIGKILL) | bit_of(SIGSTOP));
    ::siginfo_t about;
    while (take_signal(~blocked_, about))
        deliver(about.si_signo, about);
}

void host::deliver(int signal, const ::siginfo_t& about) {
    const struct ::sigaction handling = disposition(signal);
    if (handling.sa_handler == SIG_IGN) return;
    if (handling.sa_handler == SIG_DFL) {
        if (!is_ignored_by_default(signal)) killed_by = signal;
        return;
    }
    ++signals_handled;
    const std::uint64_t before = blocked_;
    blocked_ |= bit_of(signal); // as sigaction(2) does while the handler runs
    if ((static_cast<unsigned>(handling.sa_flags) & SA_RESETHAND) != 0)
        disposition(signal).sa_handler = SIG_DFL;
    const std::size_t outer = kernel_.here_number();
    kernel_.enter(number_);
    if ((handling.sa_flags & SA_SIGINFO) != 0) {
        ::siginfo_t copy = about;
        handling.sa_sigaction(signal, &copy, nullptr);
    } else {
        handling.sa_handler(signal);
    }
    kernel_.enter(outer);
    set_blocked(before);
}

} // namespace dunlin::sys_sim
