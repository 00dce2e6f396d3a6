/* Registers of sixteen f32 (AVX-512). For the templates of contractions; a file may include several of these
   one after the other. */
#include "registers_undefine.h"

#define LANES 16
#define V __m512
#define M __mmask16
#define ZERO _mm512_setzero_ps()
#define SET(x) _mm512_set1_ps(x)
#define LOAD(p) _mm512_loadu_ps(p)
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#define MASK(n) ((n) >= LANES ? 0xFFFF : (__mmask16)((1u << (n)) - 1))
#define MASKED_LOAD(m, p) _mm512_maskz_loadu_ps(m, p)
#define MASKED_STORE(p, m, x) _mm512_mask_storeu_ps(p, m, x)
#define ADD(x, y) _mm512_add_ps(x, y)
#define MAX(x, y) _mm512_max_ps(x, y)
#define MIN(x, y) _mm512_min_ps(x, y)
#define KEEP_NAN(x, y) \
  _mm512_mask_mov_ps(y, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_ps(__builtin_nanf("")))
#define CANONICAL(x) KEEP_NAN(x, x)
