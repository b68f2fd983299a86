// What has a descriptor and is no socket: event counters, signals to read, pipes, the console.
#pragma once

#include <dunlin/sys_sim/byte_queue.hpp>
#include <dunlin/sys_sim/file.hpp>

#include <cstdint>
#include <memory>

namespace dunlin::sys_sim {

/// eventfd(2).
class event_counter final : public file {
public:
    event_counter(host& owner, std::uint64_t count, bool is_semaphore)
        : file{owner}, count_{count}, is_semaphore_{is_semaphore} {}

    [[nodiscard]] std::uint32_t events() override;
    long read(void* into, std::size_t size) override;
    long write(const void* data, std::size_t size) override;

private:
    std::uint64_t count_;
    bool is_semaphore_;
};

/// signalfd(2).
class signal_file final : public file {
public:
    signal_file(host& owner, std::uint64_t mask);
    ~signal_file() override;

    [[nodiscard]] std::uint32_t events() override;
    long read(void* into, std::size_t size) override;
    void set_mask(std::uint64_t mask);

private:
    std::uint64_t mask_;
};

/// One end of a pipe(7).
class pipe_end final : public file {
public:
    struct middle {
        byte_queue bytes;
        pipe_end* reader = nullptr;
        pipe_end* writer = nullptr;
    };
    pipe_end(host& owner, std::shared_ptr<middle> between, bool writes);

    [[nodiscard]] std::uint32_t events() override;
    long read(void* into, std::size_t size) override;
    long write(const void* data, std::size_t size) override;
    void close() override;
    [[nodiscard]] bool writes() const noexcept { return writes_; }

private:
    std::shared_ptr<middle> middle_;
    bool writes_;
};

/// Standard input, output and error: those of the process that simulates.
class console final : public file {
public:
    console(host& owner, int fd) : file{owner}, fd_{fd} {}

    [[nodiscard]] std::uint32_t events() override;
    long read(void* into, std::size_t size) override;
    long write(const void* data, std::size_t size) override;

private:
    int fd_;
};

/// /dev/null: always ready, and nothing that epoll would watch.
class null_device final : public file {
public:
    using file::file;

    [[nodiscard]] std::uint32_t events() override;
    [[nodiscard]] bool can_be_polled() const noexcept override { return false; }
    long read(void* into, std::size_t size) override;
    long write(const void* data, std::size_t size) override;
};

} // namespace dunlin::sys_sim
