// Marks what the shared library exports. Everything else in it is hidden.
#pragma once

#define DUNLIN_API [[gnu::visibility("default")]]
