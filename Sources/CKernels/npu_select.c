#include <string.h>

#include "furc_cpu.h"
#include "furc_npu.h"

#if defined(__x86_64__)
#define SELECT(NAME, ...) \
  return level >= FURC_CPU_AVX2 ? NAME##_avx2(__VA_ARGS__) : NAME##_portable(__VA_ARGS__)
#else
#define SELECT(NAME, ...) return (void)level, NAME##_portable(__VA_ARGS__)
#endif

#define BOTH(TYPE, NAME, ...) \
  TYPE NAME##_portable(__VA_ARGS__); \
  TYPE NAME##_avx2(__VA_ARGS__);

BOTH(int, furc_npu_fetch_packets, const furc_npu_fetch *)
BOTH(void, furc_npu_contract_i16, const furc_npu_steps *, const int16_t *, const int16_t *, int32_t *)
BOTH(void, furc_npu_contract_columns_i16, const furc_npu_steps *, const int16_t *, const int16_t *, int32_t *)
BOTH(void, furc_npu_contract_channels_i16, const furc_npu_steps *, const int16_t *, const int16_t *, int, int32_t *)
BOTH(void, furc_npu_contract_f32, const furc_npu_steps *, const float *, const float *, float *)
BOTH(void, furc_npu_contract_f64, const furc_npu_steps *, const float *, const float *, double *)
BOTH(int, furc_npu_reduce, const furc_npu_steps *, const uint32_t *, int, int, uint32_t *)
BOTH(int, furc_npu_combine, const uint32_t *const *, int, int64_t, int, int, uint32_t *)

int furc_npu_fetch_packets(const furc_npu_fetch *job, int level) { SELECT(furc_npu_fetch_packets, job); }

void furc_npu_contract_i16(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int32_t *result, int level) {
  SELECT(furc_npu_contract_i16, job, x, w, result);
}

void furc_npu_contract_columns_i16(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int32_t *result, int level) {
  SELECT(furc_npu_contract_columns_i16, job, x, w, result);
}

void furc_npu_contract_channels_i16(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int lanes, int32_t *result, int level) {
  SELECT(furc_npu_contract_channels_i16, job, x, w, lanes, result);
}

void furc_npu_contract_f32(
    const furc_npu_steps *job, const float *x, const float *w, float *result, int level) {
  SELECT(furc_npu_contract_f32, job, x, w, result);
}

void furc_npu_contract_f64(
    const furc_npu_steps *job, const float *x, const float *w, double *result, int level) {
  SELECT(furc_npu_contract_f64, job, x, w, result);
}

int furc_npu_reduce(
    const furc_npu_steps *job, const uint32_t *x, int kind, int is_float, uint32_t *result, int level) {
  SELECT(furc_npu_reduce, job, x, kind, is_float, result);
}

int furc_npu_combine(
    const uint32_t *const *terms, int size, int64_t count, int kind, int is_float, uint32_t *result, int level) {
  SELECT(furc_npu_combine, terms, size, count, kind, is_float, result);
}

/* Walks the places with a known run length, so that copies become single moves. */
#define WALK(RUN, COPY)                                                    \
  {                                                                        \
    int64_t index[FURC_NPU_MAX_RANK] = {0}, count = 1, offset = 0;         \
    for (int d = 0; d < places->rank; d++) count *= places->sizes[d];      \
    for (int64_t i = 0; i < count; i++) {                                  \
      COPY(RUN);                                                           \
      packed += RUN;                                                       \
      for (int d = places->rank - 1; d >= 0; d--) {                        \
        offset += places->strides[d];                                      \
        if (++index[d] < places->sizes[d]) break;                          \
        offset -= places->strides[d] * places->sizes[d];                   \
        index[d] = 0;                                                      \
      }                                                                    \
    }                                                                      \
    return;                                                                \
  }

#define BY_RUN(COPY)                                 \
  switch (places->run_bytes) {                       \
    case 1: WALK(1, COPY)                            \
    case 4: WALK(4, COPY)                            \
    case 8: WALK(8, COPY)                            \
    case 16: WALK(16, COPY)                          \
    case 32: WALK(32, COPY)                          \
    default: WALK(places->run_bytes, COPY)           \
  }

#define OUT(RUN) memcpy((char *)target + offset, packed, (size_t)(RUN))
#define IN(RUN) memcpy(packed, (const char *)source + offset, (size_t)(RUN))

void furc_npu_scatter(const furc_npu_places *places, const void *source, void *target) {
  const char *packed = source;
  BY_RUN(OUT)
}

void furc_npu_gather(const furc_npu_places *places, const void *source, void *target) {
  char *packed = target;
  BY_RUN(IN)
}

#define MOVE(PACKET)                                                                                    \
  for (int64_t i = 0; i < count; i++) {                                                                 \
    if (mask && !mask[i]) memset((char *)target + place[i], 0, (size_t)(PACKET));                       \
    else memcpy((char *)target + place[i], (const char *)source + offset[i], (size_t)(PACKET));         \
  }                                                                                                     \
  return;

void furc_npu_move_packets(
    const void *source, const int32_t *offset, void *target, const int32_t *place, const uint8_t *mask, int64_t count,
    int32_t packet) {
  switch (packet) {
    case 1: MOVE(1)
    case 2: MOVE(2)
    case 4: MOVE(4)
    case 8: MOVE(8)
    case 16: MOVE(16)
    default: MOVE(packet)
  }
}

static int32_t narrowed(uint32_t word, int32_t *greatest) {
  int32_t value = (int32_t)word;
  if (value < -32767 || value > 32767) {
    *greatest = 1 << 20;
    return 0;
  }
  int32_t magnitude = value < 0 ? -value : value;
  if (magnitude > *greatest) *greatest = magnitude;
  return value;
}

int32_t furc_npu_pack_i16(
    const uint32_t *units, int64_t words, int64_t step, int64_t count, int lanes, int packet, int16_t *w) {
  int32_t greatest = 0;
  int even = packet + (packet & 1);
  for (int64_t i = 0; i < count; i++) {
    int16_t *block = w + i * even * 8;
    if (lanes < 8 || even != packet) memset(block, 0, (size_t)even * 16);
    for (int l = 0; l < lanes; l++) {
      const uint32_t *unit = units + (i * step + l) * words;
      for (int e = 0; e < packet; e++) block[(e / 2 * 8 + l) * 2 + e % 2] = (int16_t)narrowed(unit[e], &greatest);
    }
  }
  return greatest;
}

int32_t furc_npu_pack_columns_i16(
    const uint32_t *units, int64_t words, int64_t step, int64_t count, int lanes, int packet, int16_t *w) {
  int32_t greatest = 0;
  for (int64_t i = 0; i < count; i++) {
    int16_t *block = w + i * packet * 8;
    if (lanes < 8) memset(block, 0, (size_t)packet * 16);
    for (int l = 0; l < lanes; l++) {
      const uint32_t *unit = units + (i * step + l) * words;
      for (int e = 0; e < packet; e++) block[l * packet + e] = (int16_t)narrowed(unit[e], &greatest);
    }
  }
  return greatest;
}

void furc_npu_pack_f32(
    const uint32_t *units, int64_t words, int64_t step, int64_t count, int lanes, int packet, float *w) {
  for (int64_t i = 0; i < count; i++) {
    float *block = w + i * packet * 8;
    if (lanes < 8) memset(block, 0, (size_t)packet * 32);
    for (int l = 0; l < lanes; l++) {
      const uint32_t *unit = units + (i * step + l) * words;
      for (int e = 0; e < packet; e++) memcpy(&block[e * 8 + l], &unit[e], 4);
    }
  }
}
