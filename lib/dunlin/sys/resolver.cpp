#include <dunlin/sys/resolver.hpp>

#include <dunlin/sys/resolver_error.hpp>

#include <cerrno>
#include <csignal>
#include <mutex>
#include <new>
#include <type_traits>

#include <netdb.h>
#include <pthread.h>
#include <sys/socket.h>

namespace dunlin::sys {

namespace {

/// The questions that nobody works on yet, first come first served.
struct question_queue {
    std::mutex mutex;
    lookup* first = nullptr;
    lookup* last = nullptr;
    bool has_worker = false; ///< A thread works off the queue, and will look again.

    void push(lookup& asked) noexcept {
        asked.next = nullptr;
        asked.previous = last;
        (last != nullptr ? last->next : first) = &asked;
        last = &asked;
        asked.is_queued = true;
    }
    void remove(lookup& asked) noexcept {
        (asked.previous != nullptr ? asked.previous->next : first) = asked.next;
        (asked.next != nullptr ? asked.next->previous : last) = asked.previous;
        asked.is_queued = false;
    }
};

// The thread may go on while the process ends, so this is never destroyed.
static_assert(std::is_trivially_destructible_v<question_queue>);
constinit question_queue questions;

std::error_code to_error(int code, int error_number) noexcept {
    if (code == EAI_SYSTEM) return {error_number, std::system_category()};
    if (code == EAI_MEMORY) return std::make_error_code(std::errc::not_enough_memory);
    return {code, resolver_category()};
}

void keep_addresses(const addrinfo* list, lookup& into) noexcept {
    try {
        for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
            raw_address raw;
            ip_address address;
            if (each->ai_addrlen > sizeof raw.storage) continue;
            const auto* const bytes = reinterpret_cast<const std::byte*>(each->ai_addr);
            for (std::uint32_t i = 0; i < each->ai_addrlen; ++i)
                raw.storage[i] = bytes[i];
            raw.size = each->ai_addrlen;
            if (from_raw(raw, address)) into.addresses.push_back(address);
        }
    } catch (const std::bad_alloc&) {
        into.error = std::make_error_code(std::errc::not_enough_memory);
    }
}

void answer(lookup& asked) noexcept {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM; // or each address would come once per type
    addrinfo* list = nullptr;
    errno = 0;
    const int code = ::getaddrinfo(asked.host.c_str(), asked.service.c_str(), &hints, &list);
    if (code != 0) {
        asked.error = to_error(code, errno);
        return;
    }
    keep_addresses(list, asked);
    ::freeaddrinfo(list);
    if (asked.addresses.empty() && !asked.error) asked.error = resolver_errc::no_address;
}

/// The next question, or null: then this thread is the worker no more.
lookup* next_question() noexcept {
    const std::lock_guard held{questions.mutex};
    lookup* const asked = questions.first;
    if (asked != nullptr)
        questions.remove(*asked);
    else
        questions.has_worker = false;
    return asked;
}

void* work(void*) noexcept {
    ::pthread_setname_np(::pthread_self(), "dunlin-resolve"); // for ps(1) and debuggers
    while (lookup* const asked = next_question()) {
        answer(*asked);
        asked->answered();
    }
    return nullptr;
}

/// 0 or a positive errno.
int start_worker() noexcept {
    pthread_attr_t detached;
    if (const int failed = ::pthread_attr_init(&detached); failed != 0) return failed;
    ::pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    // It inherits the mask: no signal is ever delivered to it.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t made;
    const int failed = ::pthread_create(&made, &detached, &work, nullptr);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::pthread_attr_destroy(&detached);
    return failed;
}

} // namespace

int start_lookup(lookup& asked) noexcept {
    const std::lock_guard held{questions.mutex};
    if (!questions.has_worker) {
        if (const int failed = start_worker(); failed != 0) return -failed;
        questions.has_worker = true;
    }
    questions.push(asked);
    return 0;
}

bool withdraw_lookup(lookup& asked) noexcept {
    const std::lock_guard held{questions.mutex};
    if (!asked.is_queued) return false;
    questions.remove(asked);
    return true;
}

} // namespace dunlin::sys
