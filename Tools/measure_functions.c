/* The largest errors of furc's functions against libm in f64, for Docs/arithmetic.md.

     clang -O2 -I Sources/CKernels/include Tools/measure_functions.c -o /tmp/measure -lm && /tmp/measure [stride]

   Stride 1, the default, tries all 2^32 inputs: about two minutes for each function. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "furc_functions.h"

enum { BLOCK = 256 };

#if defined(__x86_64__)
#define FMA __attribute__((target("avx2,fma")))
#else
#define FMA
#endif

#define MEASURED(name)                                              \
  FMA static void name##_block(const float *x, float *y) {          \
    for (int i = 0; i < BLOCK; i++) y[i] = furc_##name(x[i]);       \
  }
MEASURED(exp)
MEASURED(log)
MEASURED(tanh)
MEASURED(erf)
MEASURED(sigmoid)
MEASURED(sin)
MEASURED(cos)
MEASURED(rsqrt)

static double exact_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double exact_rsqrt(double x) { return 1 / sqrt(x); }

/* In units of the last place of `exact`; infinite where only one is NaN or infinite. */
static double error_of(float ours, double exact) {
  if (exact != exact) return furc_bits(ours) == 0x7FC00000u ? 0 : INFINITY;
  if (fabs(exact) > 0x1p128) return ours == (exact > 0 ? INFINITY : -INFINITY) ? 0 : INFINITY;
  int exponent = 0;
  frexp(exact, &exponent);
  double place = exponent < -125 ? 0x1p-149 : ldexp(1, exponent - 24);
  double value = isinf(ours) ? copysign(0x1p128, ours) : (double)ours;
  double error = fabs(value - exact) / place;
  return error != error ? INFINITY : error;
}

int main(int count, char **arguments) {
  static const struct {
    const char *name;
    void (*ours)(const float *, float *);
    double (*exact)(double);
  } functions[] = {
      {"exp", exp_block, exp},   {"log", log_block, log},
      {"tanh", tanh_block, tanh}, {"erf", erf_block, erf},
      {"sigmoid", sigmoid_block, exact_sigmoid}, {"sin", sin_block, sin},
      {"cos", cos_block, cos},   {"rsqrt", rsqrt_block, exact_rsqrt},
  };
  uint64_t stride = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
  if (stride == 0) stride = 1;
  for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
    double worst = 0;
    float where = 0;
    for (uint64_t bits = 0; bits < (uint64_t)1 << 32;) {
      float x[BLOCK], y[BLOCK];
      for (int i = 0; i < BLOCK; i++, bits += stride) x[i] = furc_float((uint32_t)bits);
      functions[f].ours(x, y);
      for (int i = 0; i < BLOCK; i++) {
        double error = error_of(y[i], functions[f].exact(x[i]));
        if (error > worst) worst = error, where = x[i];
      }
    }
    printf("%-8s %.4f ulp at %a\n", functions[f].name, worst, (double)where);
    fflush(stdout);
  }
}
