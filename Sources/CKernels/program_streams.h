/* Loading elements into register blocks and storing them; included by program_body.h. */

typedef int8_t stored_i8 __attribute__((may_alias));
typedef uint8_t stored_u8 __attribute__((may_alias));
typedef int16_t stored_i16 __attribute__((may_alias, aligned(1)));
typedef uint16_t stored_u16 __attribute__((may_alias, aligned(1)));
typedef int32_t stored_i32 __attribute__((may_alias, aligned(1)));
typedef float stored_f32 __attribute__((may_alias, aligned(1)));

/* Loops whose iterations are independent: the blocks that they read and write are distinct. */
#define EACH(i, n) _Pragma("clang loop vectorize(assume_safety)") for (int64_t i = 0; i < (n); i++)

/* A stream over the whole space with its axes joined where one stride steps through both: contiguous and
   broadcast streams have rank 1. */
typedef struct {
  char *data;
  int type;
  int rank;
  int64_t extents[FURC_PROGRAM_MAX_RANK];
  int64_t strides[FURC_PROGRAM_MAX_RANK];
} joined_stream;

static joined_stream join_axes(const furc_stream *stream, int rank, const int64_t *extents) {
  joined_stream joined = {stream->data, stream->type, 0, {0}, {0}};
  for (int d = 0; d < rank; d++) {
    if (extents[d] == 1) continue;
    int last = joined.rank - 1;
    if (last >= 0 && joined.strides[last] == stream->strides[d] * extents[d]) {
      joined.extents[last] *= extents[d];
      joined.strides[last] = stream->strides[d];
    } else {
      joined.extents[joined.rank] = extents[d];
      joined.strides[joined.rank] = stream->strides[d];
      joined.rank++;
    }
  }
  if (joined.rank == 0) {
    joined.rank = 1;
    joined.extents[0] = 1;
  }
  return joined;
}

/* Where `count` elements from point `position` on lie as words side by side, or NULL. */
static const char *words_at(const joined_stream *stream, int64_t position, int64_t count) {
  int last = stream->rank - 1;
  if ((stream->type != FURC_TYPE_F32 && stream->type != FURC_TYPE_I32) || stream->strides[last] != 1) return NULL;
  int64_t offset = 0;
  for (int d = last; d > 0; d--) {
    int64_t index = position % stream->extents[d];
    if (d == last && index + count > stream->extents[d]) return NULL;
    position /= stream->extents[d];
    offset += index * stream->strides[d];
  }
  return stream->data + (offset + position * stream->strides[0]) * 4;
}

/* Elements after which the stream repeats, over and over; 0 where it does not. */
static int64_t period_of(const joined_stream *stream) {
  return stream->rank == 2 && stream->strides[0] == 0 ? stream->extents[1] : 0;
}

static int32_t extend_i4(stored_i8 x) { return (int32_t)((uint32_t)x << 28) >> 28; }

#define LOAD(TYPE, STORED, REGISTER, VALUE)                 \
  case TYPE: {                                              \
    const STORED *x = (const STORED *)data + offset;        \
    REGISTER *r = (REGISTER *)block;                        \
    if (stride == 1) {                                      \
      EACH(i, n) { r[i] = VALUE(x[i]); }                    \
    } else if (stride == 0) {                               \
      REGISTER same = VALUE(x[0]);                          \
      EACH(i, n) { r[i] = same; }                           \
    } else {                                                \
      for (int64_t i = 0; i < n; i++) r[i] = VALUE(x[i * stride]); \
    }                                                       \
    break;                                                  \
  }

#define AS_IS(x) (x)
#define AS_BOOL(x) ((x) != 0)
#define AS_U4(x) ((x) & 15)

static void load_run(int type, const char *data, int64_t offset, int64_t stride, int64_t n, char *block) {
  switch (type) {
    LOAD(FURC_TYPE_BOOL, stored_u8, block_i32, AS_BOOL)
    LOAD(FURC_TYPE_I4, stored_i8, block_i32, extend_i4)
    LOAD(FURC_TYPE_U4, stored_u8, block_i32, AS_U4)
    LOAD(FURC_TYPE_I8, stored_i8, block_i32, AS_IS)
    LOAD(FURC_TYPE_U8, stored_u8, block_i32, AS_IS)
    LOAD(FURC_TYPE_I16, stored_i16, block_i32, AS_IS)
    LOAD(FURC_TYPE_U16, stored_u16, block_i32, AS_IS)
    LOAD(FURC_TYPE_I32, stored_i32, block_i32, AS_IS)
    LOAD(FURC_TYPE_E4M3, stored_u8, block_f32, furc_decode_e4m3)
    LOAD(FURC_TYPE_E5M2, stored_u8, block_f32, furc_decode_e5m2)
    LOAD(FURC_TYPE_BF16, stored_u16, block_f32, furc_decode_bf16)
    LOAD(FURC_TYPE_F16, stored_u16, block_f32, furc_decode_f16)
    /* As bits: a stored NaN keeps its payload. */
    LOAD(FURC_TYPE_F32, stored_i32, block_i32, AS_IS)
  }
}

#define STORE(TYPE, STORED, REGISTER, VALUE)                \
  case TYPE: {                                              \
    STORED *r = (STORED *)data + offset;                    \
    const REGISTER *x = (const REGISTER *)block;            \
    if (stride == 1) {                                      \
      EACH(i, n) { r[i] = (STORED)VALUE(x[i]); }            \
    } else {                                                \
      for (int64_t i = 0; i < n; i++) r[i * stride] = (STORED)VALUE(x[i]); \
    }                                                       \
    break;                                                  \
  }

#define CLAMPED(low, high, x) furc_max_i32(low, furc_min_i32(high, x))
#define TO_BOOL(x) CLAMPED(0, 1, x)
#define TO_I4(x) CLAMPED(-8, 7, x)
#define TO_U4(x) CLAMPED(0, 15, x)
#define TO_I8(x) CLAMPED(-128, 127, x)
#define TO_U8(x) CLAMPED(0, 255, x)
#define TO_I16(x) CLAMPED(-32768, 32767, x)
#define TO_U16(x) CLAMPED(0, 65535, x)

static void store_run(int type, char *data, int64_t offset, int64_t stride, int64_t n, const char *block) {
  switch (type) {
    STORE(FURC_TYPE_BOOL, stored_u8, block_i32, TO_BOOL)
    STORE(FURC_TYPE_I4, stored_i8, block_i32, TO_I4)
    STORE(FURC_TYPE_U4, stored_u8, block_i32, TO_U4)
    STORE(FURC_TYPE_I8, stored_i8, block_i32, TO_I8)
    STORE(FURC_TYPE_U8, stored_u8, block_i32, TO_U8)
    STORE(FURC_TYPE_I16, stored_i16, block_i32, TO_I16)
    STORE(FURC_TYPE_U16, stored_u16, block_i32, TO_U16)
    STORE(FURC_TYPE_I32, stored_i32, block_i32, AS_IS)
    STORE(FURC_TYPE_E4M3, stored_u8, block_f32, furc_encode_e4m3)
    STORE(FURC_TYPE_E5M2, stored_u8, block_f32, furc_encode_e5m2)
    STORE(FURC_TYPE_BF16, stored_u16, block_f32, furc_encode_bf16)
    STORE(FURC_TYPE_F16, stored_u16, block_f32, furc_encode_f16)
    STORE(FURC_TYPE_F32, stored_i32, block_i32, AS_IS)
  }
}

/* Moves `n` elements from point `position` on, one run along the innermost axis after the other. */
static inline __attribute__((always_inline)) void move_elements(
    const joined_stream *stream, int64_t position, int64_t n, char *block, int stores) {
  int last = stream->rank - 1;
  int64_t index[FURC_PROGRAM_MAX_RANK];
  int64_t offset = 0;
  for (int d = last; d > 0; d--) {
    index[d] = position % stream->extents[d];
    position /= stream->extents[d];
    offset += index[d] * stream->strides[d];
  }
  index[0] = position;
  offset += position * stream->strides[0];
  int64_t stride = stream->strides[last];
  while (1) {
    int64_t left = stream->extents[last] - index[last];
    int64_t run = left < n ? left : n;
    if (stores) {
      store_run(stream->type, stream->data, offset, stride, run, block);
    } else {
      load_run(stream->type, stream->data, offset, stride, run, block);
    }
    n -= run;
    if (n == 0) return;
    block += run * 4;
    index[last] += run;
    offset += run * stride;
    for (int d = last; d > 0 && index[d] == stream->extents[d]; d--) {
      offset += stream->strides[d - 1] - index[d] * stream->strides[d];
      index[d] = 0;
      index[d - 1]++;
    }
  }
}

static void load_elements(const joined_stream *stream, int64_t position, int64_t n, char *block) {
  move_elements(stream, position, n, block, 0);
}

static void store_elements(const joined_stream *stream, int64_t position, int64_t n, char *block) {
  move_elements(stream, position, n, block, 1);
}
