// Operations on rows of tokens or of channels.
#include "Vectors.h"

EVERY_PROCESSOR void elementwise_softmax(long count, long size, long stride, float factor, float *scores) {
  for (long row = 0; row < count; row++) {
    float *restrict x = scores + row * stride;
    float largest[LANES], sums[LANES] = {0};
    for (int i = 0; i < LANES; i++) largest[i] = -__builtin_inff();
    long whole = size / LANES * LANES;
    for (long start = 0; start < whole; start += LANES)
      for (int i = 0; i < LANES; i++) largest[i] = x[start + i] > largest[i] ? x[start + i] : largest[i];
    float most = largest_lane(largest);
    for (long j = whole; j < size; j++) most = x[j] > most ? x[j] : most;
    for (long start = 0; start < whole; start += LANES)
      for (int i = 0; i < LANES; i++) {
        float e = exponential(factor * (x[start + i] - most));
        x[start + i] = e;
        sums[i] += e;
      }
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += sums[i];
    if (whole < size) {
      // The remainder is vectorised too.
      float rest[LANES];
      for (int i = 0; i < LANES; i++) rest[i] = whole + i < size ? x[whole + i] : most;
      for (int i = 0; i < LANES; i++) rest[i] = exponential(factor * (rest[i] - most));
      for (long j = whole; j < size; j++) sum += x[j] = rest[j - whole];
    }
    float share = 1 / sum;
    for (long j = 0; j < size; j++) x[j] *= share;
  }
}

EVERY_PROCESSOR void elementwise_response_normalization(long pixels, long channels, float epsilon, const float *scale,
    const float *shift, const float *x, float *y, float *lengths) {
  for (long c = 0; c < channels; c++) lengths[c] = 0;
  for (long p = 0; p < pixels; p++) {
    const float *restrict row = x + p * channels;
    float *restrict squares = lengths;
#pragma clang loop vectorize(assume_safety)
    for (long c = 0; c < channels; c++) squares[c] += row[c] * row[c];
  }
  double mean = 0;
  for (long c = 0; c < channels; c++) mean += lengths[c] = __builtin_sqrtf(lengths[c]);
  float share = 1 / ((float)(mean / channels) + epsilon);
  for (long p = 0; p < pixels; p++) {
    const float *restrict row = x + p * channels;
    float *restrict out = y + p * channels;
#pragma clang loop vectorize(assume_safety)
    for (long c = 0; c < channels; c++)
      out[c] = row[c] + shift[c] + scale[c] * row[c] * (lengths[c] * share);
  }
}

// 2Φ(x) − 1 as x · P(x²) / Q(x²), fitted to 3e-8 for |x| ≤ 5.6; beyond that, the float32 result is ±1.
INLINE float normal_spread(float x) {
  float z = x < -5.6f ? -5.6f : x;
  z = z > 5.6f ? 5.6f : z;
  float s = z * z;
  float p = 4.341504e-8f;
  p = p * s + 1.3140546e-5f;
  p = p * s + 3.7823533e-4f;
  p = p * s + 9.598930e-3f;
  p = p * s + 7.151645e-2f;
  p = p * s + 7.97884e-1f;
  float q = 1.1834952e-6f;
  q = q * s + 8.060041e-5f;
  q = q * s + 1.9978352e-3f;
  q = q * s + 2.9751439e-2f;
  q = q * s + 2.5629583e-1f;
  q = q * s + 1;
  float spread = z * p / q;
  spread = spread < -1 ? -1 : spread;
  return spread > 1 ? 1 : spread;
}

INLINE float gelu(float x) {
  float half = 0.5f * x;
  return half + half * normal_spread(x);
}

EVERY_PROCESSOR void elementwise_gelu(long count, const float *x, float *y) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) y[i] = gelu(x[i]);
}

EVERY_PROCESSOR void elementwise_gelu_bytes(
    long count, float factor, int zero, const float *restrict x, unsigned char *restrict bytes) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) bytes[i] = nearest_byte(gelu(x[i]) * factor, zero);
}

EVERY_PROCESSOR void elementwise_gelu_backward(long count, const float *x, const float *dy, float *dx) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++)
    dx[i] = dy[i] * (0.5f + 0.5f * normal_spread(x[i]) + x[i] * 0.39894228f * exponential(-0.5f * x[i] * x[i]));
}

// Sum of x − mean, or of its square.
INLINE float sum_of_powers(const float *x, long count, float mean, int is_square) {
  float sums[LANES] = {0};
  long whole = count / LANES * LANES;
  for (long start = 0; start < whole; start += LANES)
    for (int i = 0; i < LANES; i++) {
      float rest = x[start + i] - mean;
      sums[i] += is_square ? rest * rest : rest;
    }
  for (long i = whole; i < count; i++) {
    float rest = x[i] - mean;
    sums[0] += is_square ? rest * rest : rest;
  }
  float sum = 0;
  for (int i = 0; i < LANES; i++) sum += sums[i];
  return sum;
}

EVERY_PROCESSOR void elementwise_group_normalization(long pixels, long channels, long groups, float epsilon,
    const float *scale, const float *shift, const float *x, float *y) {
  long size = channels / groups;
  for (long group = 0; group < groups; group++) {
    const float *own = x + group * size;
    double sum = 0, squares = 0;
    for (long p = 0; p < pixels; p++) {
      const float *row = own + p * channels;
      sum += sum_of_powers(row, size, 0, 0);
    }
    float mean = (float)(sum / ((double)pixels * size));
    for (long p = 0; p < pixels; p++) {
      const float *row = own + p * channels;
      squares += sum_of_powers(row, size, mean, 1);
    }
    float share = (float)(1 / __builtin_sqrt(squares / ((double)pixels * size) + epsilon));
    const float *weight = scale + group * size, *bias = shift + group * size;
    for (long p = 0; p < pixels; p++) {
      const float *restrict row = own + p * channels;
      float *restrict out = y + p * channels + group * size;
#pragma clang loop vectorize(assume_safety)
      for (long c = 0; c < size; c++) out[c] = (row[c] - mean) * share * weight[c] + bias[c];
    }
  }
}

void elementwise_paired_sums(
    long rows, long columns, long stride, const float *first, const float *second, float *restrict sums) {
#pragma clang fp contract(off)
  for (long row = 0; row < rows; row++)
    for (long column = 0; column < columns; column += LANES)
      for (long lane = 0; lane < LANES; lane++) {
        float a = first[row * stride + column + lane], b = second[row * stride + column + lane];
        sums[lane] += a;
        sums[LANES + lane] += b;
        sums[2 * LANES + lane] += a * a;
        sums[3 * LANES + lane] += b * b;
        sums[4 * LANES + lane] += a * b;
      }
}
