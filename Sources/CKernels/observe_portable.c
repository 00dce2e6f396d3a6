#include "furc_arithmetic.h"
#include "furc_observe.h"

#pragma STDC FP_CONTRACT OFF
#define LEVEL(name) name##_portable
#include "observe_body.h"
