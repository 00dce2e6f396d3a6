#if defined(__x86_64__)
#include <immintrin.h>

#define ELEMENT double
#define NAME furc_contract_f64_avx2
#define PANEL FURC_F64_PANEL
#define VECTOR FURC_F64_VECTOR
#define LANES 4
#define MOST_ROWS 6
#define MOST_VECTORS 2
#define V __m256d
#define M __m256i
#define TARGET __attribute__((target("avx2,fma")))
#define ZERO _mm256_setzero_pd()
#define SET(x) _mm256_set1_pd(x)
#define LOAD(p) _mm256_loadu_pd(p)
#define FMA(x, y, z) _mm256_fmadd_pd(x, y, z)
#define MASK(n) \
  _mm256_cmpgt_epi64(_mm256_set1_epi64x((n) > LANES ? LANES : (n)), _mm256_setr_epi64x(0, 1, 2, 3))
#define MASKED_LOAD(m, p) _mm256_maskload_pd(p, m)
#define MASKED_STORE(p, m, x) _mm256_maskstore_pd(p, m, x)
#define CANONICAL(x) _mm256_blendv_pd(x, _mm256_set1_pd(__builtin_nan("")), _mm256_cmp_pd(x, x, _CMP_UNORD_Q))
#define LOCAL(name) name
#include "contract_fma_simd.h"
#endif
