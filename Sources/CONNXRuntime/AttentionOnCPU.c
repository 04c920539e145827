#include "Attention.h"

#include <math.h>

static void attend(const attention *it, int64_t batch, int64_t head, int64_t token, double *weights) {
  int64_t width = it->layer.width, size = it->layer.heads * width, tokens = it->layer.tokens;
  const float *x = (const float *)it->x + batch * tokens * 3 * size + head * width;
  const float *query = x + token * 3 * size;
  double most = -INFINITY, total = 0;
  for (int64_t other = 0; other < tokens; other++) {
    const float *key = x + other * 3 * size + size;
    double score = 0;
    for (int64_t i = 0; i < width; i++) score += (double)query[i] * key[i];
    weights[other] = score / sqrt((double)width);
    most = fmax(most, weights[other]);
  }
  for (int64_t other = 0; other < tokens; other++) total += weights[other] = exp(weights[other] - most);
  float *y = (float *)it->y + (batch * tokens + token) * size + head * width;
  for (int64_t i = 0; i < width; i++) {
    double sum = 0;
    for (int64_t other = 0; other < tokens; other++) sum += weights[other] * x[other * 3 * size + 2 * size + i];
    y[i] = (float)(sum / total);
  }
}

void attention_on_cpu(const attention *it) {
  double *weights = malloc((size_t)it->layer.tokens * sizeof *weights);
  if (!weights) return;
  for (int64_t batch = 0; batch < it->layer.batch; batch++) {
    for (int64_t head = 0; head < it->layer.heads; head++) {
      for (int64_t token = 0; token < it->layer.tokens; token++) attend(it, batch, head, token, weights);
    }
  }
  free(weights);
}
