#include "CElementwise.h"

#include <math.h>
#include <string.h>

#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define EVERY_PROCESSOR __attribute__((target_clones("avx512f", "arch=haswell", "default")))
#else
#define EVERY_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

// Four vectors of sums hide how long an addition takes.
enum { SUMS = 64 };

INLINE float product(const float *a, const float *b, long count) {
  float sums[SUMS] = {0};
  long whole = count / SUMS * SUMS;
  for (long start = 0; start < whole; start += SUMS)
    for (int i = 0; i < SUMS; i++) sums[i] += a[start + i] * b[start + i];
  for (long i = whole; i < count; i++) sums[i - whole] += a[i] * b[i];
  float sum = 0;
  for (int i = 0; i < SUMS; i++) sum += sums[i];
  return sum;
}

EVERY_PROCESSOR void elementwise_cosines(
    long count, long size, int are_halves, const void *rows, long queries, const float *query, float *scratch,
    float *cosines) {
  for (long row = 0; row < count; row++) {
    const char *own = (const char *)rows + row * size * (are_halves ? 2 : 4);
    if (are_halves) elementwise_widen(size, own, scratch);
    else memcpy(scratch, own, size * sizeof(float));
    float length = sqrtf(product(scratch, scratch, size));
    float share = length > 0 ? 1 / length : 0;
    for (long q = 0; q < queries; q++) cosines[q * count + row] = product(scratch, query + q * size, size) * share;
  }
}
