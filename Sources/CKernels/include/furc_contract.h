#ifndef FURC_CONTRACT_H
#define FURC_CONTRACT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Contractions as implicit matrix products: C[row][column] = sum over taps, then k, of A · B. Nothing is
   copied: A is read where it lies, by one offset per row and one per tap. B is packed once, as panels of
   columns (furc_pack_*). Rows of one job share their list of taps; a tap that lies outside A for a row is
   not in the list, so the caller makes one job per list.

   Floats: one chain of fused multiply-adds per result in the order of the list, then of k, from +0; NaN
   results are the canonical one. i8: exact modulo 2^32. Every level computes the same bytes. */

enum {
  /* Columns of a full panel; the last panel is as wide as its columns, rounded up to FURC_*_VECTOR. */
  FURC_F32_PANEL = 32,
  FURC_F32_VECTOR = 16,
  FURC_F64_PANEL = 16,
  FURC_F64_VECTOR = 8,
  FURC_I8_PANEL = 64,
  FURC_I8_VECTOR = 16,
};

/* What becomes of a sum of floats before it is stored, in this order; NaN ends as the canonical one. */
typedef struct {
  /* Added: one per column of the job, or NULL. */
  const float *bias;
  /* Added: of (row, column) at residual[result_offset[row] + column], or NULL. */
  const float *residual;
  /* The larger of the sum and `low`, which is not -0; then the smaller of that and `high`, which is no zero. */
  bool has_low, has_high;
  float low, high;
} furc_epilogue;

typedef struct {
  /* Element (row, tap, k) is a[row_offset[row] + tap_offset[tap] + k * a_step]; offsets count elements. */
  const void *a;
  const int64_t *row_offset;
  int64_t rows;
  const int64_t *tap_offset;
  /* Where each tap of the list lies among the packed ones. */
  const int64_t *tap_index;
  int64_t taps;
  int64_t run;
  /* i8: must be 1. */
  int64_t a_step;
  /* The first panel; a job that ends before the last column ends at a full panel. */
  const void *b;
  int64_t packed_taps;
  int64_t packed_run;
  /* Offset of this job's k within the packed run, for blocks of k; i8: a multiple of 4. */
  int64_t first;
  int64_t columns;
  /* c[result_offset[row] + column]: f32, f64, or i32. */
  void *c;
  const int64_t *result_offset;
  /* Whether sums start anew; otherwise they continue from c. */
  bool start;
  /* f32: or NULL. */
  const furc_epilogue *epilogue;
  /* i8: where sums start, one per column, or NULL for 0. */
  const int32_t *init;
  /* i8: xored to each byte of A, which is then read as unsigned: 0x80 turns i8 into u8 = i8 + 128. */
  uint8_t flip;
} furc_contract_job;

/* Each channel apart: C[row][channel] = sum over taps of A[row, tap][channel] · W[tap][channel]. */
typedef struct {
  const void *a;
  const int64_t *row_offset;
  int64_t rows;
  const int64_t *tap_offset;
  /* f32: where the tap lies in w. */
  const int64_t *tap_index;
  /* i8: the list holds every tap in packed order; one that is not valid reads `zero` instead of A. */
  const uint8_t *tap_valid;
  int64_t taps;
  int64_t channels;
  /* f32: [tap][channel]. i8: as furc_pack_depthwise_i8 leaves it. */
  const void *w;
  void *c;
  const int64_t *result_offset;
  /* f32: or NULL. */
  const furc_epilogue *epilogue;
  /* i8 only. */
  const int32_t *init;
  const uint8_t *zero;
  uint8_t flip;
} furc_depthwise_job;

/* Selection: `level` is one of FURC_CPU_*, at most the CPU's own. */
void furc_contract_f32(const furc_contract_job *job, int level);
void furc_contract_f64(const furc_contract_job *job, int level);
void furc_contract_i8(const furc_contract_job *job, int level);
void furc_depthwise_f32(const furc_depthwise_job *job, int level);
void furc_depthwise_i8(const furc_depthwise_job *job, int level);

void furc_contract_f32_portable(const furc_contract_job *job);
void furc_contract_f64_portable(const furc_contract_job *job);
void furc_contract_i8_portable(const furc_contract_job *job);
void furc_depthwise_f32_portable(const furc_depthwise_job *job);
void furc_depthwise_i8_portable(const furc_depthwise_job *job);
#if defined(__x86_64__)
void furc_contract_f32_avx2(const furc_contract_job *job);
void furc_contract_f64_avx2(const furc_contract_job *job);
void furc_contract_i8_avx2(const furc_contract_job *job);
void furc_depthwise_f32_avx2(const furc_depthwise_job *job);
void furc_depthwise_i8_avx2(const furc_depthwise_job *job);
void furc_contract_f32_avx512(const furc_contract_job *job);
void furc_contract_f64_avx512(const furc_contract_job *job);
void furc_contract_i8_avx512(const furc_contract_job *job);
void furc_depthwise_f32_avx512(const furc_depthwise_job *job);
void furc_depthwise_i8_avx512(const furc_depthwise_job *job);
#endif

/* What B is packed from: element (column, tap, k) is b[column * column_step + tap_offset[tap] + k * step]. */
typedef struct {
  const void *b;
  int64_t columns;
  int64_t column_step;
  const int64_t *tap_offset;
  int64_t taps;
  int64_t run;
  int64_t step;
} furc_pack_source;

/* Elements that the packed form takes; -1 where that overflows. */
int64_t furc_packed_f32(int64_t columns, int64_t taps, int64_t run);
int64_t furc_packed_f64(int64_t columns, int64_t taps, int64_t run);
int64_t furc_packed_i8(int64_t columns, int64_t taps, int64_t run);
int64_t furc_packed_depthwise_i8(int64_t channels, int64_t taps);

void furc_pack_f32(const furc_pack_source *source, float *packed);
void furc_pack_f64(const furc_pack_source *source, double *packed);
/* Packs i8 = byte ^ flip; tap_sums[tap * columns + column] = the sum over k. */
void furc_pack_i8(const furc_pack_source *source, uint8_t flip, int8_t *packed, int32_t *tap_sums);
/* Columns are channels and run is 1; sums[channel] = the sum over the taps. */
void furc_pack_depthwise_i8(const furc_pack_source *source, uint8_t flip, int8_t *packed, int32_t *sums);

/* sums[row] = sum over taps and k of the bytes of A ^ flip, unsigned. */
void furc_contract_row_sums(const furc_contract_job *job, int32_t *sums);
/* c[result_offset[row] + column] -= rows[row] * columns[column], modulo 2^32. */
void furc_contract_subtract_outer(const furc_contract_job *job, const int32_t *rows, const int32_t *columns);

#ifdef __cplusplus
}
#endif
#endif
