/* Loops that do nothing but what a core does best: what rates are compared with. */
#ifndef FURC_PEAKS_H
#define FURC_PEAKS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each runs `rounds` rounds on independent accumulators in registers at a level of furc_cpu.h, and returns how
   many multiply-adds that were. `sink` takes a result, so that nothing is optimised away. */
int64_t furc_peak_f32(int64_t rounds, int level, float *sink);
int64_t furc_peak_f64(int64_t rounds, int level, double *sink);
int64_t furc_peak_i8(int64_t rounds, int level, int32_t *sink);

/* Reads the words once, in order; the result depends on all of them. */
uint64_t furc_peak_read(const uint64_t *words, int64_t count, int level);

#ifdef __cplusplus
}
#endif
#endif
