#if defined(__x86_64__)
#include <immintrin.h>

#include "registers_f32_avx512.h"

#define NAME furc_depthwise_f32_avx512
#define MOST_ROWS 8
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define LOCAL(name) name
#include "depthwise_f32_simd.h"
#endif
