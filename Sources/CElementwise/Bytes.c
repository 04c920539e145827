// Quantisation to int8, and the histograms for calibration.
#include "Vectors.h"

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
  return largest_lane(largest);
}

void elementwise_count_magnitudes(long count, const float *x, unsigned *counts) {
  const uint32_t *bits = (const uint32_t *)x;
  // Exponent and seven bits of fraction: 2⁻⁴⁰ has the exponent 87.
  const int least = 87 << 7;
  // One of three values is sampled at random: every third one would always select the same channels if their number is
  // a multiple of three.
  uint32_t chance = 1;
  for (long i = 0; i + 2 < count; i += 3) {
    chance = chance * 1664525 + 1013904223;
    int bin = (int)((bits[i + (((chance >> 16) * 3) >> 16)] & 0x7fffffff) >> 16) - least;
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
    // Adding 1.5·2²³ rounds to the nearest integer, ties to even.
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

EVERY_PROCESSOR void elementwise_interleave(
    long count, const unsigned char *red, const unsigned char *green, const unsigned char *blue, unsigned char *pixels) {
  const unsigned char *restrict r = red, *restrict g = green, *restrict b = blue;
  unsigned char *restrict target = pixels;
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) {
    target[3 * i] = r[i];
    target[3 * i + 1] = g[i];
    target[3 * i + 2] = b[i];
  }
}
