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
    float most = largest[0];
    for (int i = 1; i < LANES; i++) most = largest[i] > most ? largest[i] : most;
    for (long j = whole; j < size; j++) most = x[j] > most ? x[j] : most;
    for (long start = 0; start < whole; start += LANES)
      for (int i = 0; i < LANES; i++) {
        float e = exponential(factor * (x[start + i] - most));
        x[start + i] = e;
        sums[i] += e;
      }
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += sums[i];
    for (long j = whole; j < size; j++) sum += x[j] = exponential(factor * (x[j] - most));
    float share = 1 / sum;
    for (long j = 0; j < size; j++) x[j] *= share;
  }
}

EVERY_PROCESSOR void elementwise_response_normalization(
    long pixels, long channels, float epsilon, const float *scale, const float *shift, const float *x, float *y,
    float *lengths) {
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

// Abramowitz and Stegun 7.1.26: the error function to 1.5e-7.
INLINE float normal_share(float x) {
  float z = x * 0.70710678f, size = z < 0 ? -z : z;
  float t = 1 / (1 + 0.3275911f * size);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  float rest = 0.5f * p * t * exponential(-z * z);
  return z < 0 ? rest : 1 - rest;
}

EVERY_PROCESSOR void elementwise_gelu(long count, const float *x, float *y) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) y[i] = x[i] * normal_share(x[i]);
}

EVERY_PROCESSOR void elementwise_gelu_backward(long count, const float *x, const float *dy, float *dx) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++)
    dx[i] = dy[i] * (normal_share(x[i]) + x[i] * 0.39894228f * exponential(-0.5f * x[i] * x[i]));
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

EVERY_PROCESSOR void elementwise_group_normalization(
    long pixels, long channels, long groups, float epsilon, const float *scale, const float *shift, const float *x,
    float *y) {
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
