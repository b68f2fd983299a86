// The consumer that is built against an installed dunlin: a header that users include, a function from
// the library, and Boost, which comes with it.
#include <dunlin/sys/epoll.hpp>
#include <dunlin/version.hpp>
#include <cstdio>

int main() {
    const auto set = dunlin::epoll::create();
    std::puts(DUNLIN_VERSION_STRING);
    return set.has_value() ? 0 : 1;
}
