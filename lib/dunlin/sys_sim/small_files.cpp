#include <dunlin/sys_sim/small_files.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <utility>

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace dunlin::sys_sim {

namespace {

constexpr std::uint64_t fullest = ULLONG_MAX - 1; // eventfd(2)
constexpr std::size_t pipe_room = 65'536;         // pipe(7)

} // namespace

// ---- event counters

std::uint32_t event_counter::events() {
    std::uint32_t bits = 0;
    if (count_ > 0) bits |= EPOLLIN;
    if (count_ < fullest) bits |= EPOLLOUT;
    return bits;
}

long event_counter::read(void* into, std::size_t size) {
    if (size < sizeof count_) return -EINVAL;
    if (count_ == 0) return -EAGAIN;
    const std::uint64_t given = is_semaphore_ ? 1 : count_;
    count_ -= given;
    std::memcpy(into, &given, sizeof given);
    wake(EPOLLOUT);
    return sizeof given;
}

long event_counter::write(const void* data, std::size_t size) {
    std::uint64_t more = 0;
    if (size < sizeof more) return -EINVAL;
    std::memcpy(&more, data, sizeof more);
    if (more == ULLONG_MAX) return -EINVAL;
    if (fullest - count_ < more) return -EAGAIN;
    count_ += more;
    wake(EPOLLIN);
    return sizeof more;
}

// ---- signals

signal_file::signal_file(host& owner, std::uint64_t mask) : file{owner}, mask_{mask} {
    owner.signal_files.push_back(this);
}

signal_file::~signal_file() { std::erase(owner().signal_files, this); }

void signal_file::set_mask(std::uint64_t mask) {
    mask_ = mask;
    wake(0);
}

std::uint32_t signal_file::events() {
    return (owner().pending() & mask_) != 0 ? static_cast<std::uint32_t>(EPOLLIN) : 0;
}

long signal_file::read(void* into, std::size_t size) {
    if (size < sizeof(signalfd_siginfo)) return -EINVAL;
    std::size_t given = 0;
    ::siginfo_t about;
    while (size - given >= sizeof(signalfd_siginfo) && owner().take_signal(mask_, about)) {
        signalfd_siginfo record{};
        record.ssi_signo = static_cast<std::uint32_t>(about.si_signo);
        record.ssi_code = about.si_code;
        record.ssi_pid = static_cast<std::uint32_t>(about.si_pid);
        record.ssi_uid = about.si_uid;
        record.ssi_int = about.si_value.sival_int;
        record.ssi_ptr = reinterpret_cast<std::uintptr_t>(about.si_value.sival_ptr);
        std::memcpy(static_cast<char*>(into) + given, &record, sizeof record);
        given += sizeof record;
    }
    return given != 0 ? static_cast<long>(given) : -EAGAIN;
}

// ---- pipes

pipe_end::pipe_end(host& owner, std::shared_ptr<middle> between, bool writes)
    : file{owner}, middle_{std::move(between)}, writes_{writes} {
    (writes_ ? middle_->writer : middle_->reader) = this;
}

std::uint32_t pipe_end::events() {
    std::uint32_t bits = 0;
    if (writes_) {
        if (middle_->bytes.size() + 4096 <= pipe_room) bits |= EPOLLOUT | EPOLLWRNORM;
        if (middle_->reader == nullptr) bits |= EPOLLERR;
    } else {
        if (!middle_->bytes.is_empty()) bits |= EPOLLIN | EPOLLRDNORM;
        if (middle_->writer == nullptr) bits |= EPOLLHUP;
    }
    return bits;
}

long pipe_end::read(void* into, std::size_t size) {
    if (writes_) return -EBADF;
    if (size == 0) return 0;
    if (middle_->bytes.is_empty()) return middle_->writer == nullptr ? 0 : -EAGAIN;
    const bool was_full = middle_->bytes.size() + 4096 > pipe_room;
    const std::size_t n = middle_->bytes.pop(into, size);
    if (was_full && middle_->writer != nullptr) middle_->writer->wake(EPOLLOUT | EPOLLWRNORM);
    return static_cast<long>(n);
}

long pipe_end::write(const void* data, std::size_t size) {
    if (!writes_) return -EBADF;
    if (size == 0) return 0;
    if (middle_->reader == nullptr) {
        owner().send_signal(SIGPIPE);
        return -EPIPE;
    }
    std::size_t room = pipe_room - middle_->bytes.size();
    if (room == 0 || (size <= PIPE_BUF && size > room)) return -EAGAIN;
    room = std::min(room, size);
    middle_->bytes.push({static_cast<const char*>(data), room});
    middle_->reader->wake(EPOLLIN | EPOLLRDNORM);
    return static_cast<long>(room);
}

void pipe_end::close() {
    pipe_end* const other = writes_ ? middle_->reader : middle_->writer;
    (writes_ ? middle_->writer : middle_->reader) = nullptr;
    if (other != nullptr)
        other->wake(EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
}

// ---- console: by syscall(2), since a test program may have libc's calls come here

std::uint32_t console::events() { return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM; }

long console::read(void* into, std::size_t size) {
    const long n = ::syscall(SYS_read, fd_, into, size);
    return n >= 0 ? n : -errno;
}

long console::write(const void* data, std::size_t size) {
    const long n = ::syscall(SYS_write, fd_, data, size);
    return n >= 0 ? n : -errno;
}

// ---- /dev/null

std::uint32_t null_device::events() { return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM; }

long null_device::read(void*, std::size_t) { return 0; }

long null_device::write(const void*, std::size_t size) { return static_cast<long>(size); }

} // namespace dunlin::sys_sim
