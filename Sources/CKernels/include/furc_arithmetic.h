/* The arithmetic of programs, as Docs/arithmetic.md defines it (rules A1 to A40). The twin of KernelIR's
   `Arithmetic`: equal bits. Every function is free of branches on data where that lets loops over it
   vectorise, and inlines into callers of any instruction set without changing a bit. */
#ifndef FURC_ARITHMETIC_H
#define FURC_ARITHMETIC_H

#include <stddef.h>
#include <stdint.h>

/* For every file that includes this one: a * b + c rounds twice unless it is written as furc_fma. */
#pragma STDC FP_CONTRACT OFF

#define FURC_INLINE static inline __attribute__((always_inline, unused))

FURC_INLINE uint32_t furc_bits(float x) {
  uint32_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}

FURC_INLINE float furc_float(uint32_t bits) {
  float x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

/* ---- f32 ---- */

FURC_INLINE float furc_canonical(float x) { return x != x ? furc_float(0x7FC00000u) : x; }

FURC_INLINE float furc_add(float a, float b) { return furc_canonical(a + b); }
FURC_INLINE float furc_sub(float a, float b) { return furc_canonical(a - b); }
FURC_INLINE float furc_mul(float a, float b) { return furc_canonical(a * b); }
FURC_INLINE float furc_div(float a, float b) { return furc_canonical(a / b); }

/* a · b + c, one rounding, NaN not yet canonical. */
FURC_INLINE float furc_fma_raw(float a, float b, float c) { return __builtin_elementwise_fma(a, b, c); }
FURC_INLINE float furc_fma(float a, float b, float c) { return furc_canonical(furc_fma_raw(a, b, c)); }

FURC_INLINE float furc_maximum(float a, float b) {
  float larger = a > b ? a : b;
  larger = a == b ? furc_float(furc_bits(a) & furc_bits(b)) : larger;
  return ((a != a) | (b != b)) ? furc_float(0x7FC00000u) : larger;
}

FURC_INLINE float furc_minimum(float a, float b) {
  float smaller = a < b ? a : b;
  smaller = a == b ? furc_float(furc_bits(a) | furc_bits(b)) : smaller;
  return ((a != a) | (b != b)) ? furc_float(0x7FC00000u) : smaller;
}

FURC_INLINE float furc_clamp(float x, float low, float high) {
  return furc_minimum(furc_maximum(x, low), high);
}

FURC_INLINE float furc_abs(float x) { return furc_canonical(furc_float(furc_bits(x) & 0x7FFFFFFFu)); }
FURC_INLINE float furc_neg(float x) { return furc_canonical(furc_float(furc_bits(x) ^ 0x80000000u)); }

/* The NaN is found by bits: LLVM 21 takes `x < 0 ? NaN : sqrt(x)` for sqrt(x), whose NaN is negative. */
FURC_INLINE float furc_sqrt(float x) {
  uint32_t root = furc_bits(__builtin_elementwise_sqrt(x));
  return furc_float((root & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC00000u : root);
}

FURC_INLINE float furc_reciprocal(float x) { return furc_canonical(1.0f / x); }
FURC_INLINE float furc_rsqrt(float x) { return furc_canonical(1.0f / __builtin_elementwise_sqrt(x)); }
FURC_INLINE float furc_floor(float x) { return furc_canonical(__builtin_elementwise_floor(x)); }
FURC_INLINE float furc_ceil(float x) { return furc_canonical(__builtin_elementwise_ceil(x)); }
FURC_INLINE float furc_round(float x) { return furc_canonical(__builtin_elementwise_roundeven(x)); }

/* ---- i32 ---- */

FURC_INLINE int32_t furc_add_i32(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
FURC_INLINE int32_t furc_sub_i32(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
FURC_INLINE int32_t furc_mul_i32(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }
FURC_INLINE int32_t furc_min_i32(int32_t a, int32_t b) { return a < b ? a : b; }
FURC_INLINE int32_t furc_max_i32(int32_t a, int32_t b) { return a > b ? a : b; }
FURC_INLINE int32_t furc_neg_i32(int32_t a) { return (int32_t)(0u - (uint32_t)a); }
FURC_INLINE int32_t furc_abs_i32(int32_t a) { return a < 0 ? furc_neg_i32(a) : a; }

FURC_INLINE int32_t furc_shift_left_i32(int32_t a, int32_t by) {
  return (int32_t)((uint32_t)a << ((uint32_t)by & 31u));
}
FURC_INLINE int32_t furc_shift_right_i32(int32_t a, int32_t by) { return a >> ((uint32_t)by & 31u); }

/* `value` · 2^-shift to nearest, ties to even; shift in 0...62 and |value| ≤ 2^62. */
FURC_INLINE int64_t furc_shift_right_half_even(int64_t value, int32_t shift) {
  int64_t shifts = shift > 0;
  int64_t half = ((int64_t)1 << shift) >> 1;
  int64_t odd = (value >> shift) & shifts;
  return (value + half - shifts + odd) >> shift;
}

FURC_INLINE int32_t furc_clamp_i64(int64_t value, int32_t low, int32_t high) {
  int64_t at_least = value < low ? low : value;
  return (int32_t)(at_least > high ? high : at_least);
}

/* clamp(zero_point + round_half_even(sum · multiplier · 2^-shift)); multiplier ≥ 0, shift in 0...62. */
FURC_INLINE int32_t furc_requant(
    int32_t sum, int32_t multiplier, int32_t shift, int32_t zero_point, int32_t low, int32_t high) {
  int64_t rounded = furc_shift_right_half_even((int64_t)sum * multiplier, shift);
  return furc_clamp_i64(rounded + zero_point, low, high);
}

/* ---- conversions ---- */

FURC_INLINE float furc_to_float(int32_t x) { return (float)x; }

FURC_INLINE int32_t furc_to_integer(float x) {
  int inside = (x >= -0x1p31f) & (x < 0x1p31f);
  int32_t truncated = (int32_t)(inside ? x : 0.0f);
  truncated = x >= 0x1p31f ? INT32_MAX : truncated;
  return x < -0x1p31f ? INT32_MIN : truncated;
}

FURC_INLINE int32_t furc_quantize(float x, float scale, int32_t zero_point, int32_t low, int32_t high) {
  int32_t rounded = furc_to_integer(__builtin_elementwise_roundeven(x / scale));
  return furc_clamp_i64((int64_t)rounded + zero_point, low, high);
}

FURC_INLINE float furc_dequantize(int32_t q, float scale, int32_t zero_point) {
  return furc_canonical((float)furc_sub_i32(q, zero_point) * scale);
}

/* ---- sums ---- */

/* Rule A31: up to 64 elements one chain, else sixteen partial sums and a tree. `stride` in elements. */
FURC_INLINE float furc_sum(const float *x, ptrdiff_t count, ptrdiff_t stride) {
  float partial[16] = {0};
  if (count <= 64) {
    for (ptrdiff_t i = 0; i < count; i++) partial[0] += x[i * stride];
    return furc_canonical(partial[0]);
  }
  ptrdiff_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int lane = 0; lane < 16; lane++) partial[lane] += x[(i + lane) * stride];
  }
  for (; i < count; i++) partial[i & 15] += x[i * stride];
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; lane++) partial[lane] = partial[2 * lane] + partial[2 * lane + 1];
  }
  return furc_canonical(partial[0]);
}

/* ---- number formats: decoding is exact, encoding rounds half even; one NaN each ---- */

FURC_INLINE float furc_decode_bf16(uint16_t code) { return furc_canonical(furc_float((uint32_t)code << 16)); }

FURC_INLINE uint16_t furc_encode_bf16(float x) {
  uint32_t bits = furc_bits(x);
  uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  return (uint16_t)(x != x ? 0x7FC0u : rounded);
}

FURC_INLINE float furc_decode_f16(uint16_t code) {
  uint32_t magnitude = code & 0x7FFFu;
  uint32_t sign = (uint32_t)(code & 0x8000u) << 16;
  float finite = furc_float(magnitude << 13) * 0x1p112f;
  uint32_t bits = magnitude == 0x7C00u ? 0x7F800000u : furc_bits(finite);
  return furc_float(magnitude > 0x7C00u ? 0x7FC00000u : sign | bits);
}

/* Overflows to infinity from 65520 on. */
FURC_INLINE uint16_t furc_encode_f16(float x) {
  uint32_t bits = furc_bits(x), magnitude = bits & 0x7FFFFFFFu;
  uint32_t normal = ((magnitude + 0xFFFu + ((magnitude >> 13) & 1u)) >> 13) - (112u << 10);
  normal = magnitude >= 0x47800000u || normal > 0x7C00u ? 0x7C00u : normal;
  /* In [1/2, 1) the last place of a float is 2^-24, so that the sum rounds half even to it. */
  uint32_t small = furc_bits(furc_float(magnitude < 0x38800000u ? magnitude : 0) + 0.5f) & 0xFFFFu;
  uint32_t code = magnitude < 0x38800000u ? small : normal;
  return (uint16_t)(magnitude > 0x7F800000u ? 0x7E00u : code | ((bits >> 16) & 0x8000u));
}

FURC_INLINE float furc_decode_e4m3(uint8_t code) {
  uint32_t magnitude = code & 0x7Fu, sign = (uint32_t)(code & 0x80u) << 24;
  uint32_t bits = furc_bits(furc_float(magnitude << 20) * 0x1p120f);
  return furc_float(magnitude == 0x7Fu ? 0x7FC00000u : sign | bits);
}

/* Saturates at ±448, infinities included; NaN gives 0x7F. */
FURC_INLINE uint8_t furc_encode_e4m3(float x) {
  uint32_t bits = furc_bits(x), magnitude = bits & 0x7FFFFFFFu;
  uint32_t normal = ((magnitude + 0x7FFFFu + ((magnitude >> 20) & 1u)) >> 20) - (120u << 3);
  normal = normal > 0x7Eu ? 0x7Eu : normal;
  /* In [2^14, 2^15) the last place of a float is 2^-9. */
  uint32_t small = furc_bits(furc_float(magnitude < 0x3C800000u ? magnitude : 0) + 0x1p14f) & 0xFFu;
  uint32_t code = magnitude < 0x3C800000u ? small : normal;
  return (uint8_t)(magnitude > 0x7F800000u ? 0x7Fu : code | ((bits >> 24) & 0x80u));
}

FURC_INLINE float furc_decode_e5m2(uint8_t code) {
  uint32_t magnitude = code & 0x7Fu, sign = (uint32_t)(code & 0x80u) << 24;
  uint32_t bits = furc_bits(furc_float(magnitude << 21) * 0x1p112f);
  bits = magnitude == 0x7Cu ? 0x7F800000u : bits;
  return furc_float(magnitude > 0x7Cu ? 0x7FC00000u : sign | bits);
}

/* Saturates at ±57344, infinities included; NaN gives 0x7E. */
FURC_INLINE uint8_t furc_encode_e5m2(float x) {
  uint32_t bits = furc_bits(x), magnitude = bits & 0x7FFFFFFFu;
  uint32_t normal = ((magnitude + 0xFFFFFu + ((magnitude >> 21) & 1u)) >> 21) - (112u << 2);
  normal = normal > 0x7Bu ? 0x7Bu : normal;
  /* In [2^7, 2^8) the last place of a float is 2^-16. */
  uint32_t small = furc_bits(furc_float(magnitude < 0x38800000u ? magnitude : 0) + 0x1p7f) & 0xFFu;
  uint32_t code = magnitude < 0x38800000u ? small : normal;
  return (uint8_t)(magnitude > 0x7F800000u ? 0x7Eu : code | ((bits >> 24) & 0x80u));
}

#endif
