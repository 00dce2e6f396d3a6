/* What calibration asks of f32 tensors: ranges, histograms, what quantization does to them. Sums are in f64 over
   sixteen partial sums (element i goes to number i mod 16) and a fixed tree, so that every level computes the
   same bytes. */
#ifndef FURC_OBSERVE_H
#define FURC_OBSERVE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The smallest and largest finite element; an infinite low above high where there is none. */
void furc_range(const float *x, int64_t count, float *low, float *high, int level);

/* Adds 1 to counts[floor(x · inverse_width) - first] for every finite element other than 0, and to *zeros for
   every 0, in one of `every` blocks of FURC_HISTOGRAM_BLOCK elements. The inverse width is a power of two, and all
   elements fall within bins, at most FURC_HISTOGRAM_BINS. */
enum { FURC_HISTOGRAM_BINS = 4096, FURC_HISTOGRAM_BLOCK = 256 };
void furc_histogram(
    const float *x, int64_t count, int64_t every, float inverse_width, int32_t first, int32_t bins,
    uint64_t *counts, uint64_t *zeros, int level);

/* The i8 numbers nearest to x: clamp(round_half_even(x / scale) + zero_point), one scale. */
void furc_quantize_i8(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, int8_t *y, int level);

/* What stored numbers stand for: y = dequantize(quantize(x)), one scale. */
void furc_round_trip(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, float *y, int level);

/* Σ x² and Σ (x - y)². */
void furc_energies(const float *x, const float *y, int64_t count, double *signal, double *noise, int level);

/* Σ (x - y)² where y is the round trip of x. */
double furc_round_trip_noise(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, int level);

/* Σ (x - y). */
double furc_difference(const float *x, const float *y, int64_t count, int level);

#ifdef __cplusplus
}
#endif
#endif
