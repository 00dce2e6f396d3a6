#define ELEMENT double
#define FMA __builtin_fma
#define PANEL FURC_F64_PANEL
#define VECTOR FURC_F64_VECTOR
#define FINISHED(job, sum, column, offset) ((sum) == (sum) ? (sum) : __builtin_nan(""))
#define NAME furc_contract_f64_portable
#include "contract_fma_portable.h"
