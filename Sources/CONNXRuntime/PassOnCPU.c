#include "Internal.h"

#include <math.h>

// Simple reference implementations, to which the GPU's results are compared.

static float activated(int activation, float x) {
  switch (activation) {
  case 1: return x > 0 ? x : 0;
  case 2: return fminf(fmaxf(x, 0), 6);
  case 3: return x / (1 + expf(-x));
  case 4: return 0.5f * x * (1 + erff(x * 0.70710678f));
  case 5: return 0.5f * x * (1 + tanhf(0.79788456f * (x + 0.044715f * x * x * x)));
  case 6: return x / (1 + expf(-1.702f * x));
  case 7: return 1 / (1 + expf(-x));
  case 8: return x * fminf(fmaxf(x + 3, 0), 6) / 6;
  case 9: return fminf(fmaxf(x + 3, 0), 6) / 6;
  case 10: return tanhf(x);
  default: return x;
  }
}

static float sum_at(const pass *pass, size_t row, size_t channel) {
  size_t place = row * pass->channels + channel;
  float sum = ((const float *)pass->x)[place] + ((const float *)pass->first)[channel];
  return pass->residual ? sum + ((const float *)pass->residual)[place] : sum;
}

static void normalize(const pass *pass, size_t row) {
  double mean = 0, square = 0;
  for (size_t c = 0; c < pass->channels; c++) mean += sum_at(pass, row, c);
  mean /= (double)pass->channels;
  for (size_t c = 0; c < pass->channels; c++) {
    double apart = sum_at(pass, row, c) - mean;
    square += apart * apart;
  }
  double scale = 1 / sqrt(square / (double)pass->channels + pass->epsilon);
  for (size_t c = 0; c < pass->channels; c++) {
    float sum = sum_at(pass, row, c);
    if (pass->sum) ((float *)pass->sum)[row * pass->channels + c] = sum;
    ((float *)pass->y)[row * pass->channels + c] =
      (float)((sum - mean) * scale) * ((const float *)pass->second)[c] + ((const float *)pass->third)[c];
  }
}

static void pixel(const pass *pass, size_t row) {
  const uint8_t *bytes = (const uint8_t *)pass->x + 3 * row;
  float *y = (float *)pass->y + (size_t)pass->width * row;
  for (int c = 0; c < pass->width; c++) y[c] = 0;
  for (int c = 0; c < 3; c++) {
    y[pass->reversed ? 2 - c : c] = bytes[c] * ((const float *)pass->first)[c] + ((const float *)pass->second)[c];
  }
}

void pass_on_cpu(const pass *pass) {
  for (size_t row = 0; row < pass->rows; row++) {
    switch (pass->kind) {
    case PASS_NORMALIZE: normalize(pass, row); break;
    case PASS_PIXELS: pixel(pass, row); break;
    case PASS_SCALE:
      for (size_t c = 0; c < pass->channels; c++) {
        size_t place = row * pass->channels + c, factor = row / pass->alike * pass->channels + c;
        ((float *)pass->y)[place] = ((const float *)pass->x)[place] * ((const float *)pass->first)[factor];
      }
      break;
    case PASS_EPILOGUE:
      for (size_t c = 0; c < pass->channels; c++) {
        ((float *)pass->y)[row * pass->channels + c] = activated(pass->activation, sum_at(pass, row, c));
      }
    }
  }
}
