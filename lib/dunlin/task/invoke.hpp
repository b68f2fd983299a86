// Calling what can be called, member functions included: `std::invoke` without <functional>.
//
// Pointers to data members are left out: they give no task.
#pragma once

#include <type_traits>
#include <utility>

namespace dunlin::detail {

template <class Class, class Function, class Object, class... Args>
decltype(auto) call_member(Function Class::* member, Object&& object, Args&&... args) {
    if constexpr (std::is_base_of_v<Class, std::remove_cvref_t<Object>>)
        return (std::forward<Object>(object).*member)(std::forward<Args>(args)...);
    else if constexpr (requires { (object.get().*member)(std::forward<Args>(args)...); })
        return (object.get().*member)(std::forward<Args>(args)...); // std::reference_wrapper
    else
        return ((*std::forward<Object>(object)).*member)(std::forward<Args>(args)...);
}

/// `function(args...)`, or `(first.*function)(rest...)`, where `first` may also be a pointer of any
/// kind or a std::reference_wrapper. For what `std::is_invocable_v` says can be called so.
template <class Function, class... Args>
decltype(auto) call(Function&& function, Args&&... args) {
    if constexpr (std::is_member_function_pointer_v<std::remove_cvref_t<Function>>)
        return call_member(function, std::forward<Args>(args)...);
    else
        return std::forward<Function>(function)(std::forward<Args>(args)...);
}

} // namespace dunlin::detail
