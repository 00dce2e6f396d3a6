#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#include "furc_functions.h"
#include "furc_npu_quads.h"

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#define LEVEL(name) name##_avx2

/* Two elements of four each: madd takes pairs of 16 bits, and the first and third of a lane are as good a pair as neighbours,
   without another vector for half of the lanes. */
typedef struct {
  __m256i even, odd;
} pairs_t;
typedef __m256i sums_t;
typedef pairs_t weights_t;
typedef pairs_t elements_t;

FURC_INLINE sums_t sums_zero(void) { return _mm256_setzero_si256(); }
FURC_INLINE pairs_t pairs_of(__m256i bytes) {
  pairs_t pairs = {_mm256_srai_epi16(_mm256_slli_epi16(bytes, 8), 8), _mm256_srai_epi16(bytes, 8)};
  return pairs;
}
FURC_INLINE weights_t weights_of(const int8_t *w) { return pairs_of(_mm256_loadu_si256((const __m256i *)w)); }
FURC_INLINE elements_t elements_of(const int8_t *x) {
  int32_t four;
  memcpy(&four, x, 4);
  return pairs_of(_mm256_set1_epi32(four));
}
FURC_INLINE void sums_add(sums_t *sums, weights_t w, elements_t x) {
  *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(w.even, x.even));
  *sums = _mm256_add_epi32(*sums, _mm256_madd_epi16(w.odd, x.odd));
}
FURC_INLINE void sums_put(sums_t sums, const uint32_t *less, int32_t *out) {
  _mm256_storeu_si256((__m256i *)out, _mm256_sub_epi32(sums, _mm256_loadu_si256((const __m256i *)less)));
}
enum { ELEMENT_OFFSET = 0 };

#include "npu_quads_body.h"
#pragma clang attribute pop
#endif
