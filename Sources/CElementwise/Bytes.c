// Quantisation to int8, and the histograms for calibration.
#include "Vectors.h"

EVERY_PROCESSOR float elementwise_largest(long count, const float *x) { return largest_distance(count, x, x, 0); }

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

EVERY_PROCESSOR void elementwise_quantize(
    long count, float scale, const float *restrict x, signed char *restrict bytes) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) {
    float value = x[i] / scale;
    value = __builtin_fabsf(value) < __builtin_inff() ? value : 0;
    value = value > 127 ? 127 : value < -127 ? -127 : value;
    bytes[i] = (signed char)nearest(value);
  }
}

EVERY_PROCESSOR void elementwise_shift(
    long count, float factor, int zero, const float *restrict x, unsigned char *restrict bytes) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) bytes[i] = nearest_byte(x[i] * factor, zero);
}

EVERY_PROCESSOR void elementwise_gate(
    long pixels, long channels, float factor, int zero, const float *x, const float *gate, unsigned char *bytes) {
  for (long pixel = 0; pixel < pixels; pixel++) {
    const float *restrict source = x + pixel * channels, *restrict own = gate;
    unsigned char *restrict target = bytes + pixel * channels;
#pragma clang loop vectorize(assume_safety)
    for (long i = 0; i < channels; i++) target[i] = nearest_byte(source[i] * (own[i] * factor), zero);
  }
}

EVERY_PROCESSOR void elementwise_interleave(long count, const unsigned char *restrict red,
    const unsigned char *restrict green, const unsigned char *restrict blue, unsigned char *restrict pixels) {
#pragma clang loop vectorize(assume_safety)
  for (long i = 0; i < count; i++) {
    pixels[3 * i] = red[i];
    pixels[3 * i + 1] = green[i];
    pixels[3 * i + 2] = blue[i];
  }
}
