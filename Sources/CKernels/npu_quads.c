#include "furc_npu_quads.h"

#include <string.h>

#include "furc_cpu.h"
#include "npu_step.h"

#define LEVELS(NAME, ...)             \
  void NAME##_portable(__VA_ARGS__);  \
  void NAME##_avx2(__VA_ARGS__);      \
  void NAME##_avx512(__VA_ARGS__);

LEVELS(furc_npu_contract_quads, const furc_npu_quads *, int32_t *)

void furc_npu_contract_quads(const furc_npu_quads *job, int32_t *result, int level) {
#if defined(__x86_64__)
  if (level >= FURC_CPU_AVX512) furc_npu_contract_quads_avx512(job, result);
  else if (level >= FURC_CPU_AVX2) furc_npu_contract_quads_avx2(job, result);
  else furc_npu_contract_quads_portable(job, result);
#else
  (void)level;
  furc_npu_contract_quads_portable(job, result);
#endif
}

void furc_npu_load_quads(
    const uint8_t *source, const int32_t *offset, const int32_t *unit, int64_t count, uint8_t *blocks) {
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *from = source + offset[i];
    uint8_t *target = blocks + unit[i] / 8 * FURC_NPU_BLOCK + unit[i] % 8 * 4;
    for (int q = 0; q < 4; q++) memcpy(target + 32 * q, from + 4 * q, 4);
  }
}

void furc_npu_spread_quads(const uint8_t *block, uint32_t *words) {
  for (int lane = 0; lane < 8; lane++) {
    for (int e = 0; e < FURC_NPU_UNIT; e++) {
      words[lane * FURC_NPU_UNIT + e] = (uint32_t)(int8_t)block[e / 4 * 32 + lane * 4 + e % 4];
    }
  }
}

int furc_npu_pack_quads(const uint32_t *words, uint8_t *block) {
  uint32_t beyond = 0;
  for (int i = 0; i < FURC_NPU_BLOCK; i++) beyond |= words[i] + 128u;
  if (beyond > 255) return 0;
  for (int lane = 0; lane < 8; lane++) {
    for (int e = 0; e < FURC_NPU_UNIT; e++) {
      block[e / 4 * 32 + lane * 4 + e % 4] = (uint8_t)words[lane * FURC_NPU_UNIT + e];
    }
  }
  return 1;
}

void furc_npu_copy_units(const uint8_t *block, int64_t count, uint8_t *target) {
  for (int q = 0; q < 4; q++) memcpy(target + 32 * q, block + 32 * q, (size_t)count * 4);
}

/* The indices i < count for which low <= start + i * step < high, as a range; step may be 0 or negative. */
static void inside(int64_t start, int64_t step, int64_t low, int64_t high, int64_t count, int64_t *from, int64_t *to) {
  int64_t a = 0, b = count;
  if (step == 0) {
    if (start < low || start >= high) b = 0;
  } else if (step > 0) {
    a = start >= low ? 0 : (low - start + step - 1) / step;
    b = start >= high ? 0 : (high - start + step - 1) / step;
  } else {
    a = start < high ? 0 : (start - high) / -step + 1;
    b = start < low ? 0 : (start - low) / -step + 1;
  }
  if (a > *from) *from = a;
  if (b < *to) *to = b;
  if (*to > count) *to = count;
  if (*from > *to) *from = *to;
}

int64_t furc_npu_place_packets(const furc_npu_fetch *job, int32_t *places, furc_npu_part *parts) {
  const int packet = job->packet, inner = job->rank - 1;
  const int64_t width = inner >= 0 ? job->sizes[inner] : 1;
  const int64_t stride = inner >= 0 ? job->strides[inner] : 0;
  int64_t index[FURC_NPU_MAX_RANK] = {0}, rows = 1, address = job->base, count = 0;
  int64_t coordinate[2] = {job->bounds[0].origin, job->bounds[1].origin};
  for (int d = 0; d < inner; d++) rows *= job->sizes[d];
  for (int64_t row = 0; row < rows; row++, places += width) {
    /* Packets of which all elements are there. */
    int64_t from = 0, to = width;
    for (int b = 0; b < job->bound_count; b++) {
      const furc_npu_bound *bound = &job->bounds[b];
      int64_t step = inner >= 0 ? bound->coefficients[inner] : 0;
      int64_t reach = (packet - 1) * bound->element_coefficient;
      inside(coordinate[b], step, bound->low, bound->high, width, &from, &to);
      if (reach) inside(coordinate[b] + reach, step, bound->low, bound->high, width, &from, &to);
    }
    if (job->valid_loop >= 0) {
      if (job->valid_loop == inner) inside(0, packet, 0, job->valid_count - packet + 1, width, &from, &to);
      else if (job->valid_count - index[job->valid_loop] * packet < packet) to = from;
    }
    if (from < to) {
      int64_t first = address + from * stride, last = address + (to - 1) * stride;
      if (first < 0 || last < 0 || first + packet > job->memory_bytes || last + packet > job->memory_bytes) return -1;
    }
    for (int64_t i = from; i < to; i++) places[i] = (int32_t)(address + i * stride);
    for (int64_t i = 0; i < width; i++) {
      if (i == from && to > from) i = to;
      if (i >= width) break;
      uint32_t present = 0;
      for (int e = 0; e < packet; e++) {
        int is_there = 1;
        for (int b = 0; b < job->bound_count; b++) {
          const furc_npu_bound *bound = &job->bounds[b];
          int64_t at = coordinate[b] + e * bound->element_coefficient + (inner >= 0 ? i * bound->coefficients[inner] : 0);
          is_there = is_there && at >= bound->low && at < bound->high;
        }
        if (job->valid_loop >= 0) {
          int64_t number = job->valid_loop == inner ? i : index[job->valid_loop];
          is_there = is_there && job->valid_count - number * packet > e;
        }
        int64_t at = address + i * stride + e;
        if (is_there && (at < 0 || at >= job->memory_bytes)) return -1;
        present |= (uint32_t)is_there << e;
      }
      places[i] = present ? (int32_t)(-2 - count) : -1;
      if (present) parts[count++] = (furc_npu_part){(int32_t)(address + i * stride), present};
    }
    furc_npu_step(job, inner - 1, index, &address, coordinate);
  }
  return count;
}

void furc_npu_fill_side(
    const uint8_t *memory, const furc_npu_part *parts, int64_t count, int32_t zero_point, int8_t *side) {
  memset(side, (int8_t)zero_point, (size_t)(count + 1) * FURC_NPU_UNIT);
  for (int64_t i = 0; i < count; i++) {
    int8_t *part = side + (i + 1) * FURC_NPU_UNIT;
    for (int e = 0; e < FURC_NPU_UNIT; e++) {
      if (parts[i].present >> e & 1u) part[e] = (int8_t)memory[parts[i].address + e];
    }
  }
}

#define WIDEN(PACKET)                                                                                      \
  for (int64_t p = 0; p < count; p++, result += pitch) {                                                   \
    const int8_t *x = places[p] >= 0 ? memory + places[p] : side - (int64_t)FURC_NPU_UNIT * (places[p] + 1); \
    for (int e = 0; e < (PACKET); e++) result[e] = (int16_t)(x[e] - zero_point);                           \
    for (int e = (PACKET); e < pitch; e++) result[e] = 0;                                                  \
  }

void furc_npu_widen(
    const int8_t *memory, const int32_t *places, const int8_t *side, int64_t count, int32_t packet, int32_t zero_point,
    int16_t *result, int32_t pitch) {
  if (packet == 16 && pitch == 16) WIDEN(16)
  else WIDEN(packet)
}
