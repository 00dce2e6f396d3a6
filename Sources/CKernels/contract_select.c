#include "furc_contract.h"
#include "furc_cpu.h"

#if defined(__x86_64__)
#define SELECT(NAME, JOB)                                 \
  void NAME(const JOB *job, int level) {                  \
    if (level >= FURC_CPU_AVX512) return NAME##_avx512(job); \
    if (level >= FURC_CPU_AVX2) return NAME##_avx2(job);  \
    NAME##_portable(job);                                 \
  }
#else
#define SELECT(NAME, JOB) \
  void NAME(const JOB *job, int level) { (void)level; NAME##_portable(job); }
#endif

SELECT(furc_contract_f32, furc_contract_job)
SELECT(furc_contract_f64, furc_contract_job)
SELECT(furc_contract_i8, furc_contract_job)
SELECT(furc_depthwise_f32, furc_depthwise_job)
SELECT(furc_depthwise_i8, furc_depthwise_job)
