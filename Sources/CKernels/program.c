#include "furc_cpu.h"
#include "furc_program.h"

int furc_program_run_portable(const furc_program_job *job);
int furc_program_run_avx2(const furc_program_job *job);
int furc_program_run_avx512(const furc_program_job *job);

int furc_program_run(const furc_program_job *job, int level) {
#if defined(__x86_64__)
  if (level >= FURC_CPU_AVX512) return furc_program_run_avx512(job);
  if (level >= FURC_CPU_AVX2) return furc_program_run_avx2(job);
#else
  (void)level;
#endif
  return furc_program_run_portable(job);
}
