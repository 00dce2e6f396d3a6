#include "contract_tiles.h"
#include "furc_contract.h"

void furc_contract_i8_portable(const furc_contract_job *job) {
  const uint8_t *a = job->a;
  uint32_t *c = job->c;
  const int64_t quads = (job->packed_run + 3) / 4;
  for (int64_t column = 0; column < job->columns; column++) {
    int64_t panel = column / FURC_I8_PANEL;
    int64_t width = furc_panel_width(job->columns - panel * FURC_I8_PANEL, FURC_I8_PANEL, FURC_I8_VECTOR);
    const int8_t *b =
        (const int8_t *)job->b + panel * FURC_I8_PANEL * job->packed_taps * quads * 4 + column % FURC_I8_PANEL * 4;
    uint32_t initial = job->init ? (uint32_t)job->init[column] : 0;
    for (int64_t row = 0; row < job->rows; row++) {
      uint32_t *result = c + job->result_offset[row] + column;
      uint32_t sum = job->start ? initial : *result;
      for (int64_t tap = 0; tap < job->taps; tap++) {
        const uint8_t *x = a + job->row_offset[row] + job->tap_offset[tap];
        const int8_t *w = b + (job->tap_index[tap] * quads + job->first / 4) * width * 4;
        for (int64_t k = 0; k < job->run; k++) {
          sum += (uint32_t)((x[k] ^ job->flip) * w[k / 4 * width * 4 + k % 4]);
        }
      }
      *result = sum;
    }
  }
}
