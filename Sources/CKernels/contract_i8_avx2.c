#if defined(__x86_64__)
#include <immintrin.h>

#include "contract_i8_quads.h"
#include "contract_tiles.h"
#include "furc_contract.h"

#define TARGET __attribute__((target("avx2,fma")))
enum { LANES = 8, MOST_ROWS = 4, STRIP = 16 };

/* A quad of bytes as two pairs of 16-bit numbers, for vpmaddwd, which cannot saturate on them. */
typedef struct {
  __m256i even, odd;
} pairs;

FURC_TILE TARGET pairs signed_pairs(__m256i quads) {
  return (pairs){_mm256_srai_epi16(_mm256_slli_epi16(quads, 8), 8), _mm256_srai_epi16(quads, 8)};
}

FURC_TILE TARGET pairs unsigned_pairs(__m256i quads) {
  return (pairs){_mm256_and_si256(quads, _mm256_set1_epi16(0xFF)), _mm256_srli_epi16(quads, 8)};
}

FURC_TILE TARGET __m256i add_products(__m256i sum, pairs x, pairs w) {
  sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x.even, w.even));
  return _mm256_add_epi32(sum, _mm256_madd_epi16(x.odd, w.odd));
}

FURC_TILE TARGET void tile(
    const furc_contract_job *job, const int rows, int64_t row, const int8_t *b, int64_t width, int64_t column,
    int64_t columns) {
  const uint8_t *a[MOST_ROWS];
  int32_t *c[MOST_ROWS];
  __m256i sum[MOST_ROWS][2];
  __m256i mask[2];
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  FURC_UNROLL for (int v = 0; v < 2; v++) mask[v] = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)columns - v * LANES), lanes);
  FURC_UNROLL for (int i = 0; i < rows; i++) {
    a[i] = (const uint8_t *)job->a + job->row_offset[row + i];
    c[i] = (int32_t *)job->c + job->result_offset[row + i] + column;
    FURC_UNROLL for (int v = 0; v < 2; v++) {
      const int32_t *from = !job->start ? c[i] : job->init ? job->init + column : 0;
      sum[i][v] = from ? _mm256_maskload_epi32(from + v * LANES, mask[v]) : _mm256_setzero_si256();
    }
  }
  const __m256i flip = _mm256_set1_epi8((char)job->flip);
  const int64_t quads = (job->packed_run + 3) / 4;
  for (int64_t tap = 0; tap < job->taps; tap++) {
    const int8_t *w = b + (job->tap_index[tap] * quads + job->first / 4) * width;
    int64_t x = job->tap_offset[tap];
    for (int64_t left = job->run; left > 0; left -= 4, w += width, x += 4) {
      pairs low = signed_pairs(_mm256_loadu_si256((const __m256i *)w));
      pairs high = signed_pairs(_mm256_loadu_si256((const __m256i *)(w + 32)));
      FURC_UNROLL for (int i = 0; i < rows; i++) {
        uint32_t quad = left >= 4 ? furc_quad(a[i] + x) : furc_part_of_quad(a[i] + x, left);
        pairs value = unsigned_pairs(_mm256_xor_si256(_mm256_set1_epi32((int)quad), flip));
        sum[i][0] = add_products(sum[i][0], value, low);
        sum[i][1] = add_products(sum[i][1], value, high);
      }
    }
  }
  FURC_UNROLL for (int i = 0; i < rows; i++) {
    FURC_UNROLL for (int v = 0; v < 2; v++) _mm256_maskstore_epi32(c[i] + v * LANES, mask[v], sum[i][v]);
  }
}

TARGET static void strip(
    const furc_contract_job *job, const int8_t *b, int64_t width, int64_t column, int64_t columns) {
  for (int64_t row = 0; row < job->rows;) {
    int64_t rows = furc_balanced(job->rows - row, MOST_ROWS);
    switch (rows) {
      case 1: tile(job, 1, row, b, width, column, columns); break;
      case 2: tile(job, 2, row, b, width, column, columns); break;
      case 3: tile(job, 3, row, b, width, column, columns); break;
      default: tile(job, 4, row, b, width, column, columns); break;
    }
    row += rows;
  }
}

TARGET void furc_contract_i8_avx2(const furc_contract_job *job) {
  const int64_t quads = (job->packed_run + 3) / 4;
  for (int64_t first = 0; first < job->columns; first += FURC_I8_PANEL) {
    int64_t width = furc_panel_width(job->columns - first, FURC_I8_PANEL, FURC_I8_VECTOR);
    int64_t columns = furc_smaller(job->columns - first, FURC_I8_PANEL);
    const int8_t *b = (const int8_t *)job->b + first * job->packed_taps * quads * 4;
    for (int64_t at = 0; at < columns; at += STRIP) {
      strip(job, b + at * 4, width * 4, first + at, furc_smaller(columns - at, STRIP));
    }
  }
}
#endif
