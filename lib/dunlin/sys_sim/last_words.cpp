#include <dunlin/sys_sim/last_words.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <iterator>

#include <sys/syscall.h>
#include <unistd.h>

// Only a program that is built with a sanitizer has it.
extern "C" [[gnu::weak]] void __sanitizer_set_death_callback(void (*callback)());

namespace dunlin::sys_sim {

namespace {

constexpr int fatal[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};

char words[161];
std::size_t length = 0;
const struct ::sigaction* handlers_before = nullptr;

/// Once. Async-signal-safe, as signal-safety(7) wants it, and by syscall(2), since a test program
/// may have libc's calls go to the simulated kernel.
void print() noexcept {
    const char* from = words;
    while (length > 0) {
        const long n = ::syscall(SYS_write, STDERR_FILENO, from, length);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        from += n;
        length -= static_cast<std::size_t>(n);
    }
    length = 0;
}

void hear(int number) noexcept {
    print();
    // The signal is blocked while this runs, so the other handler is called as soon as it returns.
    for (std::size_t i = 0; i < std::size(fatal); ++i)
        if (fatal[i] == number) ::sigaction(number, &handlers_before[i], nullptr);
    ::syscall(SYS_tgkill, ::getpid(), ::gettid(), number);
}

} // namespace

last_words::last_words(std::string_view line) noexcept {
    length = std::min(line.size(), sizeof words - 1);
    std::copy_n(line.begin(), length, words);
    words[length++] = '\n';
    handlers_before = before_;
    struct ::sigaction ours = {};
    ours.sa_handler = hear;
    ours.sa_flags =
        SA_ONSTACK; // a stack that overflowed cannot hold the handler, if there is another
    for (std::size_t i = 0; i < std::size(fatal); ++i)
        ::sigaction(fatal[i], &ours, &before_[i]);
    if (&__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(print);
}

last_words::~last_words() {
    if (&__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(nullptr);
    for (std::size_t i = 0; i < std::size(fatal); ++i)
        ::sigaction(fatal[i], &before_[i], nullptr);
    length = 0;
}

} // namespace dunlin::sys_sim
