#include "GPU.h"
#include "Product.h"
#include "WindowSource.h"

#include <stdio.h>

// Depthwise windows with the program's own kernels.

static const gpu_source windows = {"windows.cu", window_source};

/// The kernels' arguments.
typedef struct {
  int height, width, columns, result_height, result_width, top, left, tiles;
  unsigned count;
} window_geometry;

enum { TILE = 8, PART = 4 };

static char *run_depthwise(const algorithm *it, const product *product, void *workspace, void *stream) {
  (void)it;
  (void)workspace;
  char name[40];
  snprintf(
    name, sizeof name, "depthwise_%d_%d", (int)product->layer.kernel[0], (int)product->layer.stride[0]);
  gpu_variant variant = {(int)product->layer.type, PART, (int)product->layer.activation};
  void *kernel = NULL;
  char *failure = gpu_kernel(&windows, variant, name, &kernel);
  if (failure) return failure;
  window_geometry at = {
    (int)product->layer.size[0], (int)product->layer.size[1], (int)(product->layer.channels / PART),
    (int)product->layer.result[0], (int)product->layer.result[1], (int)product->layer.leading[0],
    (int)product->layer.leading[1], (int)((product->layer.result[1] + TILE - 1) / TILE), 0};
  size_t count = (size_t)product->layer.images * (size_t)(at.result_height * at.tiles) * (size_t)at.columns;
  at.count = (unsigned)count;
  const void *x = product->x, *weight = product->weight, *bias = product->bias, *residual = product->residual;
  void *y = product->y;
  void *arguments[] = {&x, &weight, &bias, &residual, &y, &at};
  return gpu_launch(kernel, (count + GPU_BLOCK - 1) / GPU_BLOCK, stream, arguments);
}

static void destroy(algorithm *it) { free(it); }

size_t own_algorithms(const product *it, algorithm **algorithms, size_t count) {
  int64_t size = it->layer.kernel[0], stride = it->layer.stride[0];
  bool is_own = is_depthwise(it) && it->layer.channels % PART == 0 && it->layer.kernel[1] == size
                && it->layer.stride[1] == stride && (size == 3 || size == 5 || size == 7)
                && (stride == 1 || stride == 2) && it->layer.dilation[0] == 1 && it->layer.dilation[1] == 1;
  if (!is_own || count == MOST_ALGORITHMS) return count;
  algorithm *own = calloc(1, sizeof *own);
  if (!own) return count;
  own->run = run_depthwise;
  own->destroy = destroy;
  algorithms[count++] = own;
  return count;
}

char *pooling_on_gpu(const pooling *it, void *stream) {
  int whole = it->type == FLOAT32 ? 4 : 8, width = it->channels % whole == 0 ? whole : 1;
  bool is_square = it->kernel[0] == it->kernel[1];
  const char *name = is_square && it->kernel[0] == 2 ? "pool_2" : is_square && it->kernel[0] == 3 ? "pool_3" : "pool";
  void *kernel = NULL;
  char *failure = gpu_kernel(&windows, (gpu_variant){it->type, width, 0}, name, &kernel);
  if (failure) return failure;
  window_geometry at = {
    (int)it->size[0], (int)it->size[1], (int)(it->channels / width), (int)it->result[0], (int)it->result[1],
    (int)it->leading[0], (int)it->leading[1], 0, 0};
  size_t count = (size_t)it->images * (size_t)(at.result_height * at.result_width) * (size_t)at.columns;
  at.count = (unsigned)count;
  int size[4] = {(int)it->kernel[0], (int)it->kernel[1], (int)it->stride[0], (int)it->stride[1]};
  int how = (it->is_mean ? 1 : 0) + (it->counts_padding ? 2 : 0);
  const void *x = it->x;
  void *y = it->y;
  void *arguments[] = {&x, &y, &at, &size[0], &size[1], &size[2], &size[3], &how};
  return gpu_launch(kernel, (count + GPU_BLOCK - 1) / GPU_BLOCK, stream, arguments);
}
