/* furc_epilogue over registers; the file that includes this defines what contract_fma_simd.h asks for, and ADD,
   MAX, MIN (the second operand where either is NaN or both are zero) and KEEP_NAN(x, y): y, or the canonical NaN
   where x is one. */
#include <stddef.h>

#include "contract_tiles.h"
#include "furc_contract.h"

FURC_TILE TARGET V LOCAL(finished)(
    const furc_epilogue *e, V sum, M mask, int64_t column, int64_t offset) {
  if (e->bias) sum = ADD(sum, MASKED_LOAD(mask, e->bias + column));
  if (e->residual) sum = ADD(sum, MASKED_LOAD(mask, e->residual + offset + column));
  V limited = sum;
  if (e->has_low) limited = MAX(limited, SET(e->low));
  if (e->has_high) limited = MIN(limited, SET(e->high));
  return KEEP_NAN(sum, limited);
}
