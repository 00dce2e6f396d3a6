#include "epilogue_portable.h"

#pragma STDC FP_CONTRACT OFF

void furc_depthwise_f32_portable(const furc_depthwise_job *job) {
  for (int64_t row = 0; row < job->rows; row++) {
    const float *a = (const float *)job->a + job->row_offset[row];
    float *c = (float *)job->c + job->result_offset[row];
    for (int64_t n = 0; n < job->channels; n++) {
      float sum = 0;
      for (int64_t tap = 0; tap < job->taps; tap++) {
        const float *w = (const float *)job->w + job->tap_index[tap] * job->channels;
        sum = __builtin_fmaf(a[job->tap_offset[tap] + n], w[n], sum);
      }
      c[n] = furc_finished(job->epilogue, sum, n, job->result_offset[row]);
    }
  }
}
