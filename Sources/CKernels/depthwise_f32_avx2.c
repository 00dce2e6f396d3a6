#if defined(__x86_64__)
#include <immintrin.h>

#include "registers_f32_avx2.h"

#define NAME furc_depthwise_f32_avx2
#define MOST_ROWS 8
#define TARGET __attribute__((target("avx2,fma")))
#define LOCAL(name) name
#include "depthwise_f32_simd.h"
#endif
