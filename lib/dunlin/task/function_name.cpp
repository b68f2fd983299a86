#include <dunlin/task/detail/function_name.hpp>

#include <cstddef>

namespace dunlin::detail {

std::string_view written_name(std::string_view function_name) noexcept {
    // The name ends at the first parenthesis that opens a parameter list: not the one of
    // "operator()" or of
    // "(anonymous namespace)", which belong to the name.
    constexpr std::string_view call = "operator()";
    constexpr std::string_view unnamed = "(anonymous namespace)";
    std::size_t end = 0;
    int depth = 0; // of template arguments
    std::size_t begin = 0;
    while (end < function_name.size()) {
        const std::string_view rest = function_name.substr(end);
        if (rest.starts_with(call)) {
            end += call.size();
        } else if (rest.starts_with(unnamed)) {
            end += unnamed.size();
        } else if (depth == 0 && rest.front() == '(') {
            break;
        } else {
            if (rest.front() == '<') ++depth;
            if (rest.front() == '>') --depth;
            if (rest.front() == ' ' && depth == 0) begin = end + 1; // the result type came before
            ++end;
        }
    }
    while (begin < end && (function_name[begin] == '*' || function_name[begin] == '&'))
        ++begin;
    return function_name.substr(begin, end - begin);
}

} // namespace dunlin::detail
