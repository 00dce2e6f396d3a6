/* Included once per level, with LEVEL(name) and a target attribute in force. */

/* The word of one stored element. */
FURC_INLINE uint32_t fetch_word(const furc_npu_fetch *job, const uint8_t *at) {
  if (job->table) return job->table[job->type == FURC_TYPE_U8 ? at[0] : (uint8_t)(at[0] ^ 0x80u)];
  int32_t integer;
  uint16_t half;
  switch (job->type) {
    case FURC_TYPE_BOOL: integer = at[0] != 0; break;
    case FURC_TYPE_I4: integer = (int8_t)(at[0] << 4) >> 4; break;
    case FURC_TYPE_U4: integer = at[0] & 15; break;
    case FURC_TYPE_I8: integer = (int8_t)at[0]; break;
    case FURC_TYPE_U8: integer = at[0]; break;
    case FURC_TYPE_I16: __builtin_memcpy(&half, at, 2); integer = (int16_t)half; break;
    case FURC_TYPE_U16: __builtin_memcpy(&half, at, 2); integer = half; break;
    case FURC_TYPE_I32: __builtin_memcpy(&integer, at, 4); break;
    case FURC_TYPE_E4M3: return furc_bits(furc_decode_e4m3(at[0]));
    case FURC_TYPE_E5M2: return furc_bits(furc_decode_e5m2(at[0]));
    case FURC_TYPE_BF16: __builtin_memcpy(&half, at, 2); return furc_bits(furc_decode_bf16(half));
    case FURC_TYPE_F16: __builtin_memcpy(&half, at, 2); return furc_bits(furc_decode_f16(half));
    default: { uint32_t word; __builtin_memcpy(&word, at, 4); return word; }
  }
  return (uint32_t)integer - (uint32_t)job->zero_point;
}

FURC_INLINE void put(const furc_npu_fetch *job, int64_t packet, int e, uint32_t word) {
  if (job->halves) ((int16_t *)job->result)[packet * job->pitch + e] = (int16_t)word;
  else ((uint32_t *)job->result)[packet * job->pitch + e] = word;
}

static int type_size(int type) {
  switch (type) {
    case FURC_TYPE_I16: case FURC_TYPE_U16: case FURC_TYPE_BF16: case FURC_TYPE_F16: return 2;
    case FURC_TYPE_I32: case FURC_TYPE_F32: return 4;
    default: return 1;
  }
}

int LEVEL(furc_npu_fetch_packets)(const furc_npu_fetch *job) {
  int64_t index[FURC_NPU_MAX_RANK] = {0};
  int64_t count = 1;
  for (int d = 0; d < job->rank; d++) count *= job->sizes[d];
  int size = type_size(job->type), packet = job->packet;
  uint32_t all = packet >= 32 ? ~0u : (1u << packet) - 1u;
  int64_t address = job->base;
  int64_t coordinate[2] = {job->bounds[0].origin, job->bounds[1].origin};
  int plain = job->halves && (job->type == FURC_TYPE_I8 || job->type == FURC_TYPE_U8) && !job->table;
  int8_t flip = job->type == FURC_TYPE_U8 ? (int8_t)0x80 : 0;
  int16_t less = (int16_t)(job->zero_point - (job->type == FURC_TYPE_U8 ? 128 : 0));
  for (int64_t p = 0; p < count; p++) {
    uint32_t valid = all, inside = all;
    if (job->valid_loop >= 0) {
      int64_t left = job->valid_count - index[job->valid_loop] * packet;
      if (left < packet) valid = left <= 0 ? 0u : (1u << left) - 1u;
    }
    for (int b = 0; b < job->bound_count; b++) {
      const furc_npu_bound *bound = &job->bounds[b];
      if (bound->element_coefficient == 0) {
        if (coordinate[b] < bound->low || coordinate[b] >= bound->high) inside = 0;
      } else {
        for (int e = 0; e < packet; e++) {
          int64_t at = coordinate[b] + e * bound->element_coefficient;
          if (at < bound->low || at >= bound->high) inside &= ~(1u << e);
        }
      }
    }
    uint32_t read = valid & inside;
    uint32_t present = job->has_outside ? valid : read;
    if (read == all && address >= 0 && address + packet * size <= job->memory_bytes) {
      const uint8_t *at = job->memory + address;
      if (plain) {
        int16_t *out = (int16_t *)job->result + p * job->pitch;
        for (int e = 0; e < packet; e++) out[e] = (int16_t)((int8_t)at[e] ^ flip) - less;
      } else {
        for (int e = 0; e < packet; e++) put(job, p, e, fetch_word(job, at + e * size));
      }
    } else {
      for (int e = 0; e < packet; e++) {
        uint32_t word = job->skip;
        if (read >> e & 1u) {
          int64_t at = address + e * size;
          if (at < 0 || at + size > job->memory_bytes) return 1;
          word = fetch_word(job, job->memory + at);
        } else if (present >> e & 1u) {
          word = job->outside;
        }
        put(job, p, e, word);
      }
    }
    if (job->repeat > 1) {
      uint32_t word = ((uint32_t *)job->result)[p * job->pitch];
      for (int e = 1; e < job->repeat; e++) put(job, p, e, word);
      present = present ? (1u << job->repeat) - 1u : 0u;
    }
    for (int e = packet * job->repeat; e < job->pitch; e++) put(job, p, e, job->skip);
    if (job->present) job->present[p] = present;
    furc_npu_step(job, job->rank - 1, index, &address, coordinate);
  }
  return 0;
}

typedef int32_t i32x8 __attribute__((ext_vector_type(8), aligned(4)));
typedef float f32x8 __attribute__((ext_vector_type(8), aligned(4)));
typedef double f64x8 __attribute__((ext_vector_type(8), aligned(8)));

/* acc[l] += x0 * w[2l] + x1 * w[2l + 1] */
FURC_INLINE void pair_products(i32x8 *acc, const int16_t *x, const int16_t *w) {
#ifdef NPU_AVX2
  int32_t pair;
  __builtin_memcpy(&pair, x, 4);
  __m256i product = _mm256_madd_epi16(_mm256_set1_epi32(pair), _mm256_loadu_si256((const __m256i *)w));
  *acc += (i32x8)product;
#else
  for (int l = 0; l < 8; l++) (*acc)[l] += (int32_t)x[0] * w[2 * l] + (int32_t)x[1] * w[2 * l + 1];
#endif
}

void LEVEL(furc_npu_contract_i16)(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int32_t *result) {
  int64_t s = 0;
  int packet = job->packet;
  for (; s + 4 <= job->steps; s += 4) {
    const int32_t *wb = job->wb + s;
    if (wb[0] != wb[1] || wb[0] != wb[2] || wb[0] != wb[3]) {
      for (int64_t t = s; t < s + 4; t++) {
        i32x8 acc = 0;
        for (int64_t k = 0; k < job->count; k++) {
          const int16_t *xp = x + job->xb[t] + job->xo[k], *wp = w + job->wb[t] + job->wo[k];
          for (int e = 0; e < packet; e += 2) pair_products(&acc, xp + e, wp + 8 * e);
        }
        __builtin_memcpy(result + 8 * t, &acc, 32);
      }
      continue;
    }
    const int16_t *x0 = x + job->xb[s], *x1 = x + job->xb[s + 1], *x2 = x + job->xb[s + 2], *x3 = x + job->xb[s + 3];
    i32x8 a0 = 0, a1 = 0, a2 = 0, a3 = 0;
    for (int64_t k = 0; k < job->count; k++) {
      int64_t xo = job->xo[k];
      const int16_t *wp = w + wb[0] + job->wo[k];
      for (int e = 0; e < packet; e += 2) {
        pair_products(&a0, x0 + xo + e, wp + 8 * e);
        pair_products(&a1, x1 + xo + e, wp + 8 * e);
        pair_products(&a2, x2 + xo + e, wp + 8 * e);
        pair_products(&a3, x3 + xo + e, wp + 8 * e);
      }
    }
    __builtin_memcpy(result + 8 * s, &a0, 32);
    __builtin_memcpy(result + 8 * s + 8, &a1, 32);
    __builtin_memcpy(result + 8 * s + 16, &a2, 32);
    __builtin_memcpy(result + 8 * s + 24, &a3, 32);
  }
  for (; s < job->steps; s++) {
    i32x8 acc = 0;
    for (int64_t k = 0; k < job->count; k++) {
      const int16_t *xp = x + job->xb[s] + job->xo[k], *wp = w + job->wb[s] + job->wo[k];
      for (int e = 0; e < packet; e += 2) pair_products(&acc, xp + e, wp + 8 * e);
    }
    __builtin_memcpy(result + 8 * s, &acc, 32);
  }
}

void LEVEL(furc_npu_contract_columns_i16)(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int32_t *result) {
  int packet = job->packet;
  int32_t sums[8][64];
  for (int64_t s = 0; s < job->steps; s++) {
    for (int l = 0; l < 8; l++) {
      int32_t *sum = sums[l];
      for (int e = 0; e < packet; e++) sum[e] = 0;
      for (int64_t k = 0; k < job->count; k++) {
        const int16_t *xp = x + job->xb[s] + job->xo[k];
        const int16_t *wp = w + job->wb[s] + job->wo[k] + l * packet;
        for (int e = 0; e < packet; e++) sum[e] += (int32_t)xp[e] * wp[e];
      }
    }
    for (int c = 0; c < job->columns; c++) {
      for (int l = 0; l < 8; l++) {
        int32_t sum = 0;
        for (int e = c << job->depth; e < (c + 1) << job->depth; e++) sum += sums[l][e];
        result[(s * job->columns + c) * 8 + l] = sum;
      }
    }
  }
}

/* acc[e] += x[e] * w[e] */
FURC_INLINE void eight_products(i32x8 *acc, const int16_t *x, const int16_t *w) {
#ifdef NPU_AVX2
  /* Pairs of a number and zero. */
  __m256i a = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)x));
  __m256i b = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)w));
  *acc += (i32x8)_mm256_madd_epi16(a, b);
#else
  for (int e = 0; e < 8; e++) (*acc)[e] += (int32_t)x[e] * w[e];
#endif
}

void LEVEL(furc_npu_contract_channels_i16)(
    const furc_npu_steps *job, const int16_t *x, const int16_t *w, int lanes, int32_t *result) {
  int packet = job->packet;
  for (int64_t s = 0; s < job->steps; s++) {
    const int16_t *xs = x + job->xb[s], *ws = w + job->wb[s];
    for (int e = 0; e < packet; e += 8) {
      for (int l = 0; l < lanes; l += 4) {
        i32x8 acc[4] = {0};
        for (int64_t k = 0; k < job->count; k++) {
          const int16_t *xp = xs + job->xo[k] + e, *wp = ws + job->wo[k] + l * packet + e;
          for (int i = 0; i < 4; i++) eight_products(&acc[i], xp, wp + i * packet);
        }
        for (int i = 0; i < 4 && l + i < lanes; i++) {
          __builtin_memcpy(result + (s * lanes + l + i) * packet + e, &acc[i], 32);
        }
      }
    }
  }
}

#define CONTRACT_FLOAT(NAME, VECTOR, SCALAR, CANONICAL)                                             \
  void LEVEL(NAME)(const furc_npu_steps *job, const float *x, const float *w, SCALAR *result) {     \
    int packet = job->packet, depth = job->depth;                                                   \
    for (int64_t s = 0; s < job->steps; s++) {                                                      \
      VECTOR acc[64];                                                                               \
      SCALAR *out = result + s * job->columns * 8;                                                  \
      for (int c = 0; c < job->columns; c++) __builtin_memcpy(&acc[c], out + 8 * c, sizeof acc[c]); \
      for (int64_t k = 0; k < job->count; k++) {                                                    \
        int64_t at = job->xb[s] + job->xo[k];                                                       \
        const float *xp = x + at, *wp = w + job->wb[s] + job->wo[k];                                \
        uint32_t present = job->present ? job->present[at / packet] : ~0u;                          \
        for (int e = 0; e < packet; e++) {                                                          \
          if (!(present >> e & 1u)) continue;                                                       \
          f32x8 lanes;                                                                              \
          __builtin_memcpy(&lanes, wp + 8 * e, sizeof lanes);                                       \
          VECTOR wide = __builtin_convertvector(lanes, VECTOR);                                     \
          VECTOR same = (VECTOR)(SCALAR)xp[e];                                                      \
          acc[e >> depth] = __builtin_elementwise_fma(same, wide, acc[e >> depth]);                 \
        }                                                                                           \
      }                                                                                             \
      for (int c = 0; c < job->columns; c++) {                                                      \
        __builtin_memcpy(out + 8 * c, &acc[c], sizeof acc[c]);                                      \
        for (int l = 0; l < 8; l++) out[8 * c + l] = CANONICAL(out[8 * c + l]);                     \
      }                                                                                             \
    }                                                                                               \
  }

FURC_INLINE double same_double(double x) { return x; }
CONTRACT_FLOAT(furc_npu_contract_f32, f32x8, float, furc_canonical)
CONTRACT_FLOAT(furc_npu_contract_f64, f64x8, double, same_double)

/* NaN beats everything but NaN. */
FURC_INLINE int beats(uint32_t new_bits, uint32_t old_bits, int is_float, int minimum) {
  if (!is_float) {
    return minimum ? (int32_t)new_bits < (int32_t)old_bits : (int32_t)new_bits > (int32_t)old_bits;
  }
  float a = furc_float(new_bits), b = furc_float(old_bits);
  if (a != a) return b == b;
  return minimum ? a < b : a > b;
}

int LEVEL(furc_npu_reduce)(
    const furc_npu_steps *job, const uint32_t *x, int kind, int is_float, uint32_t *result) {
  int packet = job->packet;
  for (int64_t s = 0; s < job->steps; s++) {
    for (int e = 0; e < packet; e++) {
      const uint32_t *xs = x + job->xb[s] + e;
      uint32_t *out = result + 8 * s + e;
      int64_t sum = 0;
      uint32_t word = 0;
      float f = 0, partial[16] = {0};
      switch (kind * 2 + (is_float != 0)) {
        case FURC_NPU_SUM * 2:
          for (int64_t k = 0; k < job->count; k++) sum += (int32_t)xs[job->xo[k]];
          if (sum != (int32_t)sum) return 1;
          word = (uint32_t)sum;
          break;
        case FURC_NPU_SUM * 2 + 1:
          for (int64_t k = 0; k < job->count; k++) f += furc_float(xs[job->xo[k]]);
          word = furc_bits(furc_canonical(f));
          break;
        case FURC_NPU_SUM16 * 2 + 1:
          for (int64_t k = 0; k < job->count; k++) partial[k & 15] += furc_float(xs[job->xo[k]]);
          for (int width = 8; width > 0; width /= 2) {
            for (int i = 0; i < width; i++) partial[i] = partial[2 * i] + partial[2 * i + 1];
          }
          word = furc_bits(furc_canonical(partial[0]));
          break;
        case FURC_NPU_PRODUCT * 2:
          word = 1;
          for (int64_t k = 0; k < job->count; k++) word *= xs[job->xo[k]];
          break;
        case FURC_NPU_PRODUCT * 2 + 1:
          f = 1;
          for (int64_t k = 0; k < job->count; k++) f *= furc_float(xs[job->xo[k]]);
          word = furc_bits(furc_canonical(f));
          break;
        case FURC_NPU_MAXIMUM * 2:
          word = 0x80000000u;
          for (int64_t k = 0; k < job->count; k++) {
            word = (int32_t)xs[job->xo[k]] > (int32_t)word ? xs[job->xo[k]] : word;
          }
          break;
        case FURC_NPU_MINIMUM * 2:
          word = 0x7FFFFFFFu;
          for (int64_t k = 0; k < job->count; k++) {
            word = (int32_t)xs[job->xo[k]] < (int32_t)word ? xs[job->xo[k]] : word;
          }
          break;
        case FURC_NPU_MAXIMUM * 2 + 1:
          f = -__builtin_inff();
          for (int64_t k = 0; k < job->count; k++) f = furc_maximum(f, furc_float(xs[job->xo[k]]));
          word = furc_bits(f);
          break;
        case FURC_NPU_MINIMUM * 2 + 1:
          f = __builtin_inff();
          for (int64_t k = 0; k < job->count; k++) f = furc_minimum(f, furc_float(xs[job->xo[k]]));
          word = furc_bits(f);
          break;
        default: {
          int64_t best = -1;
          uint32_t extreme = 0;
          int minimum = kind == FURC_NPU_ARGMIN;
          for (int64_t k = 0; k < job->count; k++) {
            int64_t at = job->xb[s] + job->xo[k];
            if (job->present && !(job->present[at / packet] >> e & 1u)) continue;
            if (best < 0 || beats(xs[job->xo[k]], extreme, is_float, minimum)) {
              best = k;
              extreme = xs[job->xo[k]];
            }
          }
          word = best < 0 ? 0u : (uint32_t)best;
        }
      }
      *out = word;
    }
    for (int e = packet; e < 8; e++) result[8 * s + e] = 0;
  }
  return 0;
}

int LEVEL(furc_npu_combine)(
    const uint32_t *const *terms, int size, int64_t count, int kind, int is_float, uint32_t *result) {
  enum { BLOCK = 256 };
  for (int64_t start = 0; start < count; start += BLOCK) {
    int64_t n = count - start < BLOCK ? count - start : BLOCK;
    if (!is_float) {
      int64_t sums[BLOCK];
      for (int64_t i = 0; i < n; i++) sums[i] = (int32_t)terms[0][start + i];
      for (int t = 1; t < size; t++) {
        const uint32_t *term = terms[t] + start;
        if (kind == FURC_NPU_SUM) {
          for (int64_t i = 0; i < n; i++) sums[i] += (int32_t)term[i];
        } else if (kind == FURC_NPU_MAXIMUM) {
          for (int64_t i = 0; i < n; i++) sums[i] = (int32_t)term[i] > sums[i] ? (int32_t)term[i] : sums[i];
        } else {
          for (int64_t i = 0; i < n; i++) sums[i] = (int32_t)term[i] < sums[i] ? (int32_t)term[i] : sums[i];
        }
      }
      int bad = 0;
      for (int64_t i = 0; i < n; i++) {
        bad |= sums[i] != (int32_t)sums[i];
        result[start + i] = (uint32_t)sums[i];
      }
      if (bad) return 1;
    } else {
      for (int64_t i = 0; i < n; i++) {
        float level[1024];
        int width = size < 1024 ? size : 1024;
        for (int t = 0; t < width; t++) level[t] = furc_float(terms[t][start + i]);
        if (kind == FURC_NPU_SUM) {
          while (width > 1) {
            int half = 0;
            for (int t = 0; t < width; t += 2) {
              level[half++] = t + 1 < width ? furc_add(level[t], level[t + 1]) : level[t];
            }
            width = half;
          }
          level[0] = furc_canonical(level[0]);
        } else {
          for (int t = 1; t < width; t++) {
            level[0] = kind == FURC_NPU_MAXIMUM ? furc_maximum(level[0], level[t]) : furc_minimum(level[0], level[t]);
          }
        }
        result[start + i] = furc_bits(level[0]);
      }
    }
  }
  return 0;
}
