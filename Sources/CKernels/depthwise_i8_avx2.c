#if defined(__x86_64__)
#include <immintrin.h>

#include "contract_tiles.h"
#include "furc_contract.h"

#define TARGET __attribute__((target("avx2,fma")))

FURC_TILE TARGET const uint8_t *source(const furc_depthwise_job *job, int64_t row, int64_t tap) {
  if (tap >= job->taps || !job->tap_valid[tap]) return job->zero;
  return (const uint8_t *)job->a + job->row_offset[row] + job->tap_offset[tap];
}

/* Sums of eight channels: even and odd bytes of the quads apart, as 16-bit numbers. */
FURC_TILE TARGET __m256i add_quads(__m256i sum, __m256i x, __m256i w) {
  __m256i even = _mm256_madd_epi16(
      _mm256_and_si256(x, _mm256_set1_epi16(0xFF)), _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8));
  __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x, 8), _mm256_srai_epi16(w, 8));
  return _mm256_add_epi32(sum, _mm256_add_epi32(even, odd));
}

/* Half a block of packed channels: two lanes of 16. */
FURC_TILE TARGET void half(
    const furc_depthwise_job *job, int64_t row, int64_t n, int64_t channels, const int8_t *w) {
  const __m256i flip = _mm256_set1_epi8((char)job->flip);
  __m256i sum[4];
  FURC_UNROLL for (int q = 0; q < 4; q++) sum[q] = _mm256_setzero_si256();
  for (int64_t tap = 0; tap < job->taps; tap += 4, w += 256) {
    __m256i x[4];
    FURC_UNROLL for (int i = 0; i < 4; i++) {
      const uint8_t *from = source(job, row, tap + i) + n;
      if (channels >= 32) {
        x[i] = _mm256_loadu_si256((const __m256i *)from);
      } else {
        uint8_t copy[32] = {0};
        for (int64_t j = 0; j < channels; j++) copy[j] = from[j];
        x[i] = _mm256_loadu_si256((const __m256i *)copy);
      }
      x[i] = _mm256_xor_si256(x[i], flip);
    }
    __m256i low01 = _mm256_unpacklo_epi8(x[0], x[1]), high01 = _mm256_unpackhi_epi8(x[0], x[1]);
    __m256i low23 = _mm256_unpacklo_epi8(x[2], x[3]), high23 = _mm256_unpackhi_epi8(x[2], x[3]);
    const __m256i *weights = (const __m256i *)w;
    sum[0] = add_quads(sum[0], _mm256_unpacklo_epi16(low01, low23), _mm256_loadu_si256(weights));
    sum[1] = add_quads(sum[1], _mm256_unpackhi_epi16(low01, low23), _mm256_loadu_si256(weights + 2));
    sum[2] = add_quads(sum[2], _mm256_unpacklo_epi16(high01, high23), _mm256_loadu_si256(weights + 4));
    sum[3] = add_quads(sum[3], _mm256_unpackhi_epi16(high01, high23), _mm256_loadu_si256(weights + 6));
  }
  __m256i lane[4] = {
      _mm256_permute2x128_si256(sum[0], sum[1], 0x20), _mm256_permute2x128_si256(sum[2], sum[3], 0x20),
      _mm256_permute2x128_si256(sum[0], sum[1], 0x31), _mm256_permute2x128_si256(sum[2], sum[3], 0x31)};
  int32_t *result = (int32_t *)job->c + job->result_offset[row] + n;
  const __m256i numbers = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  FURC_UNROLL for (int v = 0; v < 4; v++) {
    int left = channels - v * 8 > 8 ? 8 : (int)(channels - v * 8);
    __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(left), numbers);
    __m256i initial = job->init ? _mm256_maskload_epi32(job->init + n + v * 8, mask) : _mm256_setzero_si256();
    _mm256_maskstore_epi32(result + v * 8, mask, _mm256_add_epi32(lane[v], initial));
  }
}

TARGET void furc_depthwise_i8_avx2(const furc_depthwise_job *job) {
  const int64_t quads = (job->taps + 3) / 4;
  for (int64_t n = 0; n < job->channels; n += 32) {
    const int8_t *w = (const int8_t *)job->w + n / 64 * quads * 256 + n % 64 / 32 * 32;
    int64_t channels = furc_smaller(job->channels - n, 32);
    for (int64_t row = 0; row < job->rows; row++) half(job, row, n, channels, w);
  }
}
#endif
