/* Included once per level, with LEVEL(name), the types of sums and weights, and a target attribute in force:
   sums_t, weights_t, elements_t, sums_zero, weights_of, elements_of(four elements), sums_add(sums, weights, elements),
   sums_put(sums, eight words that they are too large by, eight words); ELEMENT_OFFSET, which sums_add adds to every element. */

FURC_INLINE const int8_t *place_of(
    const furc_npu_quads *job, const furc_npu_operands *slice, int64_t pixel, int64_t k) {
  int64_t number = (int64_t)job->xb[pixel] + job->xo[k];
  if (!slice->places) return slice->x + number;
  int32_t place = slice->places[number];
  return place >= 0 ? slice->x + place : slice->side - (int64_t)FURC_NPU_UNIT * (place + 1);
}

/* Sums of PIXELS pixels and GROUPS groups in registers. */
#define QUADS_TILE(PIXELS, GROUPS)                                                                              \
  FURC_INLINE void tile_##PIXELS##_##GROUPS(                                                                    \
      const furc_npu_quads *job, const int quads, int64_t pixel, int64_t group, sums_t sums[PIXELS][GROUPS]) {  \
    for (int i = 0; i < PIXELS; i++) {                                                                          \
      for (int g = 0; g < GROUPS; g++) sums[i][g] = sums_zero();                                                \
    }                                                                                                           \
    for (int64_t s = 0; s < job->slice_count; s++) {                                                            \
      const furc_npu_operands *slice = job->slices + s;                                                         \
      for (int64_t k = 0; k < job->count; k++) {                                                                \
        const int8_t *x[PIXELS];                                                                                \
        for (int i = 0; i < PIXELS; i++) x[i] = place_of(job, slice, pixel + i, k);                             \
        const int8_t *w = slice->w + job->wo[k];                                                                \
        for (int q = 0; q < quads; q++) {                                                                       \
          weights_t weights[GROUPS];                                                                            \
          for (int g = 0; g < GROUPS; g++) weights[g] = weights_of(w + job->wb[group + g] + 32 * q);            \
          for (int i = 0; i < PIXELS; i++) {                                                                    \
            elements_t elements = elements_of(x[i] + 4 * q);                                                    \
            for (int g = 0; g < GROUPS; g++) sums_add(&sums[i][g], weights[g], elements);                       \
          }                                                                                                     \
        }                                                                                                       \
      }                                                                                                         \
    }                                                                                                           \
  }

QUADS_TILE(4, 2)
QUADS_TILE(4, 1)
QUADS_TILE(1, 2)
QUADS_TILE(1, 1)

/* Where the sums of a group come to lie. */
FURC_INLINE int32_t *sums_place(const furc_npu_quads *job, int64_t pixel, int64_t group, int32_t *result) {
  return result + pixel * job->row + job->rb[group];
}

#define QUADS_ROW(QUADS, GROUPS)                                                                                \
  {                                                                                                             \
    uint32_t correction[GROUPS][8];                                                                             \
    for (int g = 0; g < GROUPS; g++) correct(job, group + g, correction[g]);                                    \
    int64_t pixel = 0;                                                                                          \
    for (; pixel + 4 <= job->pixels; pixel += 4) {                                                              \
      sums_t sums[4][GROUPS];                                                                                   \
      tile_4_##GROUPS(job, QUADS, pixel, group, sums);                                                                 \
      for (int i = 0; i < 4; i++) {                                                                             \
        for (int g = 0; g < GROUPS; g++) {                                                                      \
          sums_put(sums[i][g], correction[g], sums_place(job, pixel + i, group + g, result));                   \
        }                                                                                                       \
      }                                                                                                         \
    }                                                                                                           \
    for (; pixel < job->pixels; pixel++) {                                                                      \
      sums_t sums[1][GROUPS];                                                                                   \
      tile_1_##GROUPS(job, QUADS, pixel, group, sums);                                                                 \
      for (int g = 0; g < GROUPS; g++) {                                                                        \
        sums_put(sums[0][g], correction[g], sums_place(job, pixel, group + g, result));                         \
      }                                                                                                         \
    }                                                                                                           \
  }

/* The offset and the zero point times the sums of a group's weights. */
static void correct(const furc_npu_quads *job, int64_t group, uint32_t *correction) {
  int32_t factor = job->zero_point + ELEMENT_OFFSET;
  if (factor == 0) {
    for (int l = 0; l < 8; l++) correction[l] = 0;
    return;
  }
  /* Elements that are 1 after the offset. */
  static const int8_t ones[4] = {1 - ELEMENT_OFFSET, 1 - ELEMENT_OFFSET, 1 - ELEMENT_OFFSET, 1 - ELEMENT_OFFSET};
  sums_t sums = sums_zero();
  for (int64_t s = 0; s < job->slice_count; s++) {
    for (int64_t k = 0; k < job->count; k++) {
      const int8_t *w = job->slices[s].w + job->wo[k] + job->wb[group];
      for (int q = 0; q < job->packet / 4; q++) sums_add(&sums, weights_of(w + 32 * q), elements_of(ones));
    }
  }
  static const uint32_t nothing[8];
  int32_t words[8];
  sums_put(sums, nothing, words);
  memcpy(correction, words, sizeof words);
  for (int l = 0; l < 8; l++) correction[l] *= (uint32_t)factor;
}

void LEVEL(furc_npu_contract_quads)(const furc_npu_quads *job, int32_t *result) {
  int64_t group = 0;
  if (job->packet == 16) {
    for (; group + 2 <= job->groups; group += 2) QUADS_ROW(4, 2)
    for (; group < job->groups; group++) QUADS_ROW(4, 1)
    return;
  }
  for (; group < job->groups; group++) QUADS_ROW(job->packet / 4, 1)
}
