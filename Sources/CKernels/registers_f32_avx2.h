/* Registers of eight f32 (AVX2, FMA). For the templates of contractions; a file may include several of these
   one after the other. */
#include "registers_undefine.h"

#define LANES 8
#define V __m256
#define M __m256i
#define ZERO _mm256_setzero_ps()
#define SET(x) _mm256_set1_ps(x)
#define LOAD(p) _mm256_loadu_ps(p)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define MASK(n)                                                                                    \
  _mm256_cmpgt_epi32(                                                                              \
      _mm256_set1_epi32((n) > LANES ? LANES : (int)(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
#define MASKED_LOAD(m, p) _mm256_maskload_ps(p, m)
#define MASKED_STORE(p, m, x) _mm256_maskstore_ps(p, m, x)
#define ADD(x, y) _mm256_add_ps(x, y)
#define MAX(x, y) _mm256_max_ps(x, y)
#define MIN(x, y) _mm256_min_ps(x, y)
#define KEEP_NAN(x, y) _mm256_blendv_ps(y, _mm256_set1_ps(__builtin_nanf("")), _mm256_cmp_ps(x, x, _CMP_UNORD_Q))
#define CANONICAL(x) KEEP_NAN(x, x)
