// What nearly every test includes, compiled once for all of them. A test includes what it uses all
// the same: `-Db_pch=false` builds without this. (No `#pragma once`: g++ warns of it where a header
// is compiled.)
#include <support/catch.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>
