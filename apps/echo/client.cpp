#include "client.hpp"

#include <array>
#include <functional>
#include <string_view>

namespace echo {

namespace {

using bytes = std::span<const std::byte>;

dunlin::io_task<> put_all(dunlin::descriptor& output, bytes data) {
    while (!data.empty()) {
        const std::size_t n = co_await output.write_some(data).or_return();
        data = data.subspan(n);
    }
}

/// What the two directions know of each other.
struct conversation {
    bool has_prompt; ///< Somebody sits at a terminal.
    std::size_t sent = 0;
    std::size_t came_back = 0;
    bool input_has_ended = false;
    std::string_view trouble_with = "connection"; ///< What an error is about.
};

dunlin::io_task<> print(dunlin::descriptor& output, bytes data, conversation& so_far) {
    const auto printed = co_await put_all(output, data);
    if (!printed) so_far.trouble_with = "standard output";
    co_await dunlin::or_return(printed);
}

dunlin::io_task<> prompt(dunlin::descriptor& output, conversation& with) {
    if (!with.has_prompt || with.came_back < with.sent) co_return;
    const std::string_view sign = "> ";
    co_await print(output, std::as_bytes(std::span{sign}), with).or_return();
}

/// Sends all input, then ends our half, so that the server knows.
dunlin::io_task<> send_input(dunlin::descriptor& input, dunlin::tcp_writer server,
                             conversation& so_far) {
    std::array<std::byte, 16 * 1024> chunk;
    for (;;) {
        const auto got = co_await input.read_some(chunk);
        if (!got && got.error() == std::errc::bad_file_descriptor) break; // we were started without
        if (!got) so_far.trouble_with = "standard input";
        const std::size_t n = co_await dunlin::or_return(got);
        if (n == 0) break;
        const bytes data = std::span{chunk}.first(n);
        so_far.sent += n;
        co_await server.write(data).or_return();
    }
    so_far.input_has_ended = true;
}

/// Prints what comes back until the server has nothing more to say.
dunlin::io_task<> print_answers(dunlin::tcp_reader server, dunlin::descriptor& output,
                                conversation& so_far) {
    co_await prompt(output, so_far).or_return();
    while (auto data = co_await server.read().or_return()) {
        so_far.came_back += data.size();
        co_await print(output, data, so_far).or_return();
        co_await prompt(output, so_far).or_return();
    }
    if (!so_far.input_has_ended || so_far.came_back < so_far.sent)
        co_await dunlin::fail(dunlin::errc::end_of_stream);
}

} // namespace

dunlin::io_task<> talk(std::string host, std::uint16_t port, std::string_view& trouble_with) {
    auto server = co_await dunlin::tcp_socket::connect(host, port).or_return();
    dunlin::descriptor input{dunlin::borrowed_fd{0}};
    dunlin::descriptor output{dunlin::borrowed_fd{1}};
    conversation so_far{input.is_terminal()};
    auto halves = std::move(server).split();
    dunlin::task_group both;
    both.spawn(send_input, std::ref(input), std::move(halves.second), std::ref(so_far));
    both.spawn(print_answers, std::move(halves.first), std::ref(output), std::ref(so_far));
    const auto talked = co_await both.join();
    trouble_with = so_far.trouble_with;
    co_await dunlin::or_return(talked);
}

} // namespace echo
