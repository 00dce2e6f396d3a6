#if defined(__x86_64__)
#include <immintrin.h>

#include "contract_i8_quads.h"
#include "contract_tiles.h"
#include "furc_contract.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
enum { LANES = 16, MOST_ROWS = 12, MOST_VECTORS = 4 };

FURC_TILE TARGET void tile(
    const furc_contract_job *job, const int rows, const int vectors, int64_t row, const int8_t *b, int64_t column,
    int64_t columns) {
  const uint8_t *a[MOST_ROWS];
  int32_t *c[MOST_ROWS];
  __m512i sum[MOST_ROWS][MOST_VECTORS];
  __mmask16 mask[MOST_VECTORS];
  FURC_UNROLL for (int v = 0; v < vectors; v++) {
    int64_t left = columns - v * LANES;
    mask[v] = left >= LANES ? 0xFFFF : (__mmask16)((1u << left) - 1);
  }
  FURC_UNROLL for (int i = 0; i < rows; i++) {
    a[i] = (const uint8_t *)job->a + job->row_offset[row + i];
    c[i] = (int32_t *)job->c + job->result_offset[row + i] + column;
    FURC_UNROLL for (int v = 0; v < vectors; v++) {
      const int32_t *from = !job->start ? c[i] : job->init ? job->init + column : 0;
      sum[i][v] = from ? _mm512_maskz_loadu_epi32(mask[v], from + v * LANES) : _mm512_setzero_si512();
    }
  }
  const __m512i flip = _mm512_set1_epi8((char)job->flip);
  const int64_t width = vectors * LANES * 4;
  const int64_t quads = (job->packed_run + 3) / 4;
  const int64_t rest = job->run % 4;
  for (int64_t tap = 0; tap < job->taps; tap++) {
    const int8_t *w = b + (job->tap_index[tap] * quads + job->first / 4) * width;
    const int8_t *end = w + job->run / 4 * width;
    int64_t x = job->tap_offset[tap];
    for (; w != end; w += width, x += 4) {
      __m512i weight[MOST_VECTORS];
      FURC_UNROLL for (int v = 0; v < vectors; v++) weight[v] = _mm512_loadu_si512(w + v * LANES * 4);
      FURC_UNROLL for (int i = 0; i < rows; i++) {
        __m512i value = _mm512_xor_si512(_mm512_set1_epi32((int)furc_quad(a[i] + x)), flip);
        FURC_UNROLL for (int v = 0; v < vectors; v++) sum[i][v] = _mm512_dpbusd_epi32(sum[i][v], value, weight[v]);
      }
    }
    if (rest) {
      FURC_UNROLL for (int i = 0; i < rows; i++) {
        __m512i value = _mm512_xor_si512(_mm512_set1_epi32((int)furc_part_of_quad(a[i] + x, rest)), flip);
        FURC_UNROLL for (int v = 0; v < vectors; v++) {
          sum[i][v] = _mm512_dpbusd_epi32(sum[i][v], value, _mm512_loadu_si512(w + v * LANES * 4));
        }
      }
    }
  }
  FURC_UNROLL for (int i = 0; i < rows; i++) {
    FURC_UNROLL for (int v = 0; v < vectors; v++) _mm512_mask_storeu_epi32(c[i] + v * LANES, mask[v], sum[i][v]);
  }
}

#define CASE(n)                                                                \
  case n:                                                                      \
    if (n <= most) tile(job, n, vectors, row, b, column, columns); \
    break;

FURC_TILE TARGET void panel(
    const furc_contract_job *job, const int vectors, const int most, const int8_t *b, int64_t column,
    int64_t columns) {
  for (int64_t row = 0; row < job->rows;) {
    int64_t rows = furc_balanced(job->rows - row, most);
    switch (rows) {
      CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
    }
    row += rows;
  }
}

TARGET void furc_contract_i8_avx512(const furc_contract_job *job) {
  const int64_t quads = (job->packed_run + 3) / 4;
  for (int64_t first = 0; first < job->columns; first += FURC_I8_PANEL) {
    int64_t columns = furc_smaller(job->columns - first, FURC_I8_PANEL);
    const int8_t *b = (const int8_t *)job->b + first * job->packed_taps * quads * 4;
    switch ((columns + LANES - 1) / LANES) {
      case 1: panel(job, 1, 12, b, first, columns); break;
      case 2: panel(job, 2, 12, b, first, columns); break;
      case 3: panel(job, 3, 8, b, first, columns); break;
      default: panel(job, 4, 6, b, first, columns); break;
    }
  }
}
#endif
