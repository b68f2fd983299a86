#include <dunlin/loop/remote.hpp>

#include <dunlin/loop/detail/remote_state.hpp>
#include <dunlin/sys/eventfd.hpp>
#include <dunlin/util/planted.hpp>

namespace dunlin {

namespace detail {

namespace {

class mark_node final : public post_node {
public:
    void run() noexcept override {}
    void abandon() noexcept override {}
};

constinit mark_node mark;

} // namespace

post_node* remote_state::closed_mark() noexcept { return &mark; }

post_node* remote_state::take_all(post_node* left_behind) noexcept {
    post_node* node = newest.exchange(left_behind, std::memory_order_seq_cst);
    if (DUNLIN_PLANTED(posts_reversed) && node != closed_mark()) return node;
    post_node* oldest_first = nullptr;
    while (node != nullptr && node != closed_mark()) {
        post_node* const older = node->next;
        node->next = oldest_first;
        oldest_first = node;
        node = older;
    }
    return oldest_first;
}

} // namespace detail

remote::remote(detail::remote_state* state) noexcept : state_{state} {
    if (state_ != nullptr) state_->acquire();
}

remote::remote(const remote& other) noexcept : remote{other.state_} {}

remote::~remote() {
    if (state_ != nullptr) state_->release();
}

bool remote::post(post_node& node) const noexcept {
    if (state_ == nullptr) return false;
    post_node* newest = state_->newest.load(std::memory_order_relaxed);
    do {
        if (newest == detail::remote_state::closed_mark()) return false;
        node.next = newest;
    } while (!state_->newest.compare_exchange_weak(newest, &node, std::memory_order_seq_cst,
                                                   std::memory_order_relaxed));
    // The node may be run and gone from here on.
    if (state_->wants_wake.load(std::memory_order_seq_cst) &&
        state_->wants_wake.exchange(false, std::memory_order_seq_cst))
        sys::signal_eventfd(state_->wake.get());
    return true;
}

bool remote::is_alive() const noexcept {
    return state_ != nullptr &&
           state_->newest.load(std::memory_order_acquire) != detail::remote_state::closed_mark();
}

} // namespace dunlin
