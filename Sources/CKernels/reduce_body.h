/* Reductions at one level: the including file names the level by LEVEL(name) and sets the target of its
   functions. Vectors of 16 elements are as many registers as the level needs. */

/* Nothing with vectors among its operands is ever called: all of it is inlined. */
#pragma clang diagnostic ignored "-Wpsabi"

typedef float v16 __attribute__((ext_vector_type(16), aligned(4), may_alias));
typedef int32_t m16 __attribute__((ext_vector_type(16), aligned(4), may_alias));

#define UNROLL _Pragma("clang loop unroll(full)")
#define ALWAYS static inline __attribute__((always_inline))

static const float reduce_starts[4] = {0.0f, -__builtin_inff(), __builtin_inff(), 0.0f};

#define IS_SUM(operation) ((operation) == FURC_REDUCE_SUM || (operation) == FURC_REDUCE_SQUARES)

ALWAYS v16 select16(m16 mask, v16 a, v16 b) { return (v16)((mask & (m16)a) | (~mask & (m16)b)); }

/* The partial result `a` with the elements `b`. NaN goes to `nan` for maximum and minimum. */
ALWAYS v16 combine16(const int operation, v16 a, v16 b, m16 *nan) {
  if (operation == FURC_REDUCE_SQUARES) b *= b;
  if (IS_SUM(operation)) return a + b;
  *nan |= b != b;
  const int largest = operation == FURC_REDUCE_MAXIMUM;
  v16 chosen = select16(largest ? b > a : b < a, b, a);
  /* +0 is larger than -0. */
  m16 same = largest ? (m16)a & (m16)b : (m16)a | (m16)b;
  return select16(a == b, (v16)same, chosen);
}

ALWAYS float combine1(const int operation, float a, float b) {
  if (operation == FURC_REDUCE_SQUARES) b *= b;
  if (IS_SUM(operation)) return a + b;
  return operation == FURC_REDUCE_MAXIMUM ? furc_maximum(a, b) : furc_minimum(a, b);
}

ALWAYS v16 load16(const float *x) { return *(const v16 *)x; }

ALWAYS void finish16(v16 value, m16 nan, float *out) {
  nan |= value != value;
  *(v16 *)out = select16(nan, (v16)(m16)(0x7FC00000), value);
}

ALWAYS float tree16(v16 value) {
  float part[16];
  *(v16 *)part = value;
  for (int width = 8; width > 0; width /= 2) {
    UNROLL for (int i = 0; i < width; i++) part[i] = part[2 * i] + part[2 * i + 1];
  }
  return furc_canonical(part[0]);
}

/* ---- results side by side ---- */

ALWAYS void columns_chain(const furc_reduce_job *job, const int operation, const int vectors, int64_t at) {
  v16 value[4];
  m16 nan[4] = {0};
  UNROLL for (int v = 0; v < vectors; v++) value[v] = (v16)(reduce_starts[operation]);
  const float *x = job->x + at;
  for (int64_t p = 0; p < job->points; p++) {
    const float *from = x + (job->offsets ? job->offsets[p] : p);
    UNROLL for (int v = 0; v < vectors; v++) value[v] = combine16(operation, value[v], load16(from + 16 * v), nan + v);
  }
  UNROLL for (int v = 0; v < vectors; v++) finish16(value[v], nan[v], job->out + at + 16 * v);
}

ALWAYS void columns_split(const furc_reduce_job *job, const int operation, int64_t at) {
  v16 part[16] = {0};
  m16 nan = {0};
  const float *x = job->x + at;
  int64_t p = 0;
  for (; p + 16 <= job->points; p += 16) {
    UNROLL for (int i = 0; i < 16; i++) {
      part[i] = combine16(operation, part[i], load16(x + (job->offsets ? job->offsets[p + i] : p + i)), &nan);
    }
  }
  const int64_t left = job->points - p;
  UNROLL for (int i = 0; i < 16; i++) {
    if (i < left) {
      part[i] = combine16(operation, part[i], load16(x + (job->offsets ? job->offsets[p + i] : p + i)), &nan);
    }
  }
  UNROLL for (int width = 8; width > 0; width /= 2) {
    UNROLL for (int i = 0; i < width; i++) part[i] = part[2 * i] + part[2 * i + 1];
  }
  finish16(part[0], (m16)(0), job->out + at);
}

ALWAYS void columns(const furc_reduce_job *job, const int operation) {
  int64_t at = 0;
  /* The last vector may repeat results of the one before it. */
  while (at < job->results) {
    int64_t left = job->results - at;
    if (left < 16) {
      at = job->results - 16;
      left = 16;
    }
    if (IS_SUM(operation) && job->is_split) {
      columns_split(job, operation, at);
      at += 16;
    } else if (left >= 64) {
      columns_chain(job, operation, 4, at);
      at += 64;
    } else {
      columns_chain(job, operation, 1, at);
      at += 16;
    }
  }
}

/* ---- points side by side ---- */

ALWAYS void rows_wide(const furc_reduce_job *job, const int operation, const int rows, int64_t at) {
  v16 value[4];
  m16 nan[4] = {0};
  const float *x[4];
  UNROLL for (int r = 0; r < rows; r++) {
    value[r] = (v16)(reduce_starts[operation]);
    x[r] = job->x + (at + r) * job->step;
  }
  int64_t p = 0;
  for (; p + 16 <= job->points; p += 16) {
    UNROLL for (int r = 0; r < rows; r++) value[r] = combine16(operation, value[r], load16(x[r] + p), nan + r);
  }
  for (int r = 0; r < rows; r++) {
    float part[16], invalid = 0;
    *(v16 *)part = value[r];
    for (int64_t i = p; i < job->points; i++) part[i - p] = combine1(operation, part[i - p], x[r][i]);
    if (IS_SUM(operation)) {
      job->out[at + r] = tree16(load16(part));
    } else {
      float all = part[0];
      for (int i = 1; i < 16; i++) all = combine1(operation, all, part[i]);
      for (int i = 0; i < 16; i++) invalid += nan[r][i] ? 1 : 0;
      job->out[at + r] = invalid > 0 ? furc_float(0x7FC00000u) : all;
    }
  }
}

ALWAYS void rows_chain(const furc_reduce_job *job, const int operation, const int rows, int64_t at) {
  float value[8] = {0};
  const float *x[8];
  UNROLL for (int r = 0; r < rows; r++) x[r] = job->x + (at + r) * job->step;
  for (int64_t p = 0; p < job->points; p++) {
    int64_t from = job->offsets ? job->offsets[p] : p;
    UNROLL for (int r = 0; r < rows; r++) value[r] = combine1(operation, value[r], x[r][from]);
  }
  UNROLL for (int r = 0; r < rows; r++) job->out[at + r] = furc_canonical(value[r]);
}

ALWAYS void rows(const furc_reduce_job *job, const int operation) {
  int64_t at = 0;
  if (IS_SUM(operation) && !job->is_split) {
    for (; at + 8 <= job->results; at += 8) rows_chain(job, operation, 8, at);
    for (; at < job->results; at++) rows_chain(job, operation, 1, at);
  } else {
    for (; at + 4 <= job->results; at += 4) rows_wide(job, operation, 4, at);
    for (; at < job->results; at++) rows_wide(job, operation, 1, at);
  }
}

/* ---- anything ---- */

ALWAYS void each(const furc_reduce_job *job, const int operation) {
  for (int64_t r = 0; r < job->results; r++) {
    const float *x = job->x + r * job->step;
    float part[16];
    for (int i = 0; i < 16; i++) part[i] = reduce_starts[operation];
    const int64_t lanes = IS_SUM(operation) && job->is_split ? 15 : 0;
    for (int64_t p = 0; p < job->points; p++) {
      float *to = part + (p & lanes);
      *to = combine1(operation, *to, x[job->offsets ? job->offsets[p] : p]);
    }
    job->out[r] = lanes ? tree16(load16(part)) : furc_canonical(part[0]);
  }
}

ALWAYS void reduce(const furc_reduce_job *job, const int operation) {
  if (job->step == 1 && job->results >= 16) return columns(job, operation);
  if (job->offsets == NULL || (IS_SUM(operation) && !job->is_split)) return rows(job, operation);
  each(job, operation);
}

void LEVEL(furc_reduce)(const furc_reduce_job *job) {
  switch (job->operation) {
    case FURC_REDUCE_SUM: return reduce(job, FURC_REDUCE_SUM);
    case FURC_REDUCE_MAXIMUM: return reduce(job, FURC_REDUCE_MAXIMUM);
    case FURC_REDUCE_SQUARES: return reduce(job, FURC_REDUCE_SQUARES);
    default: return reduce(job, FURC_REDUCE_MINIMUM);
  }
}
