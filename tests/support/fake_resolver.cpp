#include <support/fake_resolver.hpp>

#include <support/catch.hpp>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <netdb.h>
#include <netinet/in.h>
#include <thread>

namespace dunlin::test {
namespace {

struct answer {
    int code = 0;
    int error_number = 0;
    std::vector<endpoint> addresses;
};

struct state {
    std::mutex mutex;
    std::condition_variable changed;
    bool hangs = false;
    int begun = 0;
    int over = 0;
    std::thread::id last_thread;
    bool lets_signals_through = false;
    std::map<std::string, answer, std::less<>> answers; ///< Found without allocating.
};

/// Never destroyed: a lookup may be under way when the program ends.
state& the_state() {
    static auto* const made = new state;
    return *made;
}

/// Ours are told from libc's by ai_canonname, for which nobody asks.
char our_mark[] = "fake";

addrinfo* make_list(const std::vector<endpoint>& addresses, std::uint16_t port) {
    addrinfo* first = nullptr;
    for (auto each = addresses.rbegin(); each != addresses.rend(); ++each) {
        auto* const entry = static_cast<addrinfo*>(std::calloc(1, sizeof(addrinfo)));
        entry->ai_socktype = SOCK_STREAM;
        entry->ai_canonname = our_mark;
        if (each->is_v6()) {
            auto* const address = static_cast<sockaddr_in6*>(std::calloc(1, sizeof(sockaddr_in6)));
            address->sin6_family = AF_INET6;
            address->sin6_port = htons(port);
            std::memcpy(&address->sin6_addr, each->bytes().data(), 16);
            entry->ai_addr = reinterpret_cast<sockaddr*>(address);
            entry->ai_addrlen = sizeof *address;
        } else {
            auto* const address = static_cast<sockaddr_in*>(std::calloc(1, sizeof(sockaddr_in)));
            address->sin_family = AF_INET;
            address->sin_port = htons(port);
            std::memcpy(&address->sin_addr, each->bytes().data(), 4);
            entry->ai_addr = reinterpret_cast<sockaddr*>(address);
            entry->ai_addrlen = sizeof *address;
        }
        entry->ai_family = entry->ai_addr->sa_family;
        entry->ai_next = first;
        first = entry;
    }
    return first;
}

template <class Predicate>
void wait_until(Predicate is_true) {
    std::unique_lock held{the_state().mutex};
    REQUIRE(the_state().changed.wait_for(held, std::chrono::seconds{5}, is_true));
}

/// By its name, since a sanitizer has threads of its own.
bool is_resolver_running() {
    for (const auto& thread : std::filesystem::directory_iterator{"/proc/self/task"}) {
        std::ifstream comm{thread.path() / "comm"};
        std::string name;
        if (std::getline(comm, name) && name == "dunlin-resolve") return true;
    }
    return false;
}

} // namespace

void wait_for_resolver_to_end() {
    for (int i = 0; i < 5000 && is_resolver_running(); ++i)
        std::this_thread::sleep_for(std::chrono::milliseconds{1});
    CHECK_FALSE(is_resolver_running());
}

hanging_lookups::hanging_lookups() {
    const std::lock_guard held{the_state().mutex};
    the_state().hangs = true;
}

hanging_lookups::~hanging_lookups() {
    const std::lock_guard held{the_state().mutex};
    the_state().hangs = false;
    the_state().changed.notify_all();
}

void set_addresses(const std::string& name, std::vector<endpoint> addresses) {
    const std::lock_guard held{the_state().mutex};
    the_state().answers[name] = answer{0, 0, std::move(addresses)};
}

void set_failure(const std::string& name, int code, int error_number) {
    const std::lock_guard held{the_state().mutex};
    the_state().answers[name] = answer{code, error_number, {}};
}

int lookups_begun() {
    const std::lock_guard held{the_state().mutex};
    return the_state().begun;
}
int lookups_over() {
    const std::lock_guard held{the_state().mutex};
    return the_state().over;
}

void wait_until_begun(int count) {
    wait_until([&] { return the_state().begun >= count; });
}
void wait_until_over(int count) {
    wait_until([&] { return the_state().over >= count; });
}

bool was_on_this_thread() {
    const std::lock_guard held{the_state().mutex};
    return the_state().last_thread == std::this_thread::get_id();
}
bool let_signals_through() {
    const std::lock_guard held{the_state().mutex};
    return the_state().lets_signals_through;
}

} // namespace dunlin::test

extern "C" {
int __real_getaddrinfo(const char*, const char*, const addrinfo*, addrinfo**);
void __real_freeaddrinfo(addrinfo*);
int __wrap_getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                       addrinfo** list);
void __wrap_freeaddrinfo(addrinfo* list);

int __wrap_getaddrinfo(const char* host, const char* service, const addrinfo* hints,
                       addrinfo** list) {
    using namespace dunlin::test;
    state& all = the_state();
    std::unique_lock held{all.mutex};
    ++all.begun;
    all.last_thread = std::this_thread::get_id();
    sigset_t blocked;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    all.lets_signals_through = ::sigismember(&blocked, SIGTERM) == 0 ||
                               ::sigismember(&blocked, SIGINT) == 0 ||
                               ::sigismember(&blocked, SIGUSR1) == 0;
    all.changed.notify_all();
    all.changed.wait(held, [&] { return !all.hangs; });
    int code = 0;
    if (const auto known = all.answers.find(host); known != all.answers.end()) {
        const answer& given = known->second;
        code = given.code;
        errno = given.error_number;
        if (code == 0)
            *list = make_list(given.addresses, static_cast<std::uint16_t>(std::atoi(service)));
    } else {
        code = __real_getaddrinfo(host, service, hints, list);
    }
    const int kept = errno;
    ++all.over;
    all.changed.notify_all();
    held.unlock();
    errno = kept;
    return code;
}

void __wrap_freeaddrinfo(addrinfo* list) {
    if (list == nullptr) return;
    if (list->ai_canonname != dunlin::test::our_mark) return __real_freeaddrinfo(list);
    while (list != nullptr) {
        addrinfo* const next = list->ai_next;
        std::free(list->ai_addr);
        std::free(list);
        list = next;
    }
}
}
