/* Reductions of f32 over many elements, by the rules of KernelIR: one chain from the start value, or for long
   sums sixteen partial sums (element i goes to number i mod 16) and a fixed tree. Maximum and minimum are the
   same in any order. Every level computes the same bytes. */
#ifndef FURC_REDUCE_H
#define FURC_REDUCE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  FURC_REDUCE_SUM,
  FURC_REDUCE_MAXIMUM,
  FURC_REDUCE_MINIMUM,
  /* The sum of squares, each rounded. */
  FURC_REDUCE_SQUARES,
};

typedef struct {
  const float *x;
  /* FURC_REDUCE_*. */
  int operation;
  /* Sums by sixteen partial sums instead of one chain. */
  bool is_split;
  /* Results: out[r] reduces the elements from x[r * step] on. */
  int64_t results;
  int64_t step;
  /* Element p of a reduction lies offsets[p] behind its start; or p behind it where offsets is NULL. */
  const int64_t *offsets;
  int64_t points;
  float *out;
} furc_reduce_job;

/* At a level of furc_cpu.h that the CPU has. Fast where results or points lie side by side. */
void furc_reduce(const furc_reduce_job *job, int level);

#ifdef __cplusplus
}
#endif
#endif
