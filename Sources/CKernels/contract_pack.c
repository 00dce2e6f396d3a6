#include "contract_tiles.h"
#include "furc_contract.h"

static int64_t product(int64_t a, int64_t b) {
  int64_t result;
  if (a < 0 || b < 0 || __builtin_mul_overflow(a, b, &result)) return -1;
  return result;
}

static int64_t rounded(int64_t value, int64_t unit) {
  int64_t sum;
  if (value < 0 || __builtin_add_overflow(value, unit - 1, &sum)) return -1;
  return sum / unit * unit;
}

int64_t furc_packed_f32(int64_t columns, int64_t taps, int64_t run) {
  return product(rounded(columns, FURC_F32_VECTOR), product(taps, run));
}

int64_t furc_packed_f64(int64_t columns, int64_t taps, int64_t run) {
  return product(rounded(columns, FURC_F64_VECTOR), product(taps, run));
}

int64_t furc_packed_i8(int64_t columns, int64_t taps, int64_t run) {
  return product(rounded(columns, FURC_I8_VECTOR), product(taps, rounded(run, 4)));
}

int64_t furc_packed_depthwise_i8(int64_t channels, int64_t taps) {
  return product(rounded(channels, 64), rounded(taps, 4));
}

/* What is packed may lie anywhere in a file. */
typedef float unaligned_float __attribute__((aligned(1)));
typedef double unaligned_double __attribute__((aligned(1)));

#define PACK(NAME, ELEMENT, PANEL, VECTOR)                                                              \
  void NAME(const furc_pack_source *source, ELEMENT *packed) {                                          \
    for (int64_t first = 0; first < source->columns; first += PANEL) {                                  \
      int64_t width = furc_panel_width(source->columns - first, PANEL, VECTOR);                         \
      int64_t columns = furc_smaller(source->columns - first, PANEL);                                   \
      for (int64_t tap = 0; tap < source->taps; tap++) {                                                \
        const unaligned_##ELEMENT *from =                                                               \
            (const unaligned_##ELEMENT *)source->b + first * source->column_step + source->tap_offset[tap]; \
        const int64_t across = source->column_step, along = source->step;                               \
        for (int64_t k = 0; k < source->run; k++, packed += width) {                                    \
          if (across == 1) {                                                                            \
            for (int64_t n = 0; n < columns; n++) packed[n] = from[n + k * along];                      \
          } else {                                                                                      \
            for (int64_t n = 0; n < columns; n++) packed[n] = from[n * across + k * along];             \
          }                                                                                             \
          for (int64_t n = columns; n < width; n++) packed[n] = 0;                                      \
        }                                                                                               \
      }                                                                                                 \
    }                                                                                                   \
  }

PACK(furc_pack_f32, float, FURC_F32_PANEL, FURC_F32_VECTOR)
PACK(furc_pack_f64, double, FURC_F64_PANEL, FURC_F64_VECTOR)

void furc_pack_i8(const furc_pack_source *source, uint8_t flip, int8_t *packed, int32_t *tap_sums) {
  for (int64_t first = 0; first < source->columns; first += FURC_I8_PANEL) {
    int64_t width = furc_panel_width(source->columns - first, FURC_I8_PANEL, FURC_I8_VECTOR);
    int64_t columns = furc_smaller(source->columns - first, FURC_I8_PANEL);
    for (int64_t tap = 0; tap < source->taps; tap++) {
      const uint8_t *from = (const uint8_t *)source->b + first * source->column_step + source->tap_offset[tap];
      int32_t *sums = tap_sums + tap * source->columns + first;
      for (int64_t n = 0; n < columns; n++) sums[n] = 0;
      for (int64_t k = 0; k < source->run; k += 4, packed += width * 4) {
        for (int64_t n = 0; n < width; n++) {
          for (int64_t i = 0; i < 4; i++) {
            int8_t value = 0;
            if (n < columns && k + i < source->run) {
              value = (int8_t)(from[n * source->column_step + (k + i) * source->step] ^ flip);
              sums[n] += value;
            }
            packed[n * 4 + i] = value;
          }
        }
      }
    }
  }
}

/* Blocks of 64 channels, then quads of taps, then the order in which unpacking bytes leaves the channels of a
   block: channel = lane * 16 + quarter * 4 + one. */
void furc_pack_depthwise_i8(const furc_pack_source *source, uint8_t flip, int8_t *packed, int32_t *sums) {
  for (int64_t n = 0; n < source->columns; n++) sums[n] = 0;
  for (int64_t block = 0; block < source->columns; block += 64) {
    for (int64_t tap = 0; tap < source->taps; tap += 4) {
      for (int64_t place = 0; place < 64; place++) {
        int64_t n = block + place / 4 % 4 * 16 + place / 16 * 4 + place % 4;
        for (int64_t i = 0; i < 4; i++) {
          int8_t value = 0;
          if (n < source->columns && tap + i < source->taps) {
            const uint8_t *from = (const uint8_t *)source->b + source->tap_offset[tap + i];
            value = (int8_t)(from[n * source->column_step] ^ flip);
            sums[n] += value;
          }
          *packed++ = value;
        }
      }
    }
  }
}

void furc_contract_row_sums(const furc_contract_job *job, int32_t *sums) {
  for (int64_t row = 0; row < job->rows; row++) {
    uint32_t sum = 0;
    for (int64_t tap = 0; tap < job->taps; tap++) {
      const uint8_t *x = (const uint8_t *)job->a + job->row_offset[row] + job->tap_offset[tap];
      for (int64_t k = 0; k < job->run; k++) sum += x[k] ^ job->flip;
    }
    sums[row] = (int32_t)sum;
  }
}

void furc_contract_subtract_outer(const furc_contract_job *job, const int32_t *rows, const int32_t *columns) {
  for (int64_t row = 0; row < job->rows; row++) {
    uint32_t *c = (uint32_t *)job->c + job->result_offset[row];
    for (int64_t n = 0; n < job->columns; n++) c[n] -= (uint32_t)rows[row] * (uint32_t)columns[n];
  }
}
