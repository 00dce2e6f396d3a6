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
FURC_INLINE weights_t weights_of(const uint8_t *w) { return _mm256_loadu_si256((const __m256i *)w); }
FURC_INLINE void sums_add(sums_t *sums, weights_t w, const int8_t *x) {
  int32_t four;
  memcpy(&four, x, 4);
  *sums = _mm256_dpbusd_epi32(*sums, w, _mm256_set1_epi32(four));
}
FURC_INLINE void sums_out(sums_t sums, uint32_t *words) { _mm256_storeu_si256((__m256i *)words, sums); }

typedef __m128i elements_t;
FURC_INLINE elements_t elements_zero(void) { return _mm_setzero_si128(); }
FURC_INLINE void elements_add(elements_t *sum, const int8_t *x, int packet) {
  __m128i some;
  if (packet == 16) some = _mm_loadu_si128((const __m128i *)x);
  else if (packet == 8) some = _mm_loadl_epi64((const __m128i *)x);
  else some = _mm_loadu_si32(x);
  *sum = _mm_dpbusd_epi32(*sum, _mm_set1_epi8(1), some);
}
FURC_INLINE int32_t elements_out(elements_t sum) {
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1)));
}

#include "npu_quads_body.h"
#pragma clang attribute pop
#endif
