#include <dunlin/sys/resolver_error.hpp>

#include <string>

#include <netdb.h>

namespace dunlin {
namespace {

static_assert(static_cast<int>(resolver_errc::no_such_name) == EAI_NONAME);
static_assert(static_cast<int>(resolver_errc::try_again) == EAI_AGAIN);
static_assert(static_cast<int>(resolver_errc::failed) == EAI_FAIL);
static_assert(static_cast<int>(resolver_errc::no_such_service) == EAI_SERVICE);
#ifdef EAI_NODATA
static_assert(static_cast<int>(resolver_errc::no_address) == EAI_NODATA);
#endif

class category final : public std::error_category {
public:
    constexpr category() noexcept = default;

    const char* name() const noexcept override { return "resolver"; }

    std::string message(int value) const override { return ::gai_strerror(value); }

    std::error_condition default_error_condition(int value) const noexcept override {
        if (value == EAI_AGAIN) return std::errc::resource_unavailable_try_again;
        return {value, *this};
    }
};

// As that of dunlin's own errors (error.cpp): never destroyed.
union immortal {
    constexpr immortal() noexcept : value{} {}
    ~immortal() {}
    category value;
};

constinit immortal the_category;

} // namespace

const std::error_category& resolver_category() noexcept { return the_category.value; }

} // namespace dunlin
