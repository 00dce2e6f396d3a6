#ifndef FURC_CONTRACT_TILES_H
#define FURC_CONTRACT_TILES_H

#include <stdint.h>

/* Register tiles are inlined with constant sizes, so that their accumulators live in registers. */
#define FURC_TILE static inline __attribute__((always_inline))
#define FURC_UNROLL _Pragma("clang loop unroll(full)")

static inline int64_t furc_smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows of the next tile such that the tiles of `rows` differ by at most one row. */
static inline int64_t furc_balanced(int64_t rows, int64_t most) {
  int64_t tiles = (rows + most - 1) / most;
  return (rows + tiles - 1) / tiles;
}

static inline int64_t furc_panel_width(int64_t columns, int64_t panel, int64_t vector) {
  int64_t width = (columns + vector - 1) / vector * vector;
  return furc_smaller(width, panel);
}

#endif
