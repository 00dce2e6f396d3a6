#ifndef FURC_NPU_STEP_H
#define FURC_NPU_STEP_H

#include "furc_arithmetic.h"
#include "furc_npu.h"

/* To the next packet of a fetch: the next index of loop `dimension`, and of those outside it where it is through. */
FURC_INLINE void furc_npu_step(
    const furc_npu_fetch *job, int dimension, int64_t *index, int64_t *address, int64_t *coordinate) {
  for (int d = dimension; d >= 0; d--) {
    index[d]++;
    *address += job->strides[d];
    for (int b = 0; b < job->bound_count; b++) coordinate[b] += job->bounds[b].coefficients[d];
    if (index[d] < job->sizes[d]) break;
    *address -= job->strides[d] * job->sizes[d];
    for (int b = 0; b < job->bound_count; b++) coordinate[b] -= job->bounds[b].coefficients[d] * job->sizes[d];
    index[d] = 0;
  }
}

#endif
