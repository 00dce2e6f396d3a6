#include "furc_contract.h"

void furc_depthwise_i8_portable(const furc_depthwise_job *job) {
  const int64_t quads = (job->taps + 3) / 4;
  for (int64_t row = 0; row < job->rows; row++) {
    const uint8_t *a = (const uint8_t *)job->a + job->row_offset[row];
    uint32_t *c = (uint32_t *)job->c + job->result_offset[row];
    for (int64_t n = 0; n < job->channels; n++) {
      int64_t place = n % 16 / 4 * 16 + n % 64 / 16 * 4 + n % 4;
      const int8_t *w = (const int8_t *)job->w + n / 64 * quads * 256 + place * 4;
      uint32_t sum = job->init ? (uint32_t)job->init[n] : 0;
      for (int64_t tap = 0; tap < job->taps; tap++) {
        uint8_t x = job->tap_valid[tap] ? a[job->tap_offset[tap] + n] : job->zero[n];
        sum += (uint32_t)((x ^ job->flip) * w[tap / 4 * 256 + tap % 4]);
      }
      c[n] = sum;
    }
  }
}
