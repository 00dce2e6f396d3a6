/* The body of furc_observe.h for one level: LEVEL(name) gives a function's name there. */

static double LEVEL(tree)(const double *partial) {
  double sums[16];
  for (int lane = 0; lane < 16; lane++) sums[lane] = partial[lane];
  for (int width = 8; width > 0; width /= 2) {
    for (int lane = 0; lane < width; lane++) sums[lane] = sums[2 * lane] + sums[2 * lane + 1];
  }
  return sums[0];
}

void LEVEL(furc_range)(const float *x, int64_t count, float *low, float *high) {
  float lows[16], highs[16];
  for (int lane = 0; lane < 16; lane++) {
    lows[lane] = __builtin_inff();
    highs[lane] = -__builtin_inff();
  }
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int lane = 0; lane < 16; lane++) {
      float value = x[i + lane];
      int finite = (furc_bits(value) & 0x7FFFFFFFu) < 0x7F800000u;
      float down = finite ? value : __builtin_inff();
      float up = finite ? value : -__builtin_inff();
      lows[lane] = down < lows[lane] ? down : lows[lane];
      highs[lane] = up > highs[lane] ? up : highs[lane];
    }
  }
  for (; i < count; i++) {
    if ((furc_bits(x[i]) & 0x7FFFFFFFu) >= 0x7F800000u) continue;
    lows[0] = x[i] < lows[0] ? x[i] : lows[0];
    highs[0] = x[i] > highs[0] ? x[i] : highs[0];
  }
  *low = lows[0];
  *high = highs[0];
  for (int lane = 1; lane < 16; lane++) {
    *low = lows[lane] < *low ? lows[lane] : *low;
    *high = highs[lane] > *high ? highs[lane] : *high;
  }
}

void LEVEL(furc_histogram)(
    const float *x, int64_t count, int64_t every, float inverse_width, int32_t first, int32_t bins,
    uint64_t *counts, uint64_t *zeros) {
  enum { BLOCK = FURC_HISTOGRAM_BLOCK, FLUSH = 1 << 30 };
  /* Two tables, so that equal neighbours do not wait for each other; behind the bins zeros and what is not
     finite. */
  static _Thread_local uint32_t tables[2][FURC_HISTOGRAM_BINS + 2];
  int32_t places[BLOCK];
  for (int64_t start = 0; start < count; start += FLUSH) {
    int64_t end = count - start < FLUSH ? count : start + FLUSH;
    for (int table = 0; table < 2; table++) {
      for (int32_t bin = 0; bin < bins + 2; bin++) tables[table][bin] = 0;
    }
    for (int64_t i = start; i < end; i += BLOCK * every) {
      int length = end - i < BLOCK ? (int)(end - i) : BLOCK;
      for (int k = 0; k < length; k++) {
        float value = x[i + k];
        uint32_t magnitude = furc_bits(value) & 0x7FFFFFFFu;
        int finite = magnitude < 0x7F800000u;
        float scaled = __builtin_elementwise_floor((finite ? value : 0.0f) * inverse_width);
        int32_t place = (int32_t)scaled - first;
        place = magnitude == 0 ? bins : place;
        places[k] = finite ? place : bins + 1;
      }
      int k = 0;
      for (; k + 2 <= length; k += 2) {
        tables[0][places[k]]++;
        tables[1][places[k + 1]]++;
      }
      if (k < length) tables[0][places[k]]++;
    }
    for (int32_t bin = 0; bin < bins; bin++) counts[bin] += (uint64_t)tables[0][bin] + tables[1][bin];
    *zeros += (uint64_t)tables[0][bins] + tables[1][bins];
  }
}

void LEVEL(furc_quantize_i8)(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, int8_t *y) {
  for (int64_t i = 0; i < count; i++) y[i] = (int8_t)furc_quantize(x[i], scale, zero_point, low, high);
}

void LEVEL(furc_round_trip)(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high, float *y) {
  for (int64_t i = 0; i < count; i++) {
    y[i] = furc_dequantize(furc_quantize(x[i], scale, zero_point, low, high), scale, zero_point);
  }
}

void LEVEL(furc_energies)(const float *x, const float *y, int64_t count, double *signal, double *noise) {
  double signals[16] = {0}, noises[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int lane = 0; lane < 16; lane++) {
      double value = x[i + lane], error = value - (double)y[i + lane];
      signals[lane] += value * value;
      noises[lane] += error * error;
    }
  }
  for (; i < count; i++) {
    double value = x[i], error = value - (double)y[i];
    signals[i & 15] += value * value;
    noises[i & 15] += error * error;
  }
  *signal = LEVEL(tree)(signals);
  *noise = LEVEL(tree)(noises);
}

double LEVEL(furc_round_trip_noise)(
    const float *x, int64_t count, float scale, int32_t zero_point, int32_t low, int32_t high) {
  double noises[16] = {0};
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    for (int lane = 0; lane < 16; lane++) {
      float value = x[i + lane];
      float back = furc_dequantize(furc_quantize(value, scale, zero_point, low, high), scale, zero_point);
      double error = (double)value - (double)back;
      noises[lane] += error * error;
    }
  }
  for (; i < count; i++) {
    float back = furc_dequantize(furc_quantize(x[i], scale, zero_point, low, high), scale, zero_point);
    double error = (double)x[i] - (double)back;
    noises[i & 15] += error * error;
  }
  return LEVEL(tree)(noises);
}

double LEVEL(furc_difference)(const float *x, const float *y, int64_t count) {
  double sums[16] = {0};
  for (int64_t i = 0; i < count; i++) sums[i & 15] += (double)x[i] - (double)y[i];
  return LEVEL(tree)(sums);
}
