#include <dunlin/sync/one_shot.hpp>

#include <dunlin/util/assert.hpp>
#include <dunlin/util/planted.hpp>

namespace dunlin::detail {

// ---- the value

one_shot_base::~one_shot_base() {
    if (setter_ != nullptr) setter_->of_ = nullptr;
}

void one_shot_base::value_is_set() noexcept {
    queue_.release(DUNLIN_PLANTED(one_shot_gives_twice) ? 2 : 1);
    queue_.close();
}

bool one_shot_base::fail(std::error_code why) noexcept {
    DUNLIN_ASSERT(why); // an error says that there is none
    if (is_decided()) return false;
    error_ = why;
    queue_.close();
    return true;
}

void one_shot_base::close() noexcept { queue_.close(); }

std::error_code one_shot_operation_base::error() const noexcept {
    const bool has_failed = outcome_ == failure(errc::closed) && from_->error_;
    return has_failed ? from_->error_ : operation::error();
}

// ---- its setter

one_shot_setter_base::one_shot_setter_base(one_shot_base& of) noexcept : of_{&of} {
    DUNLIN_ASSERT(of.setter_ == nullptr); // there is one already
    of.setter_ = this;
}

void one_shot_setter_base::take_over(one_shot_setter_base& other) noexcept {
    of_ = std::exchange(other.of_, nullptr);
    if (of_ != nullptr) of_->setter_ = this;
}

bool one_shot_setter_base::is_wanted() const noexcept {
    return of_ != nullptr && !of_->is_decided();
}

bool one_shot_setter_base::fail(std::error_code why) noexcept {
    return of_ != nullptr && of_->fail(why);
}

void one_shot_setter_base::close() noexcept {
    if (of_ == nullptr) return;
    of_->setter_ = nullptr;
    std::exchange(of_, nullptr)->close();
}

} // namespace dunlin::detail
