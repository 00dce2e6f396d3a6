#include "furc_cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { UNKNOWN = -1 };

/* Threads that race here find the same number. */
static atomic_int chosen_level = UNKNOWN;

int furc_cpu_best_level(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))) {
    return FURC_CPU_PORTABLE;
  }
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vnni")) {
    return FURC_CPU_AVX512;
  }
  return FURC_CPU_AVX2;
#else
  return FURC_CPU_PORTABLE;
#endif
}

static int level_at_most(int wanted) {
  int best = furc_cpu_best_level();
  return wanted < best ? wanted : best;
}

static int level_of_environment(void) {
  const char *name = getenv("FURC_CPU");
  int wanted = FURC_CPU_AVX512;
  if (name != NULL && strcmp(name, "portable") == 0) wanted = FURC_CPU_PORTABLE;
  if (name != NULL && strcmp(name, "avx2") == 0) wanted = FURC_CPU_AVX2;
  return level_at_most(wanted);
}

int furc_cpu_level(void) {
  int level = atomic_load_explicit(&chosen_level, memory_order_relaxed);
  if (level == UNKNOWN) {
    level = level_of_environment();
    atomic_store_explicit(&chosen_level, level, memory_order_relaxed);
  }
  return level;
}

void furc_cpu_set_level(int level) {
  atomic_store_explicit(&chosen_level, level < 0 ? UNKNOWN : level_at_most(level), memory_order_relaxed);
}
