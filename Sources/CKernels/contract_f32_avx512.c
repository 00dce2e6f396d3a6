#if defined(__x86_64__)
#include <immintrin.h>

#define ELEMENT float
#define MOST_ROWS 12
#define MOST_VECTORS 2
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))
#define WITH_EPILOGUE

/* Half registers, for what is left of a panel. */
#include "registers_f32_avx512_half.h"
#define LOCAL(name) name##_half
#include "contract_fma_simd.h"
#undef LOCAL

#include "registers_f32_avx512.h"
#define LOCAL(name) name
#define HALF_STRIP strip_half
#define NAME furc_contract_f32_avx512
#define PANEL FURC_F32_PANEL
#define VECTOR FURC_F32_VECTOR
#include "contract_fma_simd.h"
#endif
