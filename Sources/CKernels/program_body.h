/* Programs at one level: the including file names the level by LEVEL(name) and sets the target of its
   functions. Every step is a loop over a block, which vectorises for that target. */

#include <stdlib.h>

typedef float block_f32 __attribute__((may_alias));
typedef int32_t block_i32 __attribute__((may_alias));

#include "program_streams.h"

enum { BLOCK_BYTES = 4 * FURC_PROGRAM_BLOCK, STACK_BLOCKS = 32, ROUND_UP = 16 };

/* The blocks are distinct, and `n` is a multiple of 16. */
#define STEP1(OP, R, X, VALUE)                                     \
  case OP: {                                                       \
    const X *x = (const X *)a;                                     \
    R *r = (R *)result;                                            \
    EACH(i, n) { r[i] = VALUE(x[i]); }                             \
    break;                                                         \
  }
#define STEP2(OP, R, X, VALUE)                                     \
  case OP: {                                                       \
    const X *x = (const X *)a, *y = (const X *)b;                  \
    R *r = (R *)result;                                            \
    EACH(i, n) { r[i] = VALUE(x[i], y[i]); }                       \
    break;                                                         \
  }
#define INTEGER1(OP, VALUE) STEP1(OP, block_i32, block_i32, VALUE)
#define FLOAT1(OP, VALUE) STEP1(OP, block_f32, block_f32, VALUE)
#define INTEGER2(OP, VALUE) STEP2(OP, block_i32, block_i32, VALUE)
#define FLOAT2(OP, VALUE) STEP2(OP, block_f32, block_f32, VALUE)
#define COMPARE(OP, VALUE) STEP2(OP, block_i32, block_f32, VALUE)

#define NOT(x) ((x) == 0)
#define EQUAL(x, y) ((x) == (y))
#define LESS(x, y) ((x) < (y))
#define LESS_OR_EQUAL(x, y) ((x) <= (y))
#define AND(x, y) ((x) & (y))
#define OR(x, y) ((x) | (y))
#define XOR(x, y) ((x) ^ (y))
#define THROUGH_E4M3(x) furc_decode_e4m3(furc_encode_e4m3(x))
#define THROUGH_E5M2(x) furc_decode_e5m2(furc_encode_e5m2(x))
#define THROUGH_BF16(x) furc_decode_bf16(furc_encode_bf16(x))
#define THROUGH_F16(x) furc_decode_f16(furc_encode_f16(x))

/* sin and cos by their form for |x| < 2^28, then again, one by one, where that does not hold. */
#define ANGLE(OP, NEAR, ANY)                                       \
  case OP: {                                                       \
    const block_f32 *x = (const block_f32 *)a;                     \
    block_f32 *r = (block_f32 *)result;                            \
    int far = 0;                                                   \
    EACH(i, n) {                                                   \
      r[i] = NEAR(x[i]);                                           \
      far |= !furc_is_near(x[i]);                                  \
    }                                                              \
    if (far) {                                                     \
      for (int64_t i = 0; i < n; i++) {                            \
        if (!furc_is_near(x[i])) r[i] = ANY(x[i]);                 \
      }                                                            \
    }                                                              \
    break;                                                         \
  }

/* Whether the first `count` constants are in range. Those behind them are of no point of the space. */
static int are_requant_constants(const block_i32 *multiplier, const block_i32 *shift, int64_t count) {
  uint32_t bad = 0;
  EACH(i, count) { bad |= (uint32_t)(multiplier[i] < 0) | (uint32_t)((uint32_t)shift[i] > 62u); }
  return bad == 0;
}

static void requant_block(const furc_step *step, const char *a, const char *b, const char *c, char *result,
                          int64_t n) {
  const block_i32 *sum = (const block_i32 *)a, *multiplier = (const block_i32 *)b;
  const block_i32 *shift = (const block_i32 *)c;
  block_i32 *r = (block_i32 *)result;
  int32_t zero_point = step->immediate[0], low = step->immediate[1], high = step->immediate[2];
  EACH(i, n) {
    int32_t defined = (uint32_t)shift[i] > 62u ? 0 : shift[i];
    r[i] = furc_requant(sum[i], multiplier[i] & INT32_MAX, defined, zero_point, low, high);
  }
}

/* clamp(q + zp, low, high) is clamp(q, low - zp, high - zp) + zp where the bounds fit 32 bits. */
static void quantize_block(const furc_step *step, const char *a, const char *b, char *result, int64_t n) {
  const block_f32 *x = (const block_f32 *)a, *scale = (const block_f32 *)b;
  block_i32 *r = (block_i32 *)result;
  int32_t zero_point = step->immediate[0], low = step->immediate[1], high = step->immediate[2];
  int64_t least = (int64_t)low - zero_point, most = (int64_t)high - zero_point;
  if (least < INT32_MIN || most > INT32_MAX || low > high) {
    EACH(i, n) { r[i] = furc_quantize(x[i], scale[i], zero_point, low, high); }
    return;
  }
  int32_t from = (int32_t)least, to = (int32_t)most;
  EACH(i, n) {
    int32_t rounded = furc_to_integer(__builtin_elementwise_roundeven(x[i] / scale[i]));
    r[i] = furc_min_i32(furc_max_i32(rounded, from), to) + zero_point;
  }
}

static void table_block(const furc_table *table, const char *a, char *result, int64_t n) {
  const block_i32 *key = (const block_i32 *)a;
  block_i32 *r = (block_i32 *)result;
  int64_t last = (int64_t)table->low + table->count - 1;
  int32_t low = table->low, high = last < INT32_MAX ? (int32_t)last : INT32_MAX;
  const uint32_t *entries = table->entries;
  EACH(i, n) {
    int32_t clamped = furc_min_i32(furc_max_i32(key[i], low), high);
    r[i] = (int32_t)entries[(uint32_t)clamped - (uint32_t)low];
  }
}

/* What a call works on. `at[b]` is where block b is read: its own memory, or the elements of a source where they
   lie, if those are words side by side. */
typedef struct {
  const furc_program *program;
  joined_stream sources[FURC_PROGRAM_MAX_SOURCES];
  /* Of a source that repeats after so few elements that blocks are multiples of them, the period, else 0. */
  int64_t periods[FURC_PROGRAM_MAX_SOURCES];
  /* How many elements of a repeating source its block holds, from the start of a period. */
  int64_t held[FURC_PROGRAM_MAX_SOURCES];
  char *blocks;
  const char **at;
  int64_t end;
} block_run;

static char *own_block(const block_run *run, int block) { return run->blocks + block * (int64_t)BLOCK_BYTES; }

/* Makes `count` elements from `position` on readable as block `block`, up to a multiple of 16. */
static void provide(block_run *run, int source, int block, int64_t position, int64_t count) {
  const joined_stream *stream = run->sources + source;
  int64_t n = (count + ROUND_UP - 1) / ROUND_UP * ROUND_UP;
  char *own = own_block(run, block);
  if (run->periods[source] != 0 && position % run->periods[source] == 0) {
    run->at[block] = own;
    if (run->held[source] >= count) return;
    run->held[source] = count;
  } else {
    run->held[source] = 0;
    const char *words = words_at(stream, position, count);
    /* What lies behind the last element is read, too, so it must be an element of the source. */
    if (words && (n == count || (stream->rank == 1 && position + n <= run->end))) {
      run->at[block] = words;
      return;
    }
  }
  load_elements(stream, position, count, own);
  for (int64_t i = count; i < n; i++) ((block_i32 *)own)[i] = 0;
  run->at[block] = own;
}

/* The steps `first`...`last` - 1 for `count` elements from `position` on; the last one's block is `target` where
   that is not NULL. Returns whether all was defined. */
static int run_steps(block_run *run, int first, int last, int64_t position, int64_t count, char *target) {
  const furc_program *program = run->program;
  int64_t n = (count + ROUND_UP - 1) / ROUND_UP * ROUND_UP;
  for (int s = first; s < last; s++) {
    const furc_step *step = program->steps + s;
    char *result = s == last - 1 && target ? target : own_block(run, step->result);
    const char *a = run->at[step->a], *b = run->at[step->b], *c = run->at[step->c];
    if (step->opcode != FURC_OP_LOAD) run->at[step->result] = result;
    switch (step->opcode) {
      case FURC_OP_LOAD:
        provide(run, step->immediate[0], step->result, position, count);
        break;
      case FURC_OP_CONSTANT: {
        block_i32 *r = (block_i32 *)result;
        int32_t value = step->immediate[0];
        EACH(i, n) { r[i] = value; }
        break;
      }

      INTEGER1(FURC_OP_NEGATE_I32, furc_neg_i32)
      INTEGER1(FURC_OP_ABSOLUTE_I32, furc_abs_i32)
      INTEGER1(FURC_OP_NOT_I32, NOT)
      STEP1(FURC_OP_TO_FLOAT, block_f32, block_i32, furc_to_float)
      STEP1(FURC_OP_TO_INTEGER, block_i32, block_f32, furc_to_integer)

      FLOAT1(FURC_OP_NEGATE_F32, furc_neg)
      FLOAT1(FURC_OP_ABSOLUTE_F32, furc_abs)
      FLOAT1(FURC_OP_SQRT, furc_sqrt)
      FLOAT1(FURC_OP_RSQRT, furc_rsqrt)
      FLOAT1(FURC_OP_RECIPROCAL, furc_reciprocal)
      FLOAT1(FURC_OP_EXP, furc_exp)
      FLOAT1(FURC_OP_LOG, furc_log)
      FLOAT1(FURC_OP_TANH, furc_tanh)
      FLOAT1(FURC_OP_ERF, furc_erf)
      FLOAT1(FURC_OP_SIGMOID, furc_sigmoid)
      ANGLE(FURC_OP_SIN, furc_sin_near, furc_sin)
      ANGLE(FURC_OP_COS, furc_cos_near, furc_cos)
      FLOAT1(FURC_OP_FLOOR, furc_floor)
      FLOAT1(FURC_OP_CEIL, furc_ceil)
      FLOAT1(FURC_OP_ROUND, furc_round)

      INTEGER2(FURC_OP_ADD_I32, furc_add_i32)
      INTEGER2(FURC_OP_SUBTRACT_I32, furc_sub_i32)
      INTEGER2(FURC_OP_MULTIPLY_I32, furc_mul_i32)
      INTEGER2(FURC_OP_MAXIMUM_I32, furc_max_i32)
      INTEGER2(FURC_OP_MINIMUM_I32, furc_min_i32)
      INTEGER2(FURC_OP_EQUAL_I32, EQUAL)
      INTEGER2(FURC_OP_LESS_I32, LESS)
      INTEGER2(FURC_OP_LESS_OR_EQUAL_I32, LESS_OR_EQUAL)
      INTEGER2(FURC_OP_AND, AND)
      INTEGER2(FURC_OP_OR, OR)
      INTEGER2(FURC_OP_XOR, XOR)
      INTEGER2(FURC_OP_SHIFT_LEFT, furc_shift_left_i32)
      INTEGER2(FURC_OP_SHIFT_RIGHT, furc_shift_right_i32)

      FLOAT2(FURC_OP_ADD_F32, furc_add)
      FLOAT2(FURC_OP_SUBTRACT_F32, furc_sub)
      FLOAT2(FURC_OP_MULTIPLY_F32, furc_mul)
      FLOAT2(FURC_OP_DIVIDE_F32, furc_div)
      FLOAT2(FURC_OP_MAXIMUM_F32, furc_maximum)
      FLOAT2(FURC_OP_MINIMUM_F32, furc_minimum)
      COMPARE(FURC_OP_EQUAL_F32, EQUAL)
      COMPARE(FURC_OP_LESS_F32, LESS)
      COMPARE(FURC_OP_LESS_OR_EQUAL_F32, LESS_OR_EQUAL)

      case FURC_OP_FMA: {
        const block_f32 *x = (const block_f32 *)a, *y = (const block_f32 *)b, *z = (const block_f32 *)c;
        block_f32 *r = (block_f32 *)result;
        EACH(i, n) { r[i] = furc_fma(x[i], y[i], z[i]); }
        break;
      }
      case FURC_OP_SELECT: {
        const block_i32 *x = (const block_i32 *)a, *y = (const block_i32 *)b, *z = (const block_i32 *)c;
        block_i32 *r = (block_i32 *)result;
        EACH(i, n) { r[i] = x[i] != 0 ? y[i] : z[i]; }
        break;
      }
      case FURC_OP_CONVERT_I32: {
        const block_i32 *x = (const block_i32 *)a;
        block_i32 *r = (block_i32 *)result;
        int32_t low = step->immediate[0], high = step->immediate[1];
        EACH(i, n) { r[i] = furc_min_i32(furc_max_i32(x[i], low), high); }
        break;
      }
      FLOAT1(FURC_OP_CONVERT_E4M3, THROUGH_E4M3)
      FLOAT1(FURC_OP_CONVERT_E5M2, THROUGH_E5M2)
      FLOAT1(FURC_OP_CONVERT_BF16, THROUGH_BF16)
      FLOAT1(FURC_OP_CONVERT_F16, THROUGH_F16)
      case FURC_OP_REQUANT:
        if (!are_requant_constants((const block_i32 *)b, (const block_i32 *)c, count)) return 0;
        requant_block(step, a, b, c, result, n);
        break;
      case FURC_OP_QUANTIZE: quantize_block(step, a, b, result, n); break;
      case FURC_OP_DEQUANTIZE: {
        const block_i32 *x = (const block_i32 *)a;
        const block_f32 *y = (const block_f32 *)b;
        block_f32 *r = (block_f32 *)result;
        int32_t zero_point = step->immediate[0];
        EACH(i, n) { r[i] = furc_dequantize(x[i], y[i], zero_point); }
        break;
      }
      case FURC_OP_TABLE: table_block(program->tables + step->immediate[0], a, result, n); break;
    }
  }
  return 1;
}

/* Whether no step but its load writes the block of a source. */
static int keeps_block(const furc_program *program, int source) {
  int block = -1;
  for (int s = 0; s < program->step_count; s++) {
    const furc_step *step = program->steps + s;
    if (step->opcode != FURC_OP_LOAD || step->immediate[0] != source) continue;
    if (block >= 0) return 0;
    block = step->result;
  }
  for (int s = 0; s < program->step_count; s++) {
    const furc_step *step = program->steps + s;
    int is_load = step->opcode == FURC_OP_LOAD && step->immediate[0] == source;
    if (!is_load && step->result == block) return 0;
  }
  return block >= 0;
}

/* Elements of a block such that some source that repeats fills it with whole periods. */
static int64_t block_length(block_run *run, int source_count) {
  int64_t length = FURC_PROGRAM_BLOCK;
  for (int s = 0; s < source_count; s++) {
    run->periods[s] = 0;
    run->held[s] = 0;
  }
  for (int s = 0; s < source_count; s++) {
    int64_t period = period_of(run->sources + s);
    if (period == 0 || period > FURC_PROGRAM_BLOCK) continue;
    if (length == FURC_PROGRAM_BLOCK) {
      int64_t unit = period;
      while (unit % ROUND_UP != 0 && unit * 2 <= FURC_PROGRAM_BLOCK) unit *= 2;
      length = FURC_PROGRAM_BLOCK / unit * unit;
    }
    if (length % period == 0 && keeps_block(run->program, s)) run->periods[s] = period;
  }
  return length;
}

static int run_blocks(const furc_program_job *job, char *blocks, const char **at) {
  const furc_program *program = job->program;
  block_run run = {.program = program, .blocks = blocks, .at = at, .end = job->end};
  for (int b = 0; b < program->block_count; b++) at[b] = own_block(&run, b);
  for (int s = 0; s < job->source_count; s++) {
    run.sources[s] = join_axes(job->sources + s, job->rank, job->extents);
  }
  int64_t length = block_length(&run, job->source_count);
  joined_stream stored = join_axes(&job->result, job->rank, job->extents);
  int64_t total = job->end - job->begin;
  int64_t first = total < FURC_PROGRAM_BLOCK ? total : FURC_PROGRAM_BLOCK;
  if (!run_steps(&run, 0, program->uniform_count, job->begin, first, NULL)) return FURC_PROGRAM_BAD_REQUANT;
  int last = program->step_count - 1;
  int ends = last >= program->uniform_count && program->steps[last].result == program->result &&
             program->steps[last].opcode != FURC_OP_LOAD;
  for (int64_t position = job->begin; position < job->end;) {
    int64_t left = job->end - position, most = length - position % length;
    int64_t count = left < most ? left : most;
    char *target = ends && count % ROUND_UP == 0 ? (char *)words_at(&stored, position, count) : NULL;
    if (!run_steps(&run, program->uniform_count, program->step_count, position, count, target)) {
      return FURC_PROGRAM_BAD_REQUANT;
    }
    if (!target) store_elements(&stored, position, count, (char *)run.at[program->result]);
    position += count;
  }
  return FURC_PROGRAM_DONE;
}

int LEVEL(furc_program_run)(const furc_program_job *job) {
  if (job->end <= job->begin) return FURC_PROGRAM_DONE;
  int64_t count = job->program->block_count;
  if (count <= STACK_BLOCKS) {
    _Alignas(64) char blocks[STACK_BLOCKS * BLOCK_BYTES];
    const char *at[STACK_BLOCKS];
    return run_blocks(job, blocks, at);
  }
  char *blocks = aligned_alloc(64, (size_t)count * BLOCK_BYTES);
  const char **at = malloc((size_t)count * sizeof(char *));
  int status = blocks && at ? run_blocks(job, blocks, at) : FURC_PROGRAM_NO_MEMORY;
  free(blocks);
  free(at);
  return status;
}
