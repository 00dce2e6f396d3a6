/* The chain of fused multiply-adds, one result at a time: ELEMENT, FMA, PANEL, VECTOR and NAME
   are defined by the file that includes this, and FINISHED(job, sum, column, offset) for what is stored. */
#include "contract_tiles.h"
#include "furc_contract.h"

#pragma STDC FP_CONTRACT OFF

void NAME(const furc_contract_job *job) {
  const ELEMENT *a = job->a;
  ELEMENT *c = job->c;
  for (int64_t column = 0; column < job->columns; column++) {
    int64_t panel = column / PANEL;
    int64_t width = furc_panel_width(job->columns - panel * PANEL, PANEL, VECTOR);
    const ELEMENT *b = (const ELEMENT *)job->b + panel * PANEL * job->packed_taps * job->packed_run + column % PANEL;
    for (int64_t row = 0; row < job->rows; row++) {
      ELEMENT *result = c + job->result_offset[row] + column;
      ELEMENT sum = job->start ? 0 : *result;
      for (int64_t tap = 0; tap < job->taps; tap++) {
        const ELEMENT *x = a + job->row_offset[row] + job->tap_offset[tap];
        const ELEMENT *w = b + (job->tap_index[tap] * job->packed_run + job->first) * width;
        for (int64_t k = 0; k < job->run; k++) sum = FMA(x[k * job->a_step], w[k * width], sum);
      }
      *result = FINISHED(job, sum, column, job->result_offset[row]);
    }
  }
}
