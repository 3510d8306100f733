#include "fp8c.h"

// The functions are written in Swift; this file makes the header a target.
_Static_assert(sizeof(fp8c_event_kind) == sizeof(int), "events are numbered by int");
