#include <dunlin/task/detail/function_name.hpp>

#include <support/catch.hpp>

#include <string>

using dunlin::detail::written_name;

TEST_CASE("a function's name is shown as it was written, whichever compiler names it",
          "[task][function_name]") {
    const struct {
        const char* given;
        const char* written;
    } cases[] = {
        // g++ 12, inside a coroutine
        {"void my::session(session(int)::_ZN2my7sessionEi.Frame*)", "my::session"},
        {"void my::{anonymous}::anon(anon(std::vector<int>)::_ZN2my12_GLOBAL__N_14anonE.Frame*)",
         "my::{anonymous}::anon"},
        {"void my::s::member(my::s::member(int) const::_ZNK2my1s6memberEi.Frame*)",
         "my::s::member"},
        {"void my::s::operator()(my::s::operator()(char*)::_ZN2my1sclEPc.Frame*)",
         "my::s::operator()"},
        {"void my::tmpl(tmpl<int, std::vector<int> >(int, std::vector<int>)::_ZN2my4tmplE.Frame*)",
         "my::tmpl"},
        {"void my::h<int (*)(char)>::run(my::h<int "
         "(*)(char)>::run()::_ZN2my1hIPFicEE3runEv.Frame*)",
         "my::h<int (*)(char)>::run"},
        // A lambda has no name: shown is the function that it stands in.
        {"void main()::<lambda(int)>::operator()(main()::<lambda(int)>::_ZZ4mainENK.Frame*)",
         "main"},
        {"void main()::local::go(main()::local::go()::_ZZ4mainEN5local2goEv.Frame*)", "main"},
        // clang 16 and 19, and g++ elsewhere
        {"T my::session(int)", "my::session"},
        {"T my::(anonymous namespace)::anon(std::vector<int>)", "my::(anonymous namespace)::anon"},
        {"T my::s::member(int) const", "my::s::member"},
        {"T my::s::operator()(char *)", "my::s::operator()"},
        {"T my::tmpl(A, B) [A = int, B = std::vector<int>]", "my::tmpl"},
        {"T my::h<int (*)(char)>::run() [A = int (*)(char)]", "my::h<int (*)(char)>::run"},
        {"auto main()::(anonymous class)::operator()(int) const", "main"},
        {"auto main()::(anonymous class)::operator()(auto) const [x:auto = std::vector<int>]",
         "main"},
        {"int main()", "main"},
        {"task<result<int>> my::deep::accept(std::vector<std::pair<int, long>>)",
         "my::deep::accept"},
        {"const char *my::name(int)", "my::name"},
        {"const std::string &my::name(int)", "my::name"},
        {"char* const* my::name(int)", "my::name"},
        {"", ""},
        {"no_parameters", "no_parameters"},
    };
    for (const auto& [given, written] : cases) {
        INFO(given);
        CHECK(std::string{written_name(given)} == written);
    }
}
