// Definitions shared by the loops of this target.
#ifndef ZOETROPE_CELEMENTWISE_VECTORS_H
#define ZOETROPE_CELEMENTWISE_VECTORS_H

#include "CElementwise.h"

#include <stdint.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
// ThreadSanitizer is not initialised yet when ifunc resolvers run.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define EVERY_PROCESSOR __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define EVERY_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

// Accumulators of a reduction; the compiler turns them into vectors.
enum { LANES = 16 };

INLINE float largest_lane(float *lanes) {
  for (int step = LANES / 2; step; step /= 2)
    for (int i = 0; i < step; i++) lanes[i] = lanes[i + step] > lanes[i] ? lanes[i + step] : lanes[i];
  return lanes[0];
}

// The largest |x|, or |x − middle|. NaN is ignored.
INLINE float largest_distance(long count, const float *x, const float *middle, int is_centred) {
  float largest[LANES] = {0};
  long whole = count / LANES * LANES;
  for (long start = 0; start < whole; start += LANES)
    for (int i = 0; i < LANES; i++) {
      float distance = __builtin_fabsf(is_centred ? x[start + i] - middle[start + i] : x[start + i]);
      largest[i] = distance > largest[i] ? distance : largest[i];
    }
  for (long i = whole; i < count; i++) {
    float distance = __builtin_fabsf(is_centred ? x[i] - middle[i] : x[i]);
    largest[0] = distance > largest[0] ? distance : largest[0];
  }
  return largest_lane(largest);
}

// Rounds to the nearest integer, ties to even: adding 1.5·2²³ rounds.
INLINE int nearest(float x) { return (int)((x + 12582912.f) - 12582912.f); }

// Rounds, clips to [-zero, 255 - zero], or to [-128, 127] if `zero` is 0, and adds `zero`.
INLINE unsigned char nearest_byte(float x, int zero) {
  float least = zero ? -zero : -128, most = zero ? 255 - zero : 127;
  x = x > most ? most : x < least ? least : x;
  return (unsigned char)(nearest(x) + zero);
}

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

#endif
