// Catch2, whichever major version the machine has. BENCHMARK is there in version 3, and in 2 where
// all of a program is compiled with CATCH_CONFIG_ENABLE_BENCHMARKING (bench/micro).
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
