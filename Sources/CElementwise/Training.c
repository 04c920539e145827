// Element-wise training operations on gates, states and parameters.
#include "Vectors.h"

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

EVERY_PROCESSOR void elementwise_lstm_backward(long count, long hidden, const float *gates, const float *cells,
    const float *cell_tanh, const float *state_gradient, float *cell_gradient, float *share) {
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

EVERY_PROCESSOR void elementwise_adam_step(const elementwise_adam *rule, long count, float *restrict p,
    const float *restrict g, float *restrict m, float *restrict v) {
  const elementwise_adam r = *rule;
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
