#if defined(__x86_64__)
#include <immintrin.h>

#define ELEMENT float
#define MOST_ROWS 12
#define MOST_VECTORS 2
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define WITH_EPILOGUE

/* Half registers, for what is left of a panel. */
#define LANES 8
#define LOCAL(name) name##_half
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
#include "contract_fma_simd.h"

#undef LANES
#undef LOCAL
#undef V
#undef M
#undef ZERO
#undef SET
#undef LOAD
#undef FMA
#undef MASK
#undef MASKED_LOAD
#undef MASKED_STORE
#undef ADD
#undef MAX
#undef MIN
#undef KEEP_NAN
#undef CANONICAL

#define HALF_STRIP strip_half
#define NAME furc_contract_f32_avx512
#define PANEL FURC_F32_PANEL
#define VECTOR FURC_F32_VECTOR
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
#define LOCAL(name) name
#include "contract_fma_simd.h"
#endif
