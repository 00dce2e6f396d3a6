#if defined(__x86_64__)
#include "furc_arithmetic.h"
#include "furc_observe.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define LEVEL(name) name##_avx2
#include "observe_body.h"
#pragma clang attribute pop
#endif
