#include <dunlin/net/resolve.hpp>

#include <dunlin/loop/remote.hpp>
#include <dunlin/loop/scheduler.hpp>
#include <dunlin/sys/resolver.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <new>
#include <utility>

namespace dunlin {

namespace detail {

/// What the waiting operation and the resolver's thread share.
///
///     worker:  asked ──▶ answered ──▶ posted ──▶ run: the waiter is told ──▶ released
///     loop:    asked ──▶ waits, or lets go (the waiter is null) ───────────▶ released
///
/// Each has one of two references; the last deletes. Only the loop looks at `waiter`, so the worker
/// holds nothing of a frame.
class shared_lookup final : public sys::lookup, private post_node {
public:
    shared_lookup(remote home, operation& waiting) noexcept
        : waiter{&waiting}, home_{std::move(home)} {}

    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    void answered() noexcept override {
        // Once it is posted the loop may run and delete this at any moment, and `home_` with it.
        const remote home = home_;
        if (!home.post(*this)) release(); // the scheduler is gone
    }

    operation* waiter;        ///< The loop's; null once it has let go.
    bool is_answered = false; ///< The loop's: from now on the answer may be looked at.

private:
    ~shared_lookup() = default;

    void run() noexcept override {
        is_answered = true;
        if (waiter != nullptr) waiter->interrupt();
        release();
    }
    void abandon() noexcept override { release(); }

    const remote home_;
    std::atomic<int> references_{2};
};

} // namespace detail

namespace {

constexpr detail::outcome see_error = -1; // its value is in error_

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_hex_digit(char c) noexcept {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool all_of(std::string_view text, bool (*is_so)(char) noexcept) noexcept {
    return std::all_of(text.begin(), text.end(), is_so);
}

/// Whether it may name a host. What ends in a number is meant as an address (so does the URL
/// Standard tell them apart, "ends in a number"); libc would make some address of most of them.
bool may_be_name(std::string_view host) noexcept {
    if (host.empty() || host.find('\0') != host.npos) return false;
    if (host.find(':') != host.npos) return false;
    if (host.back() == '.') host.remove_suffix(1);
    const std::string_view last = host.substr(host.rfind('.') + 1); // npos + 1 is 0
    if (last.empty()) return true;                                  // libc will say what it is not
    const bool is_hex = last.size() >= 2 && last[0] == '0' && (last[1] == 'x' || last[1] == 'X');
    return !all_of(last, is_digit) && !(is_hex && all_of(last.substr(2), is_hex_digit));
}

/// Whether it may name a service: it has a letter (RFC 6335, section 5.1) and begins with no blank
/// or sign, over which libc would read on to a number.
bool may_be_service(std::string_view service) noexcept {
    if (service.empty() || service.find('\0') != service.npos) return false;
    return (is_letter(service[0]) || is_digit(service[0])) &&
           std::any_of(service.begin(), service.end(), is_letter);
}

bool is_address(std::string_view host) noexcept {
    return endpoint::parse(host, std::uint16_t{0}).has_value();
}
bool is_port(std::string_view service) noexcept {
    return endpoint::parse("0.0.0.0", service).has_value();
}

endpoint to_endpoint(const sys::ip_address& address) noexcept {
    if (address.is_v6) return endpoint::v6(address.bytes, address.port, address.scope_id);
    return endpoint::v4(std::span{address.bytes}.first<4>(), address.port);
}

} // namespace

resolve_operation::~resolve_operation() {
    let_go();
    if (is_waiting_) abandon();
}

bool resolve_operation::begin() noexcept {
    if (!spend()) { // also numbers, over and over, let others run
        context_->sched->schedule_later(*context_);
        wait();
        return false;
    }
    if (start()) return finish();
    wait();
    return false;
}

bool resolve_operation::attempt() noexcept {
    if (is_lost()) {
        outcome_ = detail::failure(errc::stopped);
    } else if (asked_ == nullptr) { // it waited for its turn: a spent budget counts as a wait
        outcome_ = why_not_wait();
        if (outcome_ == 0) return start();
    } else if (asked_->is_answered) {
        take_answer();
    } else {
        outcome_ = why_not_wait();
        if (outcome_ == 0) return false;
    }
    let_go();
    return true;
}

/// True when it is over: there was nobody to ask, or nothing.
bool resolve_operation::start() noexcept {
    const auto at_once = endpoint::parse(host_, service_);
    if (at_once) return give({&at_once.assume_value(), 1});
    if (!may_be_name(host_) && !is_address(host_)) return fail_with(errc::bad_address);
    if (!may_be_service(service_) && !is_port(service_)) return fail_with(errc::bad_address);
    outcome_ = why_not_wait();
    if (outcome_ != 0) return true;

    asked_ = new (std::nothrow) detail::shared_lookup{context_->sched->get_remote(), *this};
    if (asked_ == nullptr) return fail_with(std::make_error_code(std::errc::not_enough_memory));
    try {
        asked_->host = host_;
        asked_->service = service_;
    } catch (const std::bad_alloc&) {
        outcome_ = -ENOMEM;
    }
    if (outcome_ == 0) outcome_ = sys::start_lookup(*asked_);
    if (outcome_ == 0) return false;
    asked_->release(); // nobody else has it
    asked_->release();
    asked_ = nullptr;
    return true;
}

bool resolve_operation::fail_with(std::error_code why) noexcept {
    error_ = why;
    outcome_ = see_error;
    return true;
}

bool resolve_operation::give(std::span<const endpoint> found) noexcept {
    try {
        found_.assign(found.begin(), found.end());
        outcome_ = 0;
    } catch (const std::bad_alloc&) {
        outcome_ = -ENOMEM;
    }
    return true;
}

void resolve_operation::take_answer() noexcept {
    if (asked_->error) {
        fail_with(asked_->error);
        return;
    }
    try {
        found_.reserve(asked_->addresses.size());
        for (const sys::ip_address& each : asked_->addresses)
            found_.push_back(to_endpoint(each));
        outcome_ = 0;
    } catch (const std::bad_alloc&) {
        outcome_ = -ENOMEM;
    }
}

/// Nobody here wants the answer any more.
void resolve_operation::let_go() noexcept {
    if (asked_ == nullptr) return;
    asked_->waiter = nullptr;
    if (sys::withdraw_lookup(*asked_)) asked_->release(); // it will not come: what the worker had
    asked_->release();
    asked_ = nullptr;
}

std::error_code resolve_operation::error() const noexcept {
    return outcome_ == see_error ? error_ : operation::error();
}

namespace detail {

result<host_and_service> split_host_and_service(std::string_view text) noexcept {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return errc::bad_address;
    std::string_view host = text.substr(0, colon);
    const std::string_view service = text.substr(colon + 1);
    const bool in_brackets = host.size() >= 2 && host.front() == '[' && host.back() == ']';
    if (in_brackets) host = host.substr(1, host.size() - 2);
    if (host.empty() || service.empty()) return errc::bad_address;
    const bool has_colon = host.find(':') != host.npos;
    if (in_brackets != has_colon) return errc::bad_address;
    return host_and_service{host, service};
}

} // namespace detail
} // namespace dunlin
