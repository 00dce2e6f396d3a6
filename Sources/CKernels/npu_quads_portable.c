#include <string.h>

#include "furc_functions.h"
#include "furc_npu_quads.h"

#define LEVEL(name) name##_portable

typedef struct {
  int32_t lane[8];
} sums_t;
typedef const int8_t *weights_t;
typedef const int8_t *elements_t;

FURC_INLINE sums_t sums_zero(void) {
  sums_t sums = {{0}};
  return sums;
}
FURC_INLINE weights_t weights_of(const int8_t *w) { return w; }
FURC_INLINE elements_t elements_of(const int8_t *x) { return x; }
FURC_INLINE void sums_add(sums_t *sums, weights_t w, elements_t x) {
  for (int l = 0; l < 8; l++) {
    for (int e = 0; e < 4; e++) sums->lane[l] += (int32_t)w[4 * l + e] * x[e];
  }
}
FURC_INLINE void sums_put(sums_t sums, const uint32_t *less, int32_t *out) {
  for (int l = 0; l < 8; l++) out[l] = (int32_t)((uint32_t)sums.lane[l] - less[l]);
}
enum { ELEMENT_OFFSET = 0 };

#include "npu_quads_body.h"
