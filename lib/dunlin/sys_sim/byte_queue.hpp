// Bytes on their way: what is put in at one end comes out at the other.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace dunlin::sys_sim {

class byte_queue {
public:
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size() - begin_; }
    [[nodiscard]] bool is_empty() const noexcept { return size() == 0; }

    void push(std::string_view more) { bytes_.append(more); }

    /// Copies without taking; gives how many.
    std::size_t peek(void* into, std::size_t most, std::size_t from = 0) const noexcept {
        if (from >= size()) return 0;
        const std::size_t n = std::min(most, size() - from);
        if (n > 0) std::memcpy(into, bytes_.data() + begin_ + from, n);
        return n;
    }
    [[nodiscard]] std::string_view view(std::size_t from, std::size_t count) const noexcept {
        return std::string_view{bytes_}.substr(begin_ + from, count);
    }
    void drop(std::size_t count) {
        begin_ += count;
        if (begin_ == bytes_.size()) {
            bytes_.clear();
            begin_ = 0;
        } else if (begin_ > 65'536) {
            bytes_.erase(0, begin_);
            begin_ = 0;
        }
    }
    std::size_t pop(void* into, std::size_t most) {
        const std::size_t n = peek(into, most);
        drop(n);
        return n;
    }
    void clear() noexcept {
        bytes_.clear();
        begin_ = 0;
    }

private:
    std::string bytes_;
    std::size_t begin_ = 0;
};

} // namespace dunlin::sys_sim
