/* Tiles of rows x one register of channels. The file that includes this defines NAME, LANES, MOST_ROWS, and
   over registers V and masks M: TARGET, ZERO, FMA, MASK, MASKED_LOAD, MASKED_STORE, CANONICAL and what
   epilogue_simd.h asks for. */
#include "contract_tiles.h"
#include "furc_contract.h"

#pragma STDC FP_CONTRACT OFF

#include "epilogue_simd.h"

FURC_TILE TARGET void tile(const furc_depthwise_job *job, const int rows, int64_t row) {
  const float *a[MOST_ROWS];
  float *c[MOST_ROWS];
  FURC_UNROLL for (int i = 0; i < rows; i++) {
    a[i] = (const float *)job->a + job->row_offset[row + i];
    c[i] = (float *)job->c + job->result_offset[row + i];
  }
  for (int64_t n = 0; n < job->channels; n += LANES) {
    const M mask = MASK(job->channels - n);
    V sum[MOST_ROWS];
    FURC_UNROLL for (int i = 0; i < rows; i++) sum[i] = ZERO;
    for (int64_t tap = 0; tap < job->taps; tap++) {
      const float *w = (const float *)job->w + job->tap_index[tap] * job->channels;
      const V weight = MASKED_LOAD(mask, w + n);
      const int64_t x = job->tap_offset[tap] + n;
      FURC_UNROLL for (int i = 0; i < rows; i++) sum[i] = FMA(MASKED_LOAD(mask, a[i] + x), weight, sum[i]);
    }
    if (job->epilogue) {
      FURC_UNROLL for (int i = 0; i < rows; i++) {
        sum[i] = LOCAL(finished)(job->epilogue, sum[i], mask, n, job->result_offset[row + i]);
      }
    }
    FURC_UNROLL for (int i = 0; i < rows; i++) MASKED_STORE(c[i] + n, mask, CANONICAL(sum[i]));
  }
}

TARGET void NAME(const furc_depthwise_job *job) {
  int64_t row = 0;
  for (; row + MOST_ROWS <= job->rows; row += MOST_ROWS) tile(job, MOST_ROWS, row);
  for (; row + 2 <= job->rows; row += 2) tile(job, 2, row);
  if (row < job->rows) tile(job, 1, row);
}
