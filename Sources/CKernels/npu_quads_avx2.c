#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "furc_functions.h"
#include "furc_npu_quads.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL(name) name##_avx2

/* Sums of two elements each: of lanes 0 … 3, and 4 … 7. */
typedef struct {
  __m256i low, high;
} sums_t;
typedef struct {
  __m256i low, high;
} weights_t;

FURC_INLINE sums_t sums_zero(void) {
  sums_t sums = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  return sums;
}
FURC_INLINE weights_t weights_of(const int8_t *w) {
  weights_t wide = {
      _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w)),
      _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 16)))};
  return wide;
}
FURC_INLINE void sums_add(sums_t *sums, weights_t w, const int8_t *x) {
  int32_t four;
  memcpy(&four, x, 4);
  __m256i wide = _mm256_broadcastq_epi64(_mm_cvtepi8_epi16(_mm_cvtsi32_si128(four)));
  sums->low = _mm256_add_epi32(sums->low, _mm256_madd_epi16(w.low, wide));
  sums->high = _mm256_add_epi32(sums->high, _mm256_madd_epi16(w.high, wide));
}
FURC_INLINE void sums_out(sums_t sums, uint32_t *words) {
  __m256i pairs = _mm256_hadd_epi32(sums.low, sums.high);
  _mm256_storeu_si256((__m256i *)words, _mm256_permute4x64_epi64(pairs, 0xD8));
}
enum { ELEMENT_OFFSET = 0 };

#include "npu_quads_body.h"
#pragma clang attribute pop
#endif
