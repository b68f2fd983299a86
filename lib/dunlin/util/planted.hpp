// Bugs that a test plants to see whether it finds them: `DUNLIN_PLANTED(name)` is false, a
// constant, but in the build of the library that tests/sim/planted makes for itself. Not for users.
#pragma once

#ifdef DUNLIN_PLANTED_BUGS
#include DUNLIN_PLANTED_BUGS
#else
#define DUNLIN_PLANTED(name) false
#endif
