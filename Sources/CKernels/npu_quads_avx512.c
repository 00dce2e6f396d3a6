#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "furc_functions.h"
#include "furc_npu_quads.h"

#pragma clang attribute push( \
    __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)
#define LEVEL(name) name##_avx512

typedef __m256i sums_t;
typedef __m256i weights_t;

FURC_INLINE sums_t sums_zero(void) { return _mm256_setzero_si256(); }
FURC_INLINE weights_t weights_of(const int8_t *w) { return _mm256_loadu_si256((const __m256i *)w); }
typedef int32_t four_elements __attribute__((may_alias, aligned(1)));

/* The first factors are unsigned. */
enum { ELEMENT_OFFSET = 128 };
typedef __m256i elements_t;
FURC_INLINE elements_t elements_of(const int8_t *x) {
  /* One instruction, where the compiler would make three. */
  __m256i elements;
  __asm__("vpxord %1%{1to8%}, %2, %0" : "=v"(elements) : "m"(*(const four_elements *)x), "v"(_mm256_set1_epi8((char)0x80)));
  return elements;
}
FURC_INLINE void sums_add(sums_t *sums, weights_t w, elements_t x) { *sums = _mm256_dpbusd_epi32(*sums, x, w); }
FURC_INLINE void sums_put(sums_t sums, const uint32_t *less, int32_t *out) {
  _mm256_storeu_si256((__m256i *)out, _mm256_sub_epi32(sums, _mm256_loadu_si256((const __m256i *)less)));
}

#include "npu_quads_body.h"
#pragma clang attribute pop
#endif
