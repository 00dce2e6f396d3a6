#define ELEMENT double
#define FMA __builtin_fma
#define PANEL FURC_F64_PANEL
#define VECTOR FURC_F64_VECTOR
#define NAN_VALUE __builtin_nan("")
#define NAME furc_contract_f64_portable
#include "contract_fma_portable.h"
