// Scaled dot-product attention in int8: quantisation, softmax and scaling around its two products.
#include "Vectors.h"

// Returns the row's scale.
INLINE float byte_row(
    long size, int zero, const float *restrict x, const float *restrict middle, unsigned char *restrict bytes) {
  float largest = largest_distance(size, x, middle, 1), factor = largest > 0 ? 127 / largest : 0;
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < size; i++) bytes[i] = (unsigned char)(nearest((x[i] - middle[i]) * factor) + zero);
  return largest / 127;
}

EVERY_PROCESSOR void elementwise_byte_rows(long count, long size, long stride, int zero, const float *middle,
    const float *x, unsigned char *bytes, float *steps) {
  for (long row = 0; row < count; row++)
    steps[row] = byte_row(size, zero, x + row * stride, middle, bytes + row * size);
}

EVERY_PROCESSOR void elementwise_byte_columns(
    long count, long size, long stride, const float *x, signed char *bytes, float *steps) {
  float *restrict largest = steps;
  for (long i = 0; i < size; i++) largest[i] = 0;
  for (long row = 0; row < count; row++) {
    const float *restrict source = x + row * stride;
#pragma clang loop vectorize(assume_safety)
    for (long i = 0; i < size; i++) {
      float magnitude = __builtin_fabsf(source[i]);
      largest[i] = magnitude > largest[i] ? magnitude : largest[i];
    }
  }
  for (long i = 0; i < size; i++) largest[i] = largest[i] > 0 ? largest[i] / 127 : 1;
  for (long row = 0; row < count; row++) {
    const float *restrict source = x + row * stride;
    signed char *restrict target = bytes + row * size;
#pragma clang loop vectorize(assume_safety)
    for (long i = 0; i < size; i++) target[i] = (signed char)nearest(source[i] / largest[i]);
  }
}

EVERY_PROCESSOR void elementwise_means(long count, long size, long stride, const float *x, float *means) {
  float *restrict sums = means;
  for (long i = 0; i < size; i++) sums[i] = 0;
  for (long row = 0; row < count; row++) {
    const float *restrict source = x + row * stride;
#pragma clang loop vectorize(assume_safety)
    for (long i = 0; i < size; i++) sums[i] += source[i];
  }
  for (long i = 0; i < size; i++) sums[i] /= (float)count;
}

EVERY_PROCESSOR void elementwise_byte_softmax(long count, long size, long stride, const float *row_steps,
    const float *column_steps, int *scores, unsigned char *weights, float *shares) {
  for (long row = 0; row < count; row++) {
    int *restrict x = scores + row * stride;
    unsigned char *restrict weight = weights + row * stride;
    // Scores after the last one must not change the maximum; they are excluded from the sum.
    for (long j = size; j < stride; j++) x[j] = x[0];
    float largest[LANES];
    for (int i = 0; i < LANES; i++) largest[i] = -__builtin_inff();
    for (long start = 0; start < stride; start += LANES)
      for (int i = 0; i < LANES; i++) {
        float value = (float)x[start + i] * column_steps[start + i];
        largest[i] = value > largest[i] ? value : largest[i];
      }
    float most = largest_lane(largest);
    for (long start = 0; start < stride; start += LANES)
      for (int i = 0; i < LANES; i++) {
        float value = (float)x[start + i] * column_steps[start + i] - most;
        weight[start + i] = (unsigned char)(int)(255 * exponential(row_steps[row] * value) + 0.5f);
      }
    for (long j = size; j < stride; j++) weight[j] = 0;
    // In a loop of its own, because with more live values the sums would be spilled to memory.
    int sum = 0;
    for (long j = 0; j < stride; j++) sum += weight[j];
    shares[row] = 1 / (float)sum;
  }
}

EVERY_PROCESSOR void elementwise_scaled_sums(
    long count, long size, long stride, const float *shares, const float *steps, const int *sums, float *y) {
  for (long row = 0; row < count; row++) {
    const int *restrict source = sums + row * size;
    float *restrict target = y + row * stride;
    float share = shares[row];
#pragma clang loop vectorize(assume_safety)
    for (long i = 0; i < size; i++) target[i] = (float)source[i] * (steps[i] * share);
  }
}

EVERY_PROCESSOR void elementwise_scaled_sums_bytes(long count, long size, long stride, const float *shares,
    const float *steps, const int *sums, float factor, int zero, unsigned char *bytes) {
  for (long row = 0; row < count; row++) {
    const int *restrict source = sums + row * size;
    unsigned char *restrict target = bytes + row * stride;
    float share = shares[row] * factor;
#pragma clang loop vectorize(assume_safety)
    for (long i = 0; i < size; i++) target[i] = nearest_byte((float)source[i] * (steps[i] * share), zero);
  }
}
