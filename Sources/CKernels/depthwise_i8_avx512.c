#if defined(__x86_64__)
#include <immintrin.h>

#include "contract_tiles.h"
#include "furc_contract.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

FURC_TILE TARGET const uint8_t *source(const furc_depthwise_job *job, int64_t row, int64_t tap) {
  if (tap >= job->taps || !job->tap_valid[tap]) return job->zero;
  return (const uint8_t *)job->a + job->row_offset[row] + job->tap_offset[tap];
}

/* Four taps of 64 channels become quads by unpacking bytes, then words; that leaves channels in the order
   (quarter, lane, one), which four sums undo at the end. */
TARGET void furc_depthwise_i8_avx512(const furc_depthwise_job *job) {
  const int64_t quads = (job->taps + 3) / 4;
  const __m512i flip = _mm512_set1_epi8((char)job->flip);
  for (int64_t n = 0; n < job->channels; n += 64) {
    int64_t left = job->channels - n;
    const __mmask64 bytes = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
    for (int64_t row = 0; row < job->rows; row++) {
      const int8_t *w = (const int8_t *)job->w + n * quads * 4;
      __m512i sum[4];
      FURC_UNROLL for (int q = 0; q < 4; q++) sum[q] = _mm512_setzero_si512();
      for (int64_t tap = 0; tap < quads * 4; tap += 4, w += 256) {
        __m512i x[4];
        FURC_UNROLL for (int i = 0; i < 4; i++) {
          x[i] = _mm512_xor_si512(_mm512_maskz_loadu_epi8(bytes, source(job, row, tap + i) + n), flip);
        }
        __m512i low01 = _mm512_unpacklo_epi8(x[0], x[1]), high01 = _mm512_unpackhi_epi8(x[0], x[1]);
        __m512i low23 = _mm512_unpacklo_epi8(x[2], x[3]), high23 = _mm512_unpackhi_epi8(x[2], x[3]);
        sum[0] = _mm512_dpbusd_epi32(sum[0], _mm512_unpacklo_epi16(low01, low23), _mm512_loadu_si512(w));
        sum[1] = _mm512_dpbusd_epi32(sum[1], _mm512_unpackhi_epi16(low01, low23), _mm512_loadu_si512(w + 64));
        sum[2] = _mm512_dpbusd_epi32(sum[2], _mm512_unpacklo_epi16(high01, high23), _mm512_loadu_si512(w + 128));
        sum[3] = _mm512_dpbusd_epi32(sum[3], _mm512_unpackhi_epi16(high01, high23), _mm512_loadu_si512(w + 192));
      }
      /* A transpose of 4 x 4 lanes of 128 bits. */
      __m512i a = _mm512_shuffle_i32x4(sum[0], sum[1], 0x44), b = _mm512_shuffle_i32x4(sum[2], sum[3], 0x44);
      __m512i c = _mm512_shuffle_i32x4(sum[0], sum[1], 0xEE), d = _mm512_shuffle_i32x4(sum[2], sum[3], 0xEE);
      __m512i lane[4] = {
          _mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xDD), _mm512_shuffle_i32x4(c, d, 0x88),
          _mm512_shuffle_i32x4(c, d, 0xDD)};
      int32_t *result = (int32_t *)job->c + job->result_offset[row] + n;
      FURC_UNROLL for (int v = 0; v < 4; v++) {
        __mmask16 mask = (__mmask16)(bytes >> (v * 16));
        __m512i initial =
            job->init ? _mm512_maskz_loadu_epi32(mask, job->init + n + v * 16) : _mm512_setzero_si512();
        _mm512_mask_storeu_epi32(result + v * 16, mask, _mm512_add_epi32(lane[v], initial));
      }
    }
  }
}
#endif
