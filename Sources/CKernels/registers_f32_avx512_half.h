/* Registers of eight f32 with masks (AVX-512 VL). For the templates of contractions; a file may include several of these
   one after the other. */
#include "registers_undefine.h"

#define LANES 8
#define V __m256
#define M __mmask8
#define ZERO _mm256_setzero_ps()
#define SET(x) _mm256_set1_ps(x)
#define LOAD(p) _mm256_loadu_ps(p)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define MASK(n) ((n) >= LANES ? 0xFF : (__mmask8)((1u << (n)) - 1))
#define MASKED_LOAD(m, p) _mm256_maskz_loadu_ps(m, p)
#define MASKED_STORE(p, m, x) _mm256_mask_storeu_ps(p, m, x)
#define ADD(x, y) _mm256_add_ps(x, y)
#define MAX(x, y) _mm256_max_ps(x, y)
#define MIN(x, y) _mm256_min_ps(x, y)
#define KEEP_NAN(x, y) \
  _mm256_mask_mov_ps(y, _mm256_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm256_set1_ps(__builtin_nanf("")))
#define CANONICAL(x) KEEP_NAN(x, x)
