/* The chain of fused multiply-adds in register tiles of ROWS x VECTORS. The file that includes this defines
   ELEMENT, NAME, PANEL, VECTOR (columns of a packed vector), LANES (of a register), MOST_ROWS, MOST_VECTORS,
   LOCAL(name) for its own functions, and over registers V and masks M: TARGET, ZERO, SET, LOAD, FMA, MASK,
   MASKED_LOAD, MASKED_STORE, CANONICAL; WITH_EPILOGUE and what epilogue_simd.h asks for, for f32. Without NAME
   there are strips only. */
#include "contract_tiles.h"
#include "furc_contract.h"

#pragma STDC FP_CONTRACT OFF

#ifdef WITH_EPILOGUE
#include "epilogue_simd.h"
#endif

FURC_TILE TARGET void LOCAL(tile)(
    const furc_contract_job *job, const int rows, const int vectors, int64_t row, const ELEMENT *b, int64_t width,
    int64_t column, int64_t columns) {
  const ELEMENT *a[MOST_ROWS];
  ELEMENT *c[MOST_ROWS];
  V sum[MOST_ROWS][MOST_VECTORS];
  M mask[MOST_VECTORS];
  FURC_UNROLL for (int v = 0; v < vectors; v++) mask[v] = MASK(columns - v * LANES);
  FURC_UNROLL for (int i = 0; i < rows; i++) {
    a[i] = (const ELEMENT *)job->a + job->row_offset[row + i];
    c[i] = (ELEMENT *)job->c + job->result_offset[row + i] + column;
    FURC_UNROLL for (int v = 0; v < vectors; v++) {
      sum[i][v] = job->start ? ZERO : MASKED_LOAD(mask[v], c[i] + v * LANES);
    }
  }
  const int64_t step = job->a_step;
  for (int64_t tap = 0; tap < job->taps; tap++) {
    const ELEMENT *w = b + (job->tap_index[tap] * job->packed_run + job->first) * width;
    const ELEMENT *end = w + job->run * width;
    int64_t x = job->tap_offset[tap];
    for (; w != end; w += width, x += step) {
      V weight[MOST_VECTORS];
      FURC_UNROLL for (int v = 0; v < vectors; v++) weight[v] = LOAD(w + v * LANES);
      FURC_UNROLL for (int i = 0; i < rows; i++) {
        V value = SET(a[i][x]);
        FURC_UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = FMA(value, weight[v], sum[i][v]);
      }
    }
  }
#ifdef WITH_EPILOGUE
  if (job->epilogue) {
    FURC_UNROLL for (int i = 0; i < rows; i++) {
      int64_t offset = job->result_offset[row + i];
      FURC_UNROLL for (int v = 0; v < vectors; v++) {
        V done = LOCAL(finished)(job->epilogue, sum[i][v], mask[v], column + v * LANES, offset);
        MASKED_STORE(c[i] + v * LANES, mask[v], done);
      }
    }
    return;
  }
#endif
  FURC_UNROLL for (int i = 0; i < rows; i++) {
    FURC_UNROLL for (int v = 0; v < vectors; v++) MASKED_STORE(c[i] + v * LANES, mask[v], CANONICAL(sum[i][v]));
  }
}

#undef CASE
#define CASE(n)                                                          \
  case n:                                                                \
    if (n <= MOST_ROWS) LOCAL(tile)(job, n, vectors, row, b, width, column, columns); \
    break;

/* One strip of `vectors` registers, all rows. */
FURC_TILE TARGET void LOCAL(strip)(
    const furc_contract_job *job, const int vectors, const ELEMENT *b, int64_t width, int64_t column,
    int64_t columns) {
  for (int64_t row = 0; row < job->rows;) {
    int64_t rows = furc_balanced(job->rows - row, MOST_ROWS);
    switch (rows) {
      CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
      CASE(13) CASE(14)
    }
    row += rows;
  }
}

#ifdef NAME
TARGET void NAME(const furc_contract_job *job) {
  const int64_t strip_columns = MOST_VECTORS * LANES;
  for (int64_t first = 0; first < job->columns; first += PANEL) {
    int64_t width = furc_panel_width(job->columns - first, PANEL, VECTOR);
    int64_t columns = furc_smaller(job->columns - first, PANEL);
    const ELEMENT *b = (const ELEMENT *)job->b + first * job->packed_taps * job->packed_run;
    for (int64_t at = 0; at < columns; at += strip_columns) {
      int64_t here = furc_smaller(columns - at, strip_columns);
#ifdef HALF_STRIP
      /* The end in half a register, where that holds it. */
      int64_t rest = here > LANES ? here - LANES : here;
      if (rest <= LANES / 2) {
        if (here > LANES) LOCAL(strip)(job, 1, b + at, width, first + at, LANES);
        at += here - rest;
        HALF_STRIP(job, 1, b + at, width, first + at, rest);
        break;
      }
#endif
      if (here > LANES) {
        LOCAL(strip)(job, 2, b + at, width, first + at, here);
      } else {
        LOCAL(strip)(job, 1, b + at, width, first + at, here);
      }
    }
  }
}
#endif
