#include "furc_observe.h"

#include "furc_cpu.h"

#define DECLARE(suffix) \
  void furc_range_##suffix(const float *, int64_t, float *, float *); \
  void furc_histogram_##suffix( \
      const float *, int64_t, int64_t, float, int32_t, int32_t, uint64_t *, uint64_t *); \
  void furc_quantize_i8_##suffix(const float *, int64_t, float, int32_t, int32_t, int32_t, int8_t *); \
  void furc_round_trip_##suffix(const float *, int64_t, float, int32_t, int32_t, int32_t, float *); \
  void furc_energies_##suffix(const float *, const float *, int64_t, double *, double *); \
  double furc_round_trip_noise_##suffix(const float *, int64_t, float, int32_t, int32_t, int32_t); \
  double furc_difference_##suffix(const float *, const float *, int64_t);
DECLARE(portable)
DECLARE(avx2)
DECLARE(avx512)

#if defined(__x86_64__)
#define SELECT(call, arguments) \
  if (level >= FURC_CPU_AVX512) return call##_avx512 arguments; \
  if (level >= FURC_CPU_AVX2) return call##_avx2 arguments; \
  return call##_portable arguments
#else
#define SELECT(call, arguments) \
  (void)level; \
  return call##_portable arguments
#endif

void furc_range(const float *x, int64_t count, float *low, float *high, int level) {
  SELECT(furc_range, (x, count, low, high));
}

void furc_histogram(
    const float *x, int64_t count, int64_t every, float inverse_width, int32_t first, int32_t bins,
    uint64_t *counts, uint64_t *zeros, int level) {
  SELECT(furc_histogram, (x, count, every, inverse_width, first, bins, counts, zeros));
}

void furc_quantize_i8(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, int8_t *y,
    int level) {
  SELECT(furc_quantize_i8, (x, count, scale, zero_point, low, high, y));
}

void furc_round_trip(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, float *y,
    int level) {
  SELECT(furc_round_trip, (x, count, scale, zero_point, low, high, y));
}

void furc_energies(
    const float *x, const float *y, int64_t count, double *signal, double *noise, int level) {
  SELECT(furc_energies, (x, y, count, signal, noise));
}

double furc_round_trip_noise(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, int level) {
  SELECT(furc_round_trip_noise, (x, count, scale, zero_point, low, high));
}

double furc_difference(const float *x, const float *y, int64_t count, int level) {
  SELECT(furc_difference, (x, y, count));
}
