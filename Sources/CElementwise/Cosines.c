#include "Vectors.h"

#include <math.h>

typedef float __attribute__((aligned(1))) number;
typedef _Float16 __attribute__((aligned(1))) half;
typedef float numbers __attribute__((vector_size(64)));
typedef float loose_numbers __attribute__((vector_size(64), aligned(1)));
typedef _Float16 loose_halves __attribute__((vector_size(32), aligned(1)));

// All functions are inlined, so that no vectors are passed as arguments.
#pragma clang diagnostic ignored "-Wpsabi"

INLINE numbers load(const number *x, long i) { return *(const loose_numbers *)(x + i); }
INLINE numbers widened(const half *x, long i) {
  return __builtin_convertvector(*(const loose_halves *)(x + i), numbers);
}

// Four accumulators hide the latency of additions.
#define PRODUCT(name, type, vector) \
  INLINE float name(const type *a, const number *b, long count) { \
    numbers sums[4] = {{0}, {0}, {0}, {0}}; \
    long i = 0; \
    for (; i + 64 <= count; i += 64) { \
      sums[0] += vector(a, i) * load(b, i); \
      sums[1] += vector(a, i + 16) * load(b, i + 16); \
      sums[2] += vector(a, i + 32) * load(b, i + 32); \
      sums[3] += vector(a, i + 48) * load(b, i + 48); \
    } \
    numbers all = (sums[0] + sums[1]) + (sums[2] + sums[3]); \
    float sum = 0; \
    for (; i < count; i++) sum += (float)a[i] * b[i]; \
    for (int k = 0; k < 16; k++) sum += all[k]; \
    return sum; \
  }

PRODUCT(product, number, load)
PRODUCT(half_product, half, widened)

INLINE float half_square(const half *a, long count) {
  numbers sums[2] = {{0}, {0}};
  long i = 0;
  for (; i + 32 <= count; i += 32) {
    numbers first = widened(a, i), second = widened(a, i + 16);
    sums[0] += first * first;
    sums[1] += second * second;
  }
  numbers all = sums[0] + sums[1];
  float sum = 0;
  for (; i < count; i++) sum += (float)a[i] * (float)a[i];
  for (int k = 0; k < 16; k++) sum += all[k];
  return sum;
}

EVERY_PROCESSOR void elementwise_inverse_row_norms(
  long count, long size, int are_halves, const void *rows, float *shares) {
  for (long row = 0; row < count; row++) {
    float square = are_halves ? half_square((const half *)rows + row * size, size)
                              : product((const number *)rows + row * size, (const number *)rows + row * size, size);
    shares[row] = square > 0 ? 1 / sqrtf(square) : 0;
  }
}

EVERY_PROCESSOR void elementwise_cosines(long count, long size, int are_halves, const void *rows, const float *shares,
    long queries, const float *query, float *cosines) {
  long bytes = size * (are_halves ? 2 : 4);
  for (long row = 0; row < count; row++) {
    // Prefetches the next page, because the hardware prefetcher stops at page boundaries.
    for (long ahead = 4096; ahead < 4096 + bytes; ahead += 256)
      __builtin_prefetch((const char *)rows + row * bytes + ahead);
    for (long q = 0; q < queries; q++) {
      float sum = are_halves ? half_product((const half *)rows + row * size, query + q * size, size)
                             : product((const number *)rows + row * size, query + q * size, size);
      cosines[q * count + row] = sum * shares[row];
    }
  }
}
