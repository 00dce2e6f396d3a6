#include "furc_reduce.h"

#include "furc_cpu.h"

void furc_reduce_portable(const furc_reduce_job *job);
void furc_reduce_avx2(const furc_reduce_job *job);
void furc_reduce_avx512(const furc_reduce_job *job);

void furc_reduce(const furc_reduce_job *job, int level) {
#if defined(__x86_64__)
  if (level >= FURC_CPU_AVX512) return furc_reduce_avx512(job);
  if (level >= FURC_CPU_AVX2) return furc_reduce_avx2(job);
#else
  (void)level;
#endif
  furc_reduce_portable(job);
}
