#if defined(__x86_64__)
#include <immintrin.h>

#define ELEMENT double
#define NAME furc_contract_f64_avx512
#define PANEL FURC_F64_PANEL
#define VECTOR FURC_F64_VECTOR
#define LANES 8
#define MOST_ROWS 12
#define MOST_VECTORS 2
#define V __m512d
#define M __mmask8
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define ZERO _mm512_setzero_pd()
#define SET(x) _mm512_set1_pd(x)
#define LOAD(p) _mm512_loadu_pd(p)
#define FMA(x, y, z) _mm512_fmadd_pd(x, y, z)
#define MASK(n) ((n) >= LANES ? 0xFF : (__mmask8)((1u << (n)) - 1))
#define MASKED_LOAD(m, p) _mm512_maskz_loadu_pd(m, p)
#define MASKED_STORE(p, m, x) _mm512_mask_storeu_pd(p, m, x)
#define CANONICAL(x) \
  _mm512_mask_mov_pd(x, _mm512_cmp_pd_mask(x, x, _CMP_UNORD_Q), _mm512_set1_pd(__builtin_nan("")))
#define LOCAL(name) name
#include "contract_fma_simd.h"
#endif
