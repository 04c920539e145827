#include "CElementwise.h"

#include <stdint.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
// ThreadSanitizer is not there yet when the processor picks.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define EVERY_PROCESSOR __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define EVERY_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

// Cody and Waite's reduction, a polynomial of degree 6 on ±ln2/2: as `exponential` of NeuralNetwork.
INLINE float exponential(float x) {
  x = x < -87 ? -87 : x;
  x = x > 88 ? 88 : x;
  float shifted = x * 1.44269504f + 12582912.f;
  float integer = shifted - 12582912.f;
  float rest = (x - integer * 0.693359375f) + integer * 2.1219444e-4f;
  float p = 1.39819995e-3f;
  p = p * rest + 8.333452e-3f;
  p = p * rest + 4.1665796e-2f;
  p = p * rest + 1.6666666e-1f;
  p = p * rest + 5.0000001e-1f;
  p = p * rest * rest + rest + 1;
  union { float number; uint32_t bits; } power = {shifted};
  power.bits = (power.bits + 127) << 23;
  return p * power.number;
}

INLINE float sigmoid(float x) { return 1 / (1 + exponential(-x)); }
INLINE float hyperbolic_tangent(float x) { return 2 / (1 + exponential(-2 * x)) - 1; }

EVERY_PROCESSOR void elementwise_lstm_forward(
    long count, long hidden, const float *bias, float *gate, float *state, float *cell, float *cell_tanh) {
  const float *restrict bi = bias, *restrict bf = bi + hidden, *restrict bg = bf + hidden, *restrict bo = bg + hidden;
  for (long row = 0; row < count; row++) {
    float *restrict i = gate + row * 4 * hidden, *restrict f = i + hidden, *restrict g = f + hidden;
    float *restrict o = g + hidden, *restrict h = state + row * hidden, *restrict c = cell + row * hidden;
    float *restrict t = cell_tanh + row * hidden;
#pragma clang loop vectorize(assume_safety)
    for (long j = 0; j < hidden; j++) {
      i[j] = sigmoid(i[j] + bi[j]);
      f[j] = sigmoid(f[j] + bf[j]);
      g[j] = hyperbolic_tangent(g[j] + bg[j]);
      o[j] = sigmoid(o[j] + bo[j]);
      c[j] = f[j] * c[j] + i[j] * g[j];
      t[j] = hyperbolic_tangent(c[j]);
      h[j] = o[j] * t[j];
    }
  }
}

EVERY_PROCESSOR void elementwise_lstm_backward(
    long count, long hidden, const float *gates, const float *cells, const float *cell_tanh,
    const float *state_gradient, float *cell_gradient, float *share) {
  for (long row = 0; row < count; row++) {
    const float *restrict i = gates + row * 4 * hidden, *restrict f = i + hidden, *restrict g = f + hidden;
    const float *restrict o = g + hidden, *restrict before = cells + row * hidden;
    const float *restrict t = cell_tanh + row * hidden, *restrict dh = state_gradient + row * hidden;
    float *restrict dc = cell_gradient + row * hidden, *restrict di = share + row * 4 * hidden;
    float *restrict df = di + hidden, *restrict dg = df + hidden, *restrict d_o = dg + hidden;
#pragma clang loop vectorize(assume_safety)
    for (long j = 0; j < hidden; j++) {
      float slope = dc[j] + dh[j] * o[j] * (1 - t[j] * t[j]);
      di[j] = slope * g[j] * i[j] * (1 - i[j]);
      df[j] = slope * before[j] * f[j] * (1 - f[j]);
      dg[j] = slope * i[j] * (1 - g[j] * g[j]);
      d_o[j] = dh[j] * t[j] * o[j] * (1 - o[j]);
      dc[j] = slope * f[j];
    }
  }
}

EVERY_PROCESSOR void elementwise_adam_step(
    const elementwise_adam *rule, long count, float *parameters, const float *gradient, float *first, float *second) {
  const elementwise_adam r = *rule;
  float *restrict p = parameters, *restrict m = first, *restrict v = second;
  const float *restrict g = gradient;
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) {
    float old = p[i] * r.shrink;
    float slope = g[i] * r.scale + r.decay * old;
    float mean = r.beta1 * m[i] + r.rest1 * slope;
    float square = r.beta2 * v[i] + r.rest2 * slope * slope;
    m[i] = mean;
    v[i] = square;
    p[i] = old - r.step_size * mean / (__builtin_elementwise_sqrt(square) * r.root_scale + r.epsilon);
  }
}

typedef float eight __attribute__((vector_size(32), aligned(4)));

// Eight rows to eight columns: neighbours change places, then pairs, then fours.
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

enum { LANES = 16 };

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

EVERY_PROCESSOR void elementwise_pixels(
    long count, const unsigned char *pixels, const float *scale, const float *offset, float *numbers) {
#pragma clang fp contract(off)
  enum { PERIOD = 48 };  // sixteen pixels: the three channels' factors repeat
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

EVERY_PROCESSOR float elementwise_largest(long count, const float *x) {
  float largest[LANES] = {0};
  long whole = count / LANES * LANES;
  for (long start = 0; start < whole; start += LANES)
    for (int i = 0; i < LANES; i++) {
      float size = __builtin_fabsf(x[start + i]);
      largest[i] = size > largest[i] ? size : largest[i];
    }
  for (long i = whole; i < count; i++) {
    float size = __builtin_fabsf(x[i]);
    largest[0] = size > largest[0] ? size : largest[0];
  }
  for (int i = 1; i < LANES; i++) largest[0] = largest[i] > largest[0] ? largest[i] : largest[0];
  return largest[0];
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

EVERY_PROCESSOR int elementwise_are_finite(long count, const float *x) {
  const uint32_t *bits = (const uint32_t *)x;
  uint32_t unusual = 0;
  for (long i = 0; i < count; i++) unusual |= (bits[i] & 0x7f800000) == 0x7f800000;
  return !unusual;
}

void elementwise_count_magnitudes(long count, const float *x, unsigned *counts) {
  const uint32_t *bits = (const uint32_t *)x;
  // Exponent and seven bits of fraction: 2⁻⁴⁰ has the exponent 87.
  const int least = 87 << 7;
  for (long i = 0; i < count; i += 3) {
    int bin = (int)((bits[i] & 0x7fffffff) >> 16) - least;
    if (bin >= 0) counts[bin < ELEMENTWISE_MAGNITUDES ? bin : ELEMENTWISE_MAGNITUDES - 1]++;
  }
}

EVERY_PROCESSOR void elementwise_quantize(long count, float scale, const float *x, signed char *bytes) {
  const float *restrict source = x;
  signed char *restrict target = bytes;
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) {
    float value = source[i] / scale;
    value = __builtin_fabsf(value) < __builtin_inff() ? value : 0;
    value = value > 127 ? 127 : value < -127 ? -127 : value;
    // Adding half of 2²⁴ rounds to the nearest whole number, or the even one.
    target[i] = (signed char)(int)((value + 12582912.f) - 12582912.f);
  }
}

EVERY_PROCESSOR void elementwise_shift(long count, float factor, int zero, const float *x, unsigned char *bytes) {
  const float *restrict source = x;
  unsigned char *restrict target = bytes;
  float least = -zero, most = 255 - zero;
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) {
    float value = source[i] * factor;
    value = value > most ? most : value < least ? least : value;
    target[i] = (unsigned char)((int)((value + 12582912.f) - 12582912.f) + zero);
  }
}

EVERY_PROCESSOR void elementwise_gate(
    long pixels, long channels, float factor, int zero, const float *x, const float *gate, unsigned char *bytes) {
  float least = zero ? -zero : -128, most = zero ? 255 - zero : 127;
  for (long pixel = 0; pixel < pixels; pixel++) {
    const float *restrict source = x + pixel * channels, *restrict own = gate;
    unsigned char *restrict target = bytes + pixel * channels;
#pragma clang loop vectorize(assume_safety)
    for (long i = 0; i < channels; i++) {
      float value = source[i] * (own[i] * factor);
      value = value > most ? most : value < least ? least : value;
      target[i] = (unsigned char)((int)((value + 12582912.f) - 12582912.f) + zero);
    }
  }
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
