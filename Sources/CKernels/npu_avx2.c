#if defined(__x86_64__)
#include <immintrin.h>

#include "furc_functions.h"
#include "furc_npu.h"
#include "furc_program.h"
#include "npu_step.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL(name) name##_avx2
#define NPU_AVX2
#include "npu_body.h"
#pragma clang attribute pop
#endif
