#if defined(__x86_64__)
#include <immintrin.h>

#include "registers_f32_avx2.h"

#define ELEMENT float
#define NAME furc_contract_f32_avx2
#define PANEL FURC_F32_PANEL
#define VECTOR FURC_F32_VECTOR
#define MOST_ROWS 6
#define MOST_VECTORS 2
#define TARGET __attribute__((target("avx2,fma")))
#define WITH_EPILOGUE
#define LOCAL(name) name
#include "contract_fma_simd.h"
#endif
