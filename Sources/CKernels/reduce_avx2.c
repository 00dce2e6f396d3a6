#if defined(__x86_64__)
#include <stddef.h>
#include <stdint.h>

#include "furc_arithmetic.h"
#include "furc_reduce.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define LEVEL(name) name##_avx2
#include "reduce_body.h"
#pragma clang attribute pop
#endif
