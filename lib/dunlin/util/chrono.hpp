// Durations, points in time and their literals: what of <chrono> is no calendar.
//
// With libstdc++ all of <chrono> brings streams and locales, a ninth of the memory that including
// dunlin took g++ 12. Its part that has none is a header of its own, though not a documented one:
// where it is not found, this is <chrono>. Who wants calendars includes that.
#pragma once

#include <cstdint> // says whose library it is

#if defined(__GLIBCXX__) && __has_include(<bits/chrono.h>)
#include <bits/chrono.h> // tidy: of the standard library, not of the system
#else
#include <chrono>
#endif
