/* Contractions of bytes by the slice machine's fast interpreter. Weights lie in blocks of eight lanes:
   [quad of elements][lane][4]. Every level of furc_cpu.h gives the same bits. */
#ifndef FURC_NPU_QUADS_H
#define FURC_NPU_QUADS_H

#include <stdint.h>

#include "furc_npu.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FURC_NPU_UNIT = 16, FURC_NPU_BLOCK = 8 * FURC_NPU_UNIT };

/* Operands of a slice. */
typedef struct {
  const int8_t *x;
  const int32_t *places; /* where packets lie, in bytes from `x`; -1 - i is the i-th of `side`; or null */
  const int8_t *side;
  const int8_t *w;
} furc_npu_operands;

/* Sums over slices and over k of (x - zero_point) * w, for steps that are pixels times groups of lanes:
   result[pixel * row + rb[group] + lane], modulo 2^32. */
typedef struct {
  const furc_npu_operands *slices;
  int64_t slice_count;
  const int32_t *xb, *xo; /* by pixel and by k: bytes from `x`, or numbers in `places` */
  const int32_t *wb, *wo; /* by group and by k: bytes from `w`, whole blocks */
  const int32_t *rb; /* by group: words from the pixel's first */
  int64_t row;
  int64_t pixels, groups, count;
  int32_t packet; /* 4, 8 or 16 elements */
  int32_t zero_point;
} furc_npu_quads;

void furc_npu_contract_quads(const furc_npu_quads *job, int32_t *result, int level);

/* Unit u[i] - first of 16 bytes, in blocks: from source + offset[i]. */
void furc_npu_load_quads(
    const uint8_t *source, const int32_t *offset, const int32_t *unit, int64_t count, uint8_t *blocks);

/* Units as a word per element, and back: 0 if one does not fit, and then nothing is written. */
void furc_npu_spread_quads(const uint8_t *block, uint32_t *words);
int furc_npu_pack_quads(const uint32_t *words, uint8_t *block);

/* The first `count` units of a block to another. */
void furc_npu_copy_units(const uint8_t *block, int64_t count, uint8_t *target);

/* Packets of which some elements are skipped. */
typedef struct {
  int32_t address;
  uint32_t present; /* bit e: element e is there */
} furc_npu_part;

/* Where the packets of i8 that a slice fetches lie: addresses, -1 for those of which nothing is there, and -2 - i for part i.
   `parts` has room for all packets. Returns the number of parts, or -1 if an element that is read lies outside the memory. */
int64_t furc_npu_place_packets(const furc_npu_fetch *job, int32_t *places, furc_npu_part *parts);

/* What stands for such packets, 16 bytes each: nothing, then the parts; zero points for what is skipped. */
void furc_npu_fill_side(
    const uint8_t *memory, const furc_npu_part *parts, int64_t count, int32_t zero_point, int8_t *side);

/* The packets as 16-bit integers less the zero point, `pitch` from one to the next; zero beyond the packet. */
void furc_npu_widen(
    const int8_t *memory, const int32_t *places, const int8_t *side, int64_t count, int32_t packet, int32_t zero_point,
    int16_t *result, int32_t pitch);

#ifdef __cplusplus
}
#endif
#endif
