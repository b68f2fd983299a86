// What the support of the tests asks the kernel for past its calls, of the simulated one.
#include <support/fake_clock.hpp>
#include <support/test_loop.hpp>

#include <dunlin/sys_sim/host.hpp>
#include <dunlin/sys_sim/kernel.hpp>

namespace dunlin::test {

std::size_t open_descriptors() { return sys_sim::kernel::current().here().open_count(); }

void fake_clock::advance(std::chrono::nanoseconds span) noexcept {
    sys_sim::kernel& simulated = sys_sim::kernel::current();
    simulated.advance_to(simulated.now() + span.count());
}

} // namespace dunlin::test
