#ifndef FURC_CPU_H
#define FURC_CPU_H

#ifdef __cplusplus
extern "C" {
#endif

/* What the kernels' selection distinguishes. Each level includes the lower ones. */
enum {
  FURC_CPU_PORTABLE = 0,
  FURC_CPU_AVX2 = 1,   /* avx2, fma, f16c */
  FURC_CPU_AVX512 = 2, /* avx512 f, bw, vl, dq and vnni */
};

/* The level that kernels run at: the CPU's, or the one that the environment variable FURC_CPU names
   (portable, avx2, avx512) where the CPU has it. Read once; every level computes the same bytes. */
int furc_cpu_level(void);

/* The CPU's own level, whatever FURC_CPU says. */
int furc_cpu_best_level(void);

/* Makes furc_cpu_level return `level`, at most the CPU's own, from now on; below 0 it goes back to the
   environment's choice. For tests that compare levels: no kernel may run meanwhile. */
void furc_cpu_set_level(int level);

#ifdef __cplusplus
}
#endif
#endif
