// Looking up names: getaddrinfo(3) blocks for as long as the name servers take, so it is asked on a
// thread of its own.
//
// Whoever asks brings a `lookup`, which belongs to the resolver from `start_lookup` until
// `answered` is called, or until `withdraw_lookup` has given it back. One thread works off the
// questions, in order; it is started with the first and ends with the last, is detached, and takes
// no signals. So one that hangs holds up those behind it; they have deadlines of their own
// (`withdraw_lookup`). A process may end while one is under way.
#pragma once

#include <dunlin/sys/address.hpp>

#include <string>
#include <system_error>
#include <vector>

namespace dunlin::sys {

/// A question and its answer. Not touched by who asks while it belongs to the resolver.
class lookup {
public:
    lookup() noexcept = default;
    lookup(const lookup&) = delete;
    lookup& operator=(const lookup&) = delete;

    /// The answer is there. Called once, on any thread; must not block. `*this` may be gone when it
    /// returns.
    virtual void answered() noexcept = 0;

    // The question.
    std::string host;    ///< A name or an address; neither empty nor with a zero in it.
    std::string service; ///< The name of a service, or its port, in decimal digits.

    // The answer.
    std::error_code error;             ///< Of the resolver's category, the system's or the generic.
    std::vector<ip_address> addresses; ///< In the order of getaddrinfo(3), so that of RFC 6724.

    // The resolver's.
    lookup* next = nullptr;
    lookup* previous = nullptr;
    bool is_queued = false;

protected:
    ~lookup() = default;
};

/// Asks. 0, or -errno if there can be no thread; then `answered` is not called. Any thread.
[[nodiscard]] int start_lookup(lookup& asked) noexcept;

/// Takes a question back that nobody wants answered any more. True: it is the asker's again and
/// `answered` will not be called. False: it is being answered, or has been. Any thread.
[[nodiscard]] bool withdraw_lookup(lookup& asked) noexcept;

} // namespace dunlin::sys
