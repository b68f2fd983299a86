// What the messages consist of: a long row of random bytes that every connection goes through
// again and again, each from a place of its own.
//
// So no message has to be made, kept or copied: what is sent is a view of the row, and what comes
// back is compared with it in place. A byte that is lost, doubled or changed shifts all that comes
// after it, and the bytes of another message, or of another connection, are others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace echo::bench {

class pattern {
public:
    /// The longest view there is.
    static constexpr std::size_t longest = 64 * 1024;

    /// A place in the row.
    using place = std::uint32_t;

    /// For messages of so many bytes. The row's length is a prime that does not divide it, so that
    /// no message equals the one before.
    explicit pattern(std::size_t message_size)
        : period_{message_size % 65'521 == 0 ? 65'519U : 65'521U}, bytes_(period_ + longest) {
        std::uint64_t state = 0; // splitmix64
        for (std::size_t i = 0; i < period_; ++i) {
            std::uint64_t z = state += 0x9e3779b97f4a7c15U;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
            z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
            bytes_[i] = static_cast<std::byte>(z >> 56);
        }
        for (std::size_t i = 0; i < longest; ++i)
            bytes_[period_ + i] = bytes_[i % period_];
    }

    /// Where connection `number` of so many begins: they lie as far apart as they can.
    [[nodiscard]] place beginning(std::size_t number, std::size_t of_so_many) const noexcept {
        return static_cast<place>(number * period_ / of_so_many % period_);
    }

    /// The bytes from there on, `size` of them: at most `longest`.
    [[nodiscard]] std::span<const std::byte> at(place where, std::size_t size) const noexcept {
        return {bytes_.data() + where, size};
    }
    [[nodiscard]] place after(place where, std::size_t size) const noexcept {
        return (where + static_cast<place>(size)) % period_;
    }

private:
    place period_;
    std::vector<std::byte> bytes_;
};

} // namespace echo::bench
