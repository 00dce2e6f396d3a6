/* The inner loops of the slice machine's fast interpreter. Offsets are in elements unless they say bytes. Every
   level of furc_cpu.h gives the same bits. */
#ifndef FURC_NPU_H
#define FURC_NPU_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { FURC_NPU_MAX_RANK = 12 };

/* low <= origin + sum of coefficients + e * element_coefficient < high */
typedef struct {
  int64_t origin, element_coefficient, low, high;
  int64_t coefficients[FURC_NPU_MAX_RANK];
} furc_npu_bound;

/* What a slice fetches: packets in the order of the loops, behind the adapter. */
typedef struct {
  const uint8_t *memory;
  int64_t memory_bytes;
  int64_t base;
  int64_t sizes[FURC_NPU_MAX_RANK];
  int64_t strides[FURC_NPU_MAX_RANK]; /* bytes */
  int32_t rank;
  int32_t packet; /* elements fetched */
  int32_t type;   /* FURC_TYPE_... of furc_program.h */
  int32_t zero_point;
  const uint32_t *table; /* 256 words by stored byte, or null */
  int32_t valid_loop;    /* -1 for none */
  int32_t bound_count;
  int64_t valid_count;
  furc_npu_bound bounds[2];
  int32_t has_outside;
  uint32_t outside;
  uint32_t skip;  /* stands for what is skipped */
  int32_t halves; /* whether the result has 16-bit integers instead of words */
  int32_t pitch;  /* elements from packet to packet of the result; those beyond the packet get `skip` */
  int32_t repeat; /* the one element of the packet is repeated so often */
  void *result;
  uint32_t *present; /* per packet, bit e: element e is there; or null */
} furc_npu_fetch;

/* Returns 0, or 1 if an element that is read lies outside the memory. */
int furc_npu_fetch_packets(const furc_npu_fetch *job, int level);

/* Sums over k of packets x[xb[s] + xo[k]] with units w[wb[s] + wo[k]], for every step s. */
typedef struct {
  const int32_t *xb, *wb, *xo, *wo;
  int64_t steps, count;
  int32_t packet; /* even for i16 */
  int32_t depth;  /* element e belongs to column e >> depth */
  int32_t columns;
  /* By packet number: bits of the elements that count; null if all do. xb and xo are whole packets then. */
  const uint32_t *present;
} furc_npu_steps;

/* One column. w: [pair of elements][8 lanes][2]. result [step][8]; must not overflow. */
void furc_npu_contract_i16(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int32_t *result, int level);
/* w: [8 lanes][element]. result: [step][column][8]; must not overflow. */
void furc_npu_contract_columns_i16(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int32_t *result, int level);
/* A column per element. w: [8 lanes][element], the packet a multiple of 8. result: [step][lane][element]; must not overflow. */
void furc_npu_contract_channels_i16(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int lanes, int32_t *result, int level);
/* w: [element][8 lanes]. result: [step][column][8], holds what the chains start from; NaN become canonical. */
void furc_npu_contract_f32(
    const furc_npu_steps *job, const float *x, const float *w, float *result, int level);
/* The same in f64, for sums that it holds exactly. */
void furc_npu_contract_f64(
    const furc_npu_steps *job, const float *x, const float *w, double *result, int level);

enum {
  FURC_NPU_SUM,
  FURC_NPU_PRODUCT,
  FURC_NPU_MAXIMUM,
  FURC_NPU_MINIMUM,
  FURC_NPU_ARGMAX,
  FURC_NPU_ARGMIN,
  FURC_NPU_SUM16, /* sixteen partial sums and a tree */
};

/* Reductions of words, `packet` (at most 8) of a step beside each other. result: [step][8].
   Returns 1 if an integer sum leaves 32 bits. */
int furc_npu_reduce(
    const furc_npu_steps *job, const uint32_t *x, int kind, int is_float, uint32_t *result, int level);

/* result[i] = combination of terms[0][i], terms[1][i] ...: float sums by a tree of adjacent pairs. kind: SUM,
   MAXIMUM, MINIMUM. Returns 1 if an integer sum leaves 32 bits. */
int furc_npu_combine(
    const uint32_t *const *terms, int size, int64_t count, int kind, int is_float, uint32_t *result, int level);

/* Copies runs that lie one behind the other in `source` to places in `target`; strides in bytes. */
typedef struct {
  int64_t sizes[FURC_NPU_MAX_RANK];
  int64_t strides[FURC_NPU_MAX_RANK];
  int32_t rank;
  int32_t run_bytes;
} furc_npu_places;

void furc_npu_scatter(const furc_npu_places *places, const void *source, void *target);
void furc_npu_gather(const furc_npu_places *places, const void *source, void *target);

/* Packets of 1 … 32 bytes from source + offset[i] to target + place[i]; zero where a mask has 0. */
void furc_npu_move_packets(
    const void *source, const int32_t *offset, void *target, const int32_t *place, const uint8_t *mask, int64_t count,
    int32_t packet);

/* Rearranges units of words for the contractions, from unit u0 + i * step on, i < count: lanes beyond
   `lanes` get 0. Return the greatest magnitude of an integer, or 1 << 20 if one does not fit 16 bits. */
int32_t furc_npu_pack_i16(
    const uint32_t *units, int64_t words, int64_t step, int64_t count, int lanes, int packet, int16_t *w);
int32_t furc_npu_pack_columns_i16(
    const uint32_t *units, int64_t words, int64_t step, int64_t count, int lanes, int packet, int16_t *w);
void furc_npu_pack_f32(
    const uint32_t *units, int64_t words, int64_t step, int64_t count, int lanes, int packet, float *w);

#ifdef __cplusplus
}
#endif
#endif
