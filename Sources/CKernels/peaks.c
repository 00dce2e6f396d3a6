#include "furc_peaks.h"

#include "furc_cpu.h"

/* Twelve chains: more than latency times throughput of any core that we know. */
enum { CHAINS = 12 };
#define UNROLL _Pragma("clang loop unroll(full)")

#define FMA_LOOP(NAME, ELEMENT, V, LANES, TARGET)                                                     \
  TARGET static int64_t NAME(int64_t rounds, ELEMENT *sink) {                                         \
    V sum[CHAINS];                                                                                    \
    V x = {(ELEMENT)0.5}, y = {(ELEMENT)0.25};                                                        \
    UNROLL for (int i = 0; i < CHAINS; i++) sum[i] = x + (ELEMENT)i;                                  \
    for (int64_t round = 0; round < rounds; round++) {                                                \
      UNROLL for (int i = 0; i < CHAINS; i++) sum[i] = __builtin_elementwise_fma(sum[i], x, y);       \
    }                                                                                                 \
    V all = sum[0];                                                                                   \
    UNROLL for (int i = 1; i < CHAINS; i++) all += sum[i];                                            \
    *sink = all[0];                                                                                   \
    return rounds * CHAINS * LANES;                                                                   \
  }

#define READ_LOOP(NAME, TARGET)                                                                       \
  TARGET static uint64_t NAME(const uint64_t *words, int64_t count) {                                 \
    uint64_t all = 0;                                                                                 \
    _Pragma("clang loop vectorize(enable) interleave_count(8)") for (int64_t i = 0; i < count; i++) { \
      all ^= words[i];                                                                                \
    }                                                                                                 \
    return all;                                                                                       \
  }

typedef float f32x4 __attribute__((vector_size(16)));
typedef double f64x2 __attribute__((vector_size(16)));
FMA_LOOP(f32_portable, float, f32x4, 4, )
FMA_LOOP(f64_portable, double, f64x2, 2, )
READ_LOOP(read_portable, )

static int64_t i8_portable(int64_t rounds, int32_t *sink) {
  typedef int32_t i32x4 __attribute__((vector_size(16)));
  i32x4 sum[CHAINS] = {{0}}, x = {*sink, 2, 3, 4};
  for (int64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < CHAINS; i++) sum[i] += sum[i] * x;
  }
  UNROLL for (int i = 1; i < CHAINS; i++) sum[0] += sum[i];
  *sink = sum[0][0];
  return rounds * CHAINS * 4;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
typedef float f32x8 __attribute__((vector_size(32)));
typedef double f64x4 __attribute__((vector_size(32)));
typedef float f32x16 __attribute__((vector_size(64)));
typedef double f64x8 __attribute__((vector_size(64)));
FMA_LOOP(f32_avx2, float, f32x8, 8, AVX2)
FMA_LOOP(f64_avx2, double, f64x4, 4, AVX2)
READ_LOOP(read_avx2, AVX2)
FMA_LOOP(f32_avx512, float, f32x16, 16, AVX512)
FMA_LOOP(f64_avx512, double, f64x8, 8, AVX512)
READ_LOOP(read_avx512, AVX512)

/* Exact products of bytes at this level take two instructions: see contract_i8_avx2.c. */
AVX2 static int64_t i8_avx2(int64_t rounds, int32_t *sink) {
  __m256i sum[CHAINS], x = _mm256_set1_epi32(*sink + 1);
  UNROLL for (int i = 0; i < CHAINS; i++) sum[i] = _mm256_set1_epi32(i);
  for (int64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < CHAINS; i++) {
      sum[i] = _mm256_add_epi32(sum[i], _mm256_madd_epi16(sum[i], x));
    }
  }
  UNROLL for (int i = 1; i < CHAINS; i++) sum[0] = _mm256_add_epi32(sum[0], sum[i]);
  *sink = _mm256_extract_epi32(sum[0], 0);
  return rounds * CHAINS * 16;
}

AVX512 static int64_t i8_avx512(int64_t rounds, int32_t *sink) {
  __m512i sum[CHAINS], x = _mm512_set1_epi32(*sink + 1);
  UNROLL for (int i = 0; i < CHAINS; i++) sum[i] = _mm512_set1_epi32(i);
  for (int64_t round = 0; round < rounds; round++) {
    UNROLL for (int i = 0; i < CHAINS; i++) {
      sum[i] = _mm512_dpbusd_epi32(sum[i], x, x);
      __asm__ volatile("" : "+v"(sum[i]));
    }
  }
  UNROLL for (int i = 1; i < CHAINS; i++) sum[0] = _mm512_add_epi32(sum[0], sum[i]);
  *sink = _mm512_cvtsi512_si32(sum[0]);
  return rounds * CHAINS * 64;
}
#define SELECT(NAME, ...)                                           \
  if (level >= FURC_CPU_AVX512) return NAME##_avx512(__VA_ARGS__);  \
  if (level >= FURC_CPU_AVX2) return NAME##_avx2(__VA_ARGS__);      \
  return NAME##_portable(__VA_ARGS__);
#else
#define SELECT(NAME, ...) (void)level; return NAME##_portable(__VA_ARGS__);
#endif

int64_t furc_peak_f32(int64_t rounds, int level, float *sink) { SELECT(f32, rounds, sink) }
int64_t furc_peak_f64(int64_t rounds, int level, double *sink) { SELECT(f64, rounds, sink) }
int64_t furc_peak_i8(int64_t rounds, int level, int32_t *sink) { SELECT(i8, rounds, sink) }
uint64_t furc_peak_read(const uint64_t *words, int64_t count, int level) { SELECT(read, words, count) }
