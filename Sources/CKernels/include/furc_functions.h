/* The transcendental functions of programs (rules A12 to A20 of Docs/arithmetic.md): every step is one IEEE
   operation, so that each CPU finds the same bits; no libm. Coefficients come from Tools/fit_functions.py.
   Selections are on values, not by branches, so that loops over these functions vectorise. */
#ifndef FURC_FUNCTIONS_H
#define FURC_FUNCTIONS_H

#include "furc_arithmetic.h"

#pragma STDC FP_CONTRACT OFF

/* e^x = 2^n · e^r with n = round(x / ln 2). */
FURC_INLINE float furc_exp(float x) {
  float y = x > 89.0f ? 89.0f : x;
  y = y < -104.0f ? -104.0f : y;
  /* Adding 1.5 · 2^23 leaves the rounded n in the low bits. */
  float biased = furc_fma_raw(y, 0x1.715476p0f, 0x1.8p23f);
  float n = biased - 0x1.8p23f;
  float r = furc_fma_raw(n, -0x1.62e43p-1f, y);
  r = furc_fma_raw(n, 0x1.05c61p-29f, r);
  float p = 0x1.6ad156p-10f;
  p = furc_fma_raw(p, r, 0x1.123f3p-7f);
  p = furc_fma_raw(p, r, 0x1.55584ep-5f);
  p = furc_fma_raw(p, r, 0x1.55548ap-3f);
  p = furc_fma_raw(p, r, 0x1.fffffcp-2f);
  float power = 1.0f + furc_fma_raw(r * r, p, r);
  /* By two factors, each a normal number; only the second product rounds. */
  int32_t exponent = (int32_t)(furc_bits(biased) - 0x4B400000u);
  int32_t half = exponent >> 1;
  float first = furc_float(((uint32_t)half + 127u) << 23);
  float second = furc_float(((uint32_t)exponent - (uint32_t)half + 127u) << 23);
  return furc_canonical(power * first * second);
}

/* x = 2^n · (1 + f) with 1 + f in [2/3, 4/3). */
FURC_INLINE float furc_log(float x) {
  int subnormal = x < 0x1p-126f;
  uint32_t bits = furc_bits(subnormal ? x * 0x1p23f : x);
  int32_t exponent = (int32_t)(bits - 0x3F2AAAABu) >> 23;
  float f = furc_float(bits - ((uint32_t)exponent << 23)) - 1.0f;
  float n = (float)(exponent - (subnormal ? 23 : 0));
  float p = -0x1.0931a2p-3f;
  p = furc_fma_raw(p, f, 0x1.1ed144p-3f);
  p = furc_fma_raw(p, f, -0x1.f25dfap-4f);
  p = furc_fma_raw(p, f, 0x1.1ebe68p-3f);
  p = furc_fma_raw(p, f, -0x1.55a752p-3f);
  p = furc_fma_raw(p, f, 0x1.99d1f2p-3f);
  p = furc_fma_raw(p, f, -0x1.fffe84p-3f);
  p = furc_fma_raw(p, f, 0x1.555502p-2f);
  p = furc_fma_raw(p, f, -0x1p-1f);
  float result = furc_fma_raw(f * f, p, f);
  result = furc_fma_raw(n, 0x1.62e43p-1f, result);
  result = x == 0.0f ? furc_float(0xFF800000u) : result;
  result = x == furc_float(0x7F800000u) ? x : result;
  return ((x < 0.0f) | (x != x)) ? furc_float(0x7FC00000u) : result;
}

/* 1 / (1 + e^-x), for negative x as e^x · (1 / (1 + e^x)); one Newton step makes the quotient that of the
   unrounded sum. */
FURC_INLINE float furc_sigmoid(float x) {
  float z = furc_exp(furc_float(furc_bits(x) | 0x80000000u));
  float sum = 1.0f + z;
  float lost = z - (sum - 1.0f);
  float inverse = 1.0f / sum;
  float error = furc_fma_raw(-lost, inverse, furc_fma_raw(-sum, inverse, 1.0f));
  inverse = furc_fma_raw(error, inverse, inverse);
  return furc_canonical((x >= 0.0f ? 1.0f : z) * inverse);
}

/* x + x^3 · P(x^2) below 0.625, else 1 - 2 / (e^2x + 1); odd. */
FURC_INLINE float furc_tanh(float x) {
  float a = furc_float(furc_bits(x) & 0x7FFFFFFFu);
  float s = a * a;
  float p = -0x1.7863cep-8f;
  p = furc_fma_raw(p, s, 0x1.52cb4p-6f);
  p = furc_fma_raw(p, s, -0x1.b85a38p-5f);
  p = furc_fma_raw(p, s, 0x1.110844p-3f);
  p = furc_fma_raw(p, s, -0x1.55553ap-2f);
  float small = furc_fma_raw(a * s, p, a);
  float large = 1.0f - 2.0f / (furc_exp(a + a) + 1.0f);
  float result = a < 0.625f ? small : large;
  return furc_canonical(furc_float(furc_bits(result) | (furc_bits(x) & 0x80000000u)));
}

/* x + x · P(x^2) below 0.9375, else 1 - e^(-x - x · Q(x)); odd. */
FURC_INLINE float furc_erf(float x) {
  float a = furc_float(furc_bits(x) & 0x7FFFFFFFu);
  float s = a * a;
  float p = 0x1.4f8e58p-14f;
  p = furc_fma_raw(p, s, -0x1.a6126ep-11f);
  p = furc_fma_raw(p, s, 0x1.544aa8p-8f);
  p = furc_fma_raw(p, s, -0x1.b8012p-6f);
  p = furc_fma_raw(p, s, 0x1.ce2d64p-4f);
  p = furc_fma_raw(p, s, -0x1.81274p-2f);
  p = furc_fma_raw(p, s, 0x1.06eba8p-3f);
  float small = furc_fma_raw(p, a, a);
  float t = a > 3.95f ? 3.95f : a;
  float q = 0x1.8ede7ap-17f;
  q = furc_fma_raw(q, t, -0x1.596432p-12f);
  q = furc_fma_raw(q, t, 0x1.e0f33cp-9f);
  q = furc_fma_raw(q, t, -0x1.86410cp-6f);
  q = furc_fma_raw(q, t, 0x1.b36b5cp-4f);
  q = furc_fma_raw(q, t, 0x1.452d3ep-1f);
  q = furc_fma_raw(q, t, 0x1.077e1ep-3f);
  float large = 1.0f - furc_exp(furc_fma_raw(q, -t, -t));
  float result = a < 0.9375f ? small : large;
  return furc_canonical(furc_float(furc_bits(result) | (furc_bits(x) & 0x80000000u)));
}

/* x = quadrant · π/2 + rest, |rest| ≤ π/4 and a little. */
typedef struct {
  double rest;
  uint32_t quadrant;
} furc_reduced;

/* For |x| < 2^28: the first step is exact, since both products are multiples of 2^-52. */
FURC_INLINE furc_reduced furc_reduce_near(float x) {
  double biased = __builtin_elementwise_fma((double)x, 0x1.45f306dc9c883p-1, 0x1.8p52);
  double n = biased - 0x1.8p52;
  double rest = __builtin_elementwise_fma(n, -0x1.921fb54442d18p0, (double)x);
  rest = __builtin_elementwise_fma(n, -0x1.1a62633145c07p-54, rest);
  uint64_t bits;
  __builtin_memcpy(&bits, &biased, sizeof bits);
  return (furc_reduced){rest, (uint32_t)bits};
}

/* For finite |x| ≥ 2^28 (Payne and Hanek 1983): the mantissa times those 96 bits of 2/π that decide
   x · 2/π modulo 4 and 62 bits behind its point. */
FURC_INLINE furc_reduced furc_reduce_far(float x) {
  static const uint32_t two_over_pi[8] = {0xA2F9836Eu, 0x4E441529u, 0xFC2757D1u, 0xF534DDC0u,
                                          0xDB629599u, 0x3C439041u, 0xFE5163ABu, 0xDEBBC561u};
  uint32_t bits = furc_bits(x);
  uint32_t skipped = ((bits >> 23) & 0xFFu) - 152u;
  uint64_t mantissa = (bits & 0x7FFFFFu) | 0x800000u;
  const uint32_t *word = two_over_pi + ((skipped >> 5) & 3u);
  uint32_t shift = skipped & 31u;
  uint64_t high = (uint64_t)word[0] << 32 | word[1];
  uint64_t middle = (uint64_t)word[1] << 32 | word[2];
  uint64_t low = (uint64_t)word[2] << 32 | word[3];
  uint64_t product = mantissa * (uint32_t)((low << shift) >> 32) >> 32;
  product += mantissa * (uint32_t)((middle << shift) >> 32);
  product += mantissa * (uint32_t)((high << shift) >> 32) << 32;
  uint64_t quadrant = (product + ((uint64_t)1 << 61)) >> 62;
  double rest = (double)(int64_t)(product - (quadrant << 62)) * 0x1.921fb54442d18p-62;
  return bits >> 31 ? (furc_reduced){-rest, (uint32_t)(0 - quadrant)}
                    : (furc_reduced){rest, (uint32_t)quadrant};
}

/* The sine of `quadrant` · π/2 + `rest`, rounded once from f64. */
FURC_INLINE float furc_sine_of(furc_reduced angle) {
  double r = angle.rest, s = r * r;
  double p = -0x1.a9648a371cd93p-26;
  p = __builtin_elementwise_fma(p, s, 0x1.71d776a227b73p-19);
  p = __builtin_elementwise_fma(p, s, -0x1.a019f94ee17a6p-13);
  p = __builtin_elementwise_fma(p, s, 0x1.1111110c9a26bp-7);
  p = __builtin_elementwise_fma(p, s, -0x1.5555555552385p-3);
  double sine = r * __builtin_elementwise_fma(p, s, 1.0);
  double q = -0x1.241ca94f91945p-22;
  q = __builtin_elementwise_fma(q, s, 0x1.a010d556e7274p-16);
  q = __builtin_elementwise_fma(q, s, -0x1.6c16b81ba036bp-10);
  q = __builtin_elementwise_fma(q, s, 0x1.5555554ecbf75p-5);
  q = __builtin_elementwise_fma(q, s, -0.5);
  double cosine = __builtin_elementwise_fma(q, s, 1.0);
  float result = (float)(angle.quadrant & 1u ? cosine : sine);
  return furc_canonical(furc_float(furc_bits(result) ^ (angle.quadrant & 2u) << 30));
}

FURC_INLINE int furc_is_near(float x) { return (furc_bits(x) & 0x7FFFFFFFu) < 0x4D800000u; }
FURC_INLINE int furc_is_finite(float x) { return (furc_bits(x) & 0x7FFFFFFFu) < 0x7F800000u; }

/* What furc_sin and furc_cos compute where furc_is_near(x); these vectorise. */
FURC_INLINE float furc_sin_near(float x) { return furc_sine_of(furc_reduce_near(x)); }

FURC_INLINE float furc_cos_near(float x) {
  furc_reduced angle = furc_reduce_near(x);
  angle.quadrant += 1u;
  return furc_sine_of(angle);
}

FURC_INLINE float furc_sin(float x) {
  if (!furc_is_finite(x)) return furc_float(0x7FC00000u);
  return furc_sine_of(furc_is_near(x) ? furc_reduce_near(x) : furc_reduce_far(x));
}

FURC_INLINE float furc_cos(float x) {
  if (!furc_is_finite(x)) return furc_float(0x7FC00000u);
  furc_reduced angle = furc_is_near(x) ? furc_reduce_near(x) : furc_reduce_far(x);
  angle.quadrant += 1u;
  return furc_sine_of(angle);
}

#endif
