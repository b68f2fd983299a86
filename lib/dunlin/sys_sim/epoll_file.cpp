#include <dunlin/sys_sim/epoll_file.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

namespace dunlin::sys_sim {

namespace {

// The bits that say how to report and not what (EP_PRIVATE_BITS).
constexpr std::uint32_t private_bits =
    EPOLLWAKEUP | EPOLLONESHOT | static_cast<std::uint32_t>(EPOLLET) | EPOLLEXCLUSIVE;
constexpr std::uint32_t always = EPOLLERR | EPOLLHUP;
constexpr std::uint32_t exclusive_allows = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP |
                                           static_cast<std::uint32_t>(EPOLLET) | EPOLLEXCLUSIVE;
constexpr int deepest = 5; // EP_MAX_NESTS + 1

} // namespace

// ---- items

epoll_item::epoll_item(epoll_file& its_set, file& its_target, int its_fd,
                       const ::epoll_event& asked)
    : set{its_set}, target{its_target}, fd{its_fd}, events{asked.events | always},
      data{asked.data.u64}, number{its_set.next_number()} {
    target.watchers.push_back(this); // to the front: `insert` there is a false alarm of g++ 12
    std::rotate(target.watchers.begin(), target.watchers.end() - 1, target.watchers.end());
}

epoll_item::~epoll_item() {
    set.unlink(*this);
    std::erase(target.watchers, this);
}

void epoll_item::notice(std::uint32_t key) {
    if ((events & ~private_bits) == 0) return; // a one-shot that has had its shot
    if (key != 0 && (key & events) == 0) return;
    set.link(*this);
    set.owner().is_woken = true;
    set.wake(EPOLLIN); // for sets that watch this one
}

// ---- sets

epoll_file::~epoll_file() = default;

void epoll_file::close() { items_.clear(); }

void epoll_file::link(epoll_item& item) {
    if (item.is_linked) return;
    item.is_linked = true;
    item.prev = last_;
    item.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &item;
    last_ = &item;
    ++ready_count_;
}

void epoll_file::unlink(epoll_item& item) noexcept {
    if (!item.is_linked) return;
    item.is_linked = false;
    (item.prev != nullptr ? item.prev->next : first_) = item.next;
    (item.next != nullptr ? item.next->prev : last_) = item.prev;
    --ready_count_;
}

std::uint32_t epoll_file::events() {
    return has_ready() ? static_cast<std::uint32_t>(EPOLLIN | EPOLLRDNORM) : 0;
}

bool epoll_file::has_ready() {
    while (first_ != nullptr) {
        if ((first_->target.events() & first_->events) != 0) return true;
        unlink(*first_);
    }
    return false;
}

long epoll_file::add(file& target, int fd, const ::epoll_event& asked) {
    if (&target == this) return -EINVAL;
    const auto* const inner = dynamic_cast<epoll_file*>(&target);
    if ((asked.events & EPOLLEXCLUSIVE) != 0 &&
        (inner != nullptr || (asked.events & ~exclusive_allows) != 0))
        return -EINVAL;
    if (inner != nullptr && (inner->reaches(*this, 0) || inner->depth() >= deepest)) return -ELOOP;
    const std::pair key{fd, &target};
    if (items_.contains(key)) return -EEXIST;
    auto made = std::make_unique<epoll_item>(*this, target, fd, asked);
    epoll_item& item = *made;
    items_.emplace(key, std::move(made));
    if ((target.events() & item.events) != 0) {
        link(item);
        owner().is_woken = true;
        wake(EPOLLIN);
    }
    return 0;
}

long epoll_file::modify(file& target, int fd, const ::epoll_event& asked) {
    if (&target == this || (asked.events & EPOLLEXCLUSIVE) != 0) return -EINVAL;
    const auto found = items_.find({fd, &target});
    if (found == items_.end()) return -ENOENT;
    epoll_item& item = *found->second;
    if ((item.events & EPOLLEXCLUSIVE) != 0) return -EINVAL;
    item.events = asked.events | always;
    item.data = asked.data.u64;
    if ((target.events() & item.events) != 0) {
        link(item);
        owner().is_woken = true;
        wake(EPOLLIN);
    }
    return 0;
}

long epoll_file::remove(file& target, int fd) {
    if (&target == this) return -EINVAL;
    return items_.erase({fd, &target}) == 1 ? 0 : -ENOENT;
}

void epoll_file::forget(epoll_item& item) { items_.erase({item.fd, &item.target}); }

int epoll_file::collect(::epoll_event* into, int room) {
    int count = 0;
    epoll_item* const end = last_; // what is put back at the end is not looked at twice
    bool was_last = end == nullptr;
    while (!was_last && count < room) {
        epoll_item& item = *first_;
        was_last = &item == end;
        unlink(item);
        const std::uint32_t bits = item.target.events() & item.events;
        if (bits == 0) continue;
        into[count].events = bits;
        into[count].data.u64 = item.data;
        ++count;
        if ((item.events & EPOLLONESHOT) != 0)
            item.events &= private_bits;
        else if ((item.events & EPOLLET) == 0)
            link(item);
    }
    return count;
}

void epoll_file::wake_one(std::uint64_t which) {
    if (items_.empty()) return;
    // Not in the order of the map, which depends on addresses.
    std::vector<epoll_item*> candidates;
    for (const auto& [key, item] : items_)
        candidates.push_back(item.get());
    std::sort(candidates.begin(), candidates.end(),
              [](const epoll_item* a, const epoll_item* b) { return a->number < b->number; });
    epoll_item& chosen = *candidates[which % candidates.size()];
    if ((chosen.events & ~private_bits) != 0) link(chosen);
}

void epoll_file::shuffle() {
    std::vector<epoll_item*> order;
    while (first_ != nullptr) {
        order.push_back(first_);
        unlink(*first_);
    }
    random_source& dice = owner().in().dice();
    for (std::size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[dice.below(i)]);
    for (epoll_item* const item : order)
        link(*item);
}

bool epoll_file::reaches(const file& other, int from) const {
    if (&other == this) return true;
    if (from > deepest) return true;
    for (const auto& [key, item] : items_)
        if (const auto* const inner = dynamic_cast<const epoll_file*>(&item->target))
            if (inner->reaches(other, from + 1)) return true;
    return false;
}

int epoll_file::depth() const {
    int deepest_inner = 0;
    for (const auto& [key, item] : items_)
        if (const auto* const inner = dynamic_cast<const epoll_file*>(&item->target))
            deepest_inner = std::max(deepest_inner, inner->depth());
    return deepest_inner + 1;
}

} // namespace dunlin::sys_sim
