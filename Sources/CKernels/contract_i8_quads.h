/* Quads of bytes of A, as one 32-bit word. */
#ifndef FURC_CONTRACT_I8_QUADS_H
#define FURC_CONTRACT_I8_QUADS_H

#include <stdint.h>

static inline uint32_t furc_quad(const uint8_t *bytes) {
  uint32_t word;
  __builtin_memcpy(&word, bytes, 4);
  return word;
}

/* The last 1 to 3 bytes of a run; nothing behind them is read. */
static inline uint32_t furc_part_of_quad(const uint8_t *bytes, int64_t count) {
  uint32_t word = bytes[0];
  if (count > 1) word |= (uint32_t)bytes[1] << 8;
  if (count > 2) word |= (uint32_t)bytes[2] << 16;
  return word;
}

#endif
