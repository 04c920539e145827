#include "Product.h"

#include <math.h>

// Simple reference implementations, to which the GPU's results are compared.

/// The input coordinate of a window position's tap; -1 outside the input.
static int64_t place(int64_t result, int64_t stride, int64_t leading, int64_t tap, int64_t dilation, int64_t size) {
  int64_t at = result * stride - leading + tap * dilation;
  return at >= 0 && at < size ? at : -1;
}

static float sum(const product *it, int64_t image, int64_t row, int64_t column, int64_t filter) {
  int64_t own = it->layer.channels / it->layer.groups, first = filter / (it->layer.filters / it->layer.groups) * own;
  const float *x = it->x, *weight = it->weight;
  bool is_alone = is_depthwise(it);
  double sum = 0;
  for (int64_t r = 0; r < it->layer.kernel[0]; r++) {
    int64_t y = place(row, it->layer.stride[0], it->layer.leading[0], r, it->layer.dilation[0], it->layer.size[0]);
    for (int64_t c = 0; c < it->layer.kernel[1] && y >= 0; c++) {
      int64_t z = place(column, it->layer.stride[1], it->layer.leading[1], c, it->layer.dilation[1], it->layer.size[1]);
      if (z < 0) continue;
      const float *pixel = x + ((image * it->layer.size[0] + y) * it->layer.size[1] + z) * it->layer.channels + first;
      const float *tap = is_alone
                           ? weight + (r * it->layer.kernel[1] + c) * it->layer.filters + filter
                           : weight + ((filter * it->layer.kernel[0] + r) * it->layer.kernel[1] + c) * own;
      for (int64_t i = 0; i < own; i++) sum += (double)pixel[i] * tap[i];
    }
  }
  return (float)sum;
}

void product_on_cpu(const product *it) {
  float *y = it->y;
  int64_t rows = it->layer.images * it->layer.result[0] * it->layer.result[1];
  for (int64_t row = 0; row < rows; row++) {
    int64_t image = row / (it->layer.result[0] * it->layer.result[1]);
    for (int64_t filter = 0; filter < it->layer.filters; filter++) {
      y[row * it->layer.filters + filter] = sum(
        it, image, row / it->layer.result[1] % it->layer.result[0], row % it->layer.result[1], filter);
    }
  }
  pass own = {
    .kind = PASS_EPILOGUE, .type = FLOAT32, .x = y, .first = it->bias, .residual = it->residual, .y = y,
    .rows = (size_t)rows, .channels = (size_t)it->layer.filters, .activation = (int)it->layer.activation};
  pass_on_cpu(&own);
}

void pooling_on_cpu(const pooling *it) {
  const float *x = it->x;
  float *y = it->y;
  int64_t rows = it->images * it->result[0] * it->result[1];
  for (int64_t row = 0; row < rows; row++) {
    int64_t image = row / (it->result[0] * it->result[1]);
    for (int64_t channel = 0; channel < it->channels; channel++) {
      double sum = 0;
      float most = -INFINITY;
      int64_t count = 0;
      for (int64_t r = 0; r < it->kernel[0]; r++) {
        int64_t a = place(row / it->result[1] % it->result[0], it->stride[0], it->leading[0], r, 1, it->size[0]);
        for (int64_t c = 0; c < it->kernel[1] && a >= 0; c++) {
          int64_t b = place(row % it->result[1], it->stride[1], it->leading[1], c, 1, it->size[1]);
          if (b < 0) continue;
          float value = x[((image * it->size[0] + a) * it->size[1] + b) * it->channels + channel];
          sum += value;
          most = fmaxf(most, value);
          count++;
        }
      }
      if (it->counts_padding) count = it->kernel[0] * it->kernel[1];
      y[row * it->channels + channel] = it->is_mean ? (float)(sum / (double)count) : most;
    }
  }
}
