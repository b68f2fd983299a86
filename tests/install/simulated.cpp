// The consumer's test, linked with the simulated kernel: a scenario over a few seeds.
#include <dunlin/dunlin.hpp>
#include <dunlin/sim/seeds.hpp>

#include <chrono>
#include <cstdio>
#include <functional>
#include <utility>

dunlin::io_task<> echo(dunlin::tcp_socket client) {
    while (auto data = co_await client.read().or_return())
        co_await client.write(data).or_return();
}

dunlin::io_task<> serve_echo() {
    auto listener = co_await dunlin::tcp_listener::bind("0.0.0.0:7").or_return();
    co_await dunlin::serve(std::move(listener), echo, dunlin::serve_options{}).or_return();
}

dunlin::io_task<> talk(bool& is_answered) {
    auto server = co_await dunlin::tcp_socket::connect("server:7").or_return();
    co_await server.write("x").or_return();
    const auto answer = co_await server.read().or_return();
    is_answered = answer.text() == "x";
}

int main() {
    const auto scenario = [](dunlin::sim::world& w) {
        bool is_answered = false;
        w.host("server").run_service(serve_echo);
        w.host("client").run(talk, std::ref(is_answered));
        w.link_all({.latency = std::chrono::milliseconds{20}});
        w.run_to_end(std::chrono::minutes{1});
        w.require(is_answered, "there was no answer");
        w.require(w.elapsed() >= std::chrono::milliseconds{80}, "it took no time");
    };
    const auto report = dunlin::sim::run_seeds(20, scenario, {.with = dunlin::sim::faults{}});
    std::fputs(report.words().c_str(), stdout);
    return report.has_passed() ? 0 : 1;
}
