#include "GPU.h"
#include "Internal.h"
#include "PassSource.h"

#include <stdio.h>

static const gpu_source passes = {"passes.cu", pass_source};

char *pass_on_gpu(const pass *it, void *stream) {
  int whole = it->type == FLOAT32 ? 4 : 8;
  bool is_wide = it->kind == PASS_PIXELS || it->channels % (size_t)whole == 0;
  int width = is_wide ? whole : 1;
  gpu_variant variant = {it->type, width, 0};
  unsigned columns = (unsigned)(it->channels / (size_t)width), rows = (unsigned)it->rows;
  if (it->rows * it->channels / (size_t)width > UINT32_MAX) return strdup("own kernels take smaller batches");
  char name[32];
  void *kernel = NULL;
  char *failure;
  if (it->kind == PASS_PIXELS) {
    if ((failure = gpu_kernel(&passes, variant, "pixels", &kernel))) return failure;
    int wide = it->width, reversed = it->reversed;
    void *arguments[] = {
      (void *)&it->x, (void *)&it->first, (void *)&it->second, (void *)&it->y, &rows, &wide, &reversed};
    return gpu_launch(kernel, (it->rows + GPU_BLOCK - 1) / GPU_BLOCK, stream, arguments);
  }
  unsigned count = rows * columns;
  size_t blocks = ((size_t)count + GPU_BLOCK - 1) / GPU_BLOCK;
  if (it->kind == PASS_SCALE) {
    if ((failure = gpu_kernel(&passes, variant, "multiply", &kernel))) return failure;
    unsigned image = (unsigned)it->alike * columns;
    void *arguments[] = {(void *)&it->x, (void *)&it->first, (void *)&it->y, &count, &columns, &image};
    return gpu_launch(kernel, blocks, stream, arguments);
  }
  if (it->kind == PASS_EPILOGUE) {
    snprintf(name, sizeof name, "epilogue%d", it->activation);
    if ((failure = gpu_kernel(&passes, variant, name, &kernel))) return failure;
    void *arguments[] = {
      (void *)&it->x, (void *)&it->first, (void *)&it->residual, (void *)&it->y, &count, &columns};
    return gpu_launch(kernel, blocks, stream, arguments);
  }
  unsigned lanes = columns <= 8 ? 8 : columns <= 16 ? 16 : 32, parts = (columns + lanes - 1) / lanes, most = 1;
  while (most < parts && parts != 3) most *= 2;
  if (parts == 3) most = 3;
  if (most > 16) return strdup("own kernels normalise fewer channels");
  snprintf(name, sizeof name, "normalize_%u_%u", most, lanes);
  if ((failure = gpu_kernel(&passes, variant, name, &kernel))) return failure;
  float epsilon = it->epsilon;
  void *arguments[] = {
    (void *)&it->x, (void *)&it->first, (void *)&it->second, (void *)&it->third, (void *)&it->residual,
    (void *)&it->y, (void *)&it->sum, &rows, &columns, &epsilon};
  return gpu_launch(kernel, (it->rows * lanes + GPU_BLOCK - 1) / GPU_BLOCK, stream, arguments);
}
