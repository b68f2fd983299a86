// What a layer above keeps in a scheduler for as long as that lives: at most one of each kind.
//
// The scheduler does not know what it is. When it ends it first ends all of them, so that the
// frames they own are gone while everything those might use is still there, then deletes them. Loop
// thread.
#pragma once

#include <dunlin/util/api.hpp>

namespace dunlin::detail {

class DUNLIN_API attachment {
public:
    attachment(const attachment&) = delete;
    attachment& operator=(const attachment&) = delete;

    /// The scheduler is about to end: lets go of what needs it. May be called again.
    virtual void end() noexcept = 0;

    /// Frees it; nobody finds it any more.
    virtual void destroy() noexcept = 0;

    const void* kind; ///< The address of something that stands for the kind.
    attachment* next = nullptr;

protected:
    explicit attachment(const void* its_kind) noexcept : kind{its_kind} {}
    ~attachment() = default;
};

} // namespace dunlin::detail
