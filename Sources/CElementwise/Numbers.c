// Generating, moving and counting values.
#include "Vectors.h"

typedef float eight __attribute__((vector_size(32), aligned(4)));

// Transposes 8 × 8: exchanges neighbours, then pairs, then groups of four.
INLINE void transpose_eight(const float *x, long from, float *y, long to) {
  eight r[8], s[8];
  for (int i = 0; i < 8; i++) r[i] = *(const eight *)(x + i * from);
  for (int i = 0; i < 8; i += 2) {
    s[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 2, 10, 4, 12, 6, 14);
    s[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 8; i += i % 4 == 1 ? 3 : 1) {
    r[i] = __builtin_shufflevector(s[i], s[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
    r[i + 2] = __builtin_shufflevector(s[i], s[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  for (int i = 0; i < 4; i++) {
    *(eight *)(y + i * to) = __builtin_shufflevector(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    *(eight *)(y + (i + 4) * to) = __builtin_shufflevector(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
  }
}

EVERY_PROCESSOR void elementwise_transpose(long rows, long columns, const float *x, float *y) {
  long row = 0;
  for (; row + 8 <= rows; row += 8) {
    long column = 0;
    for (; column + 8 <= columns; column += 8)
      transpose_eight(x + row * columns + column, columns, y + column * rows + row, rows);
    for (; column < columns; column++)
      for (int i = 0; i < 8; i++) y[column * rows + row + i] = x[(row + i) * columns + column];
  }
  for (; row < rows; row++)
    for (long column = 0; column < columns; column++) y[column * rows + row] = x[row * columns + column];
}

EVERY_PROCESSOR void elementwise_narrow(long count, const float *numbers, void *halves) {
  _Float16 *restrict target = halves;
  for (long i = 0; i < count; i++) target[i] = (_Float16)numbers[i];
}

EVERY_PROCESSOR void elementwise_widen(long count, const void *halves, float *numbers) {
  typedef _Float16 __attribute__((aligned(1))) unaligned;
  const unaligned *restrict source = halves;
  for (long i = 0; i < count; i++) numbers[i] = (float)source[i];
}

EVERY_PROCESSOR void elementwise_pixels(
    long count, const unsigned char *pixels, const float *scale, const float *offset, float *numbers) {
#pragma clang fp contract(off)
  enum { PERIOD = 48 };  // sixteen pixels: the factors of the three channels repeat
  float factors[PERIOD], summands[PERIOD];
  for (int i = 0; i < PERIOD; i++) factors[i] = scale[i % 3], summands[i] = offset[i % 3];
  long whole = count / PERIOD * PERIOD;
  for (long start = 0; start < whole; start += PERIOD) {
    const unsigned char *restrict source = pixels + start;
    float *restrict target = numbers + start;
#pragma clang loop vectorize(assume_safety)
    for (int i = 0; i < PERIOD; i++) {
      float product = source[i] * factors[i];
      target[i] = product + summands[i];
    }
  }
  for (long i = whole; i < count; i++) {
    float product = pixels[i] * factors[i - whole];
    numbers[i] = product + summands[i - whole];
  }
}

EVERY_PROCESSOR void elementwise_uniform(unsigned long long key, long count, float *x) {
  for (long i = 0; i < count; i++) {
    uint64_t z = key + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    // Exact: 24 bits.
    x[i] = (float)(uint32_t)(z >> 40) * 0x1p-24f;
  }
}

EVERY_PROCESSOR void elementwise_spread(long count, float centre, float spread, float *x) {
#pragma clang fp contract(off)
  for (long i = 0; i < count; i++) {
    float distance = spread * (2 * x[i] - 1);
    x[i] = centre + distance;
  }
}

EVERY_PROCESSOR void elementwise_scale(long count, float factor, float *x) {
  for (long i = 0; i < count; i++) x[i] *= factor;
}

EVERY_PROCESSOR int elementwise_are_finite(long count, const float *x) {
  const uint32_t *bits = (const uint32_t *)x;
  uint32_t unusual = 0;
  for (long i = 0; i < count; i++) unusual |= (bits[i] & 0x7f800000) == 0x7f800000;
  return !unusual;
}
