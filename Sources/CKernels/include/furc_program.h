/* Runs a program (KernelIR's `Program`) over many elements, a block of registers at a time. Every level of
   furc_cpu.h gives the bits of `Program.evaluate`. */
#ifndef FURC_PROGRAM_H
#define FURC_PROGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  /* Elements of a register block. */
  FURC_PROGRAM_BLOCK = 512,
  FURC_PROGRAM_MAX_RANK = 8,
  FURC_PROGRAM_MAX_SOURCES = 32,
  FURC_PROGRAM_MAX_BLOCKS = 4096,
};

/* How elements are stored; integers and bool widen to i32, floats to f32. Addresses need no alignment. */
enum {
  FURC_TYPE_BOOL,
  FURC_TYPE_I4, /* a byte each, the low four bits */
  FURC_TYPE_U4,
  FURC_TYPE_I8,
  FURC_TYPE_U8,
  FURC_TYPE_I16,
  FURC_TYPE_U16,
  FURC_TYPE_I32,
  FURC_TYPE_E4M3,
  FURC_TYPE_E5M2,
  FURC_TYPE_BF16,
  FURC_TYPE_F16,
  FURC_TYPE_F32,
};

/* r is `result`, x, y, z are the blocks `a`, `b`, `c`; k is `immediate`. */
enum {
  FURC_OP_LOAD,     /* the next elements of source k[0] */
  FURC_OP_CONSTANT, /* k[0], bits of i32 or f32 */

  FURC_OP_NEGATE_I32,
  FURC_OP_ABSOLUTE_I32,
  FURC_OP_NOT_I32,
  FURC_OP_TO_FLOAT,
  FURC_OP_TO_INTEGER,

  FURC_OP_NEGATE_F32,
  FURC_OP_ABSOLUTE_F32,
  FURC_OP_SQRT,
  FURC_OP_RSQRT,
  FURC_OP_RECIPROCAL,
  FURC_OP_EXP,
  FURC_OP_LOG,
  FURC_OP_TANH,
  FURC_OP_ERF,
  FURC_OP_SIGMOID,
  FURC_OP_SIN,
  FURC_OP_COS,
  FURC_OP_FLOOR,
  FURC_OP_CEIL,
  FURC_OP_ROUND,

  FURC_OP_ADD_I32,
  FURC_OP_SUBTRACT_I32,
  FURC_OP_MULTIPLY_I32,
  FURC_OP_MAXIMUM_I32,
  FURC_OP_MINIMUM_I32,
  FURC_OP_EQUAL_I32,
  FURC_OP_LESS_I32,
  FURC_OP_LESS_OR_EQUAL_I32,
  FURC_OP_AND,
  FURC_OP_OR,
  FURC_OP_XOR,
  FURC_OP_SHIFT_LEFT,
  FURC_OP_SHIFT_RIGHT,

  FURC_OP_ADD_F32,
  FURC_OP_SUBTRACT_F32,
  FURC_OP_MULTIPLY_F32,
  FURC_OP_DIVIDE_F32,
  FURC_OP_MAXIMUM_F32,
  FURC_OP_MINIMUM_F32,
  FURC_OP_EQUAL_F32,
  FURC_OP_LESS_F32,
  FURC_OP_LESS_OR_EQUAL_F32,

  FURC_OP_FMA,
  FURC_OP_SELECT,       /* x != 0 ? y : z */
  FURC_OP_CONVERT_I32,  /* clamped to k[0]...k[1] */
  FURC_OP_CONVERT_E4M3, /* encoded and decoded */
  FURC_OP_CONVERT_E5M2,
  FURC_OP_CONVERT_BF16,
  FURC_OP_CONVERT_F16,
  FURC_OP_REQUANT,    /* sum x, multiplier y, shift z; zero point k[0], bounds k[1]...k[2] */
  FURC_OP_QUANTIZE,   /* x by scale y; zero point k[0], bounds k[1]...k[2] */
  FURC_OP_DEQUANTIZE, /* x by scale y; zero point k[0] */
  FURC_OP_TABLE,      /* table k[0] at key x */

  FURC_OP_COUNT,
};

/* Its result block is none of those that it reads. */
typedef struct {
  uint16_t opcode;
  uint16_t result;
  uint16_t a, b, c;
  uint16_t reserved;
  int32_t immediate[3];
} furc_step;

/* Entries for the keys low, low + 1, ...; other keys are clamped to these. 1...65536 entries. */
typedef struct {
  const uint32_t *entries;
  int32_t low;
  int32_t count;
} furc_table;

typedef struct {
  const furc_step *steps;
  const furc_table *tables;
  int32_t step_count;
  /* The first steps whose results are the same for every element: they run once per call, and no later
     step overwrites their blocks. */
  int32_t uniform_count;
  int32_t block_count;
  /* The block that holds the result. */
  int32_t result;
} furc_program;

/* Elements of a space: at coordinates i, element Σ i[d] · strides[d] behind `data`. */
typedef struct {
  void *data;
  int32_t type;
  int64_t strides[FURC_PROGRAM_MAX_RANK];
} furc_stream;

/* The program at the points begin ≤ p < end of a space, counted in row-major order. The result may be one of
   the sources if both have the same type size, data and strides; it overlaps no other source. */
typedef struct {
  const furc_program *program;
  int32_t rank;
  int32_t source_count;
  int64_t extents[FURC_PROGRAM_MAX_RANK];
  const furc_stream *sources;
  furc_stream result;
  int64_t begin, end;
} furc_program_job;

enum {
  FURC_PROGRAM_DONE,
  /* A multiplier was negative or a shift outside 0...62; what was stored is undefined. */
  FURC_PROGRAM_BAD_REQUANT,
  FURC_PROGRAM_NO_MEMORY,
};

/* At a level of furc_cpu.h that the CPU has. The job must be well formed; encoders see to that. */
int furc_program_run(const furc_program_job *job, int level);

#ifdef __cplusplus
}
#endif
#endif
