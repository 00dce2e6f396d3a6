#include "epilogue_portable.h"

#define ELEMENT float
#define FMA __builtin_fmaf
#define PANEL FURC_F32_PANEL
#define VECTOR FURC_F32_VECTOR
#define FINISHED(job, sum, column, offset) furc_finished((job)->epilogue, sum, column, offset)
#define NAME furc_contract_f32_portable
#include "contract_fma_portable.h"
