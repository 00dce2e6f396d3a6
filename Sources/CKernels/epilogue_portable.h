#ifndef FURC_EPILOGUE_PORTABLE_H
#define FURC_EPILOGUE_PORTABLE_H

#include <stddef.h>
#include <stdint.h>

#include "furc_arithmetic.h"
#include "furc_contract.h"

/* The definition of furc_epilogue, one sum at a time. */
static inline float furc_finished(const furc_epilogue *e, float sum, int64_t column, int64_t offset) {
  if (e == NULL) return furc_canonical(sum);
  if (e->bias) sum = furc_add(sum, e->bias[column]);
  if (e->residual) sum = furc_add(sum, e->residual[offset + column]);
  if (e->has_low) sum = furc_maximum(sum, e->low);
  if (e->has_high) sum = furc_minimum(sum, e->high);
  return furc_canonical(sum);
}

#endif
