#include "Cudnn.h"
#include "GPU.h"

// Convolutions and matrix products with fused epilogues.

/// Identifiers of a graph's tensors.
enum { NAME_X = 1, NAME_WEIGHT, NAME_BIAS, NAME_RESIDUAL, NAME_Y, NAME_BETWEEN };

static void *tensor(
  cudnn_builder *it, int64_t name, int type, int64_t rank, const int64_t *shape, const int64_t *strides) {
  return cudnn_tensor(it, name, type, name >= NAME_BETWEEN, rank, shape, strides);
}

static void apply(cudnn_builder *it, int mode, double beta, double upper, void *x, void *b, void *y) {
  void *what = cudnn_part(it, POINTWISE), *operation;
  int wide = WIDE;
  cudnn_set(it, what, POINTWISE_MODE, OF_POINTWISE_MODE, 1, &mode);
  cudnn_set(it, what, POINTWISE_TYPE, OF_DATA_TYPE, 1, &wide);
  if (beta != 0) cudnn_set(it, what, POINTWISE_BETA, OF_WIDE_NUMBER, 1, &beta);
  if (upper != 0) cudnn_set(it, what, POINTWISE_UPPER, OF_WIDE_NUMBER, 1, &upper);
  cudnn_finish(it, what);
  operation = cudnn_part(it, APPLY);
  cudnn_set(it, operation, APPLY_WHAT, OF_DESCRIPTOR, 1, &what);
  cudnn_set(it, operation, APPLY_X, OF_DESCRIPTOR, 1, &x);
  if (b) cudnn_set(it, operation, APPLY_B, OF_DESCRIPTOR, 1, &b);
  cudnn_set(it, operation, APPLY_Y, OF_DESCRIPTOR, 1, &y);
  cudnn_finish(it, operation);
  cudnn_add(it, operation);
}

static void convolve(cudnn_builder *it, const product *product, void *x, void *weight, void *y) {
  void *how = cudnn_part(it, CONVOLUTION), *operation;
  int wide = WIDE, mode = CROSS_CORRELATION;
  int64_t axes = 2;
  float one = 1, zero = 0;
  cudnn_set(it, how, CONVOLUTION_TYPE, OF_DATA_TYPE, 1, &wide);
  cudnn_set(it, how, CONVOLUTION_MODE, OF_CONVOLUTION_MODE, 1, &mode);
  cudnn_set(it, how, CONVOLUTION_AXES, OF_INTEGER, 1, &axes);
  cudnn_set(it, how, CONVOLUTION_DILATION, OF_INTEGER, 2, product->layer.dilation);
  cudnn_set(it, how, CONVOLUTION_STRIDE, OF_INTEGER, 2, product->layer.stride);
  cudnn_set(it, how, CONVOLUTION_LEADING, OF_INTEGER, 2, product->layer.leading);
  cudnn_set(it, how, CONVOLUTION_TRAILING, OF_INTEGER, 2, product->layer.trailing);
  cudnn_finish(it, how);
  operation = cudnn_part(it, CONVOLVE);
  cudnn_set(it, operation, CONVOLVE_HOW, OF_DESCRIPTOR, 1, &how);
  cudnn_set(it, operation, CONVOLVE_X, OF_DESCRIPTOR, 1, &x);
  cudnn_set(it, operation, CONVOLVE_WEIGHT, OF_DESCRIPTOR, 1, &weight);
  cudnn_set(it, operation, CONVOLVE_Y, OF_DESCRIPTOR, 1, &y);
  cudnn_set(it, operation, CONVOLVE_ALPHA, OF_NUMBER, 1, &one);
  cudnn_set(it, operation, CONVOLVE_BETA, OF_NUMBER, 1, &zero);
  cudnn_finish(it, operation);
  cudnn_add(it, operation);
}

static void multiply(cudnn_builder *it, void *x, void *weight, void *y) {
  void *how = cudnn_part(it, MATRIX), *operation;
  int wide = WIDE;
  cudnn_set(it, how, MATRIX_TYPE, OF_DATA_TYPE, 1, &wide);
  cudnn_finish(it, how);
  operation = cudnn_part(it, MULTIPLY);
  cudnn_set(it, operation, MULTIPLY_A, OF_DESCRIPTOR, 1, &x);
  cudnn_set(it, operation, MULTIPLY_B, OF_DESCRIPTOR, 1, &weight);
  cudnn_set(it, operation, MULTIPLY_C, OF_DESCRIPTOR, 1, &y);
  cudnn_set(it, operation, MULTIPLY_HOW, OF_DESCRIPTOR, 1, &how);
  cudnn_finish(it, operation);
  cudnn_add(it, operation);
}

/// cuDNN's activation mode; false if it has none.
static bool mode_of(int64_t activation, int *mode, double *beta, double *upper) {
  *beta = *upper = 0;
  switch (activation) {
  case ACTIVATION_RELU: *mode = MODE_RELU; return true;
  case ACTIVATION_RELU6: *mode = MODE_RELU; *upper = 6; return true;
  case ACTIVATION_SILU: *mode = MODE_SWISH; *beta = 1; return true;
  case ACTIVATION_QUICK_GELU: *mode = MODE_SWISH; *beta = 1.702; return true;
  case ACTIVATION_GELU: *mode = MODE_GELU; return true;
  case ACTIVATION_GELU_TANH: *mode = MODE_GELU_TANH; return true;
  case ACTIVATION_SIGMOID: *mode = MODE_SIGMOID; return true;
  case ACTIVATION_TANH: *mode = MODE_TANH; return true;
  default: return false;
  }
}

/// Shapes and strides of a layer's tensors in cuDNN's order.
typedef struct {
  int64_t rank, x[4], x_strides[4], weight[4], weight_strides[4], y[4], y_strides[4], bias[4], bias_strides[4];
} geometry;

static geometry shapes(const product *product) {
  int64_t channels = product->layer.channels, filters = product->layer.filters, own = channels / product->layer.groups;
  const int64_t *size = product->layer.size, *kernel = product->layer.kernel, *result = product->layer.result;
  if (is_pointwise(product)) {
    int64_t rows = product->layer.images * size[0] * size[1];
    return (geometry){
      3, {1, rows, channels}, {rows * channels, channels, 1}, {1, channels, filters}, {channels * filters, 1, channels},
      {1, rows, filters}, {rows * filters, filters, 1}, {1, 1, filters}, {filters, filters, 1}};
  }
  return (geometry){
    4,
    {product->layer.images, channels, size[0], size[1]},
    {size[0] * size[1] * channels, 1, size[1] * channels, channels},
    {filters, own, kernel[0], kernel[1]},
    {kernel[0] * kernel[1] * own, 1, kernel[1] * own, own},
    {product->layer.images, filters, result[0], result[1]},
    {result[0] * result[1] * filters, 1, result[1] * filters, filters},
    {1, filters, 1, 1},
    {filters, 1, filters, filters}};
}

/// The graph of a layer, with the epilogue if `is_whole`.
static void build(cudnn_builder *it, const product *product, bool is_whole) {
  geometry at = shapes(product);
  int type = cudnn_type(product->layer.type), mode = 0;
  double beta, upper;
  bool has_mode = mode_of(product->layer.activation, &mode, &beta, &upper);
  void *x = tensor(it, NAME_X, type, at.rank, at.x, at.x_strides);
  void *weight = tensor(it, NAME_WEIGHT, type, at.rank, at.weight, at.weight_strides);
  int steps = is_whole ? 1 + (product->layer.has_residual != 0) + has_mode : 0;
  // The last operation writes y, earlier ones virtual tensors.
  int64_t between = NAME_BETWEEN;
  void *y = tensor(it, steps ? between++ : NAME_Y, type, at.rank, at.y, at.y_strides);
  if (at.rank == 3) multiply(it, x, weight, y);
  else convolve(it, product, x, weight, y);
  for (int step = 1; step <= steps; step++) {
    void *before = y, *other = NULL;
    y = tensor(it, step == steps ? NAME_Y : between++, type, at.rank, at.y, at.y_strides);
    if (step == 1) other = tensor(it, NAME_BIAS, type, at.rank, at.bias, at.bias_strides);
    else if (step == 2 && product->layer.has_residual)
      other = tensor(it, NAME_RESIDUAL, type, at.rank, at.y, at.y_strides);
    if (other) apply(it, MODE_ADD, 0, 0, before, other, y);
    else apply(it, mode, beta, upper, before, NULL, y);
  }
}

// MARK: - Algorithms

typedef struct {
  algorithm algorithm;
  cudnn_plan plan;
  bool is_whole;
} cudnn_algorithm;

static void destroy(algorithm *it) {
  cudnn_forget(((cudnn_algorithm *)it)->plan);
  free(it);
}

static char *run(const algorithm *it, const product *product, void *workspace, void *stream) {
  const cudnn_algorithm *own = (const cudnn_algorithm *)it;
  const int64_t names[5] = {NAME_X, NAME_WEIGHT, NAME_Y, NAME_BIAS, NAME_RESIDUAL};
  const void *pointers[5] = {product->x, product->weight, product->y, product->bias, product->residual};
  int64_t count = own->is_whole ? 4 + (product->layer.has_residual != 0) : 3;
  char *failure = cudnn_run(&own->plan, count, names, pointers, workspace, stream);
  return failure || own->is_whole ? failure : finish_on_gpu(product, stream);
}

/// The third is rarely better, and each takes a tenth of a second to compile.
enum { MOST_PLANS = 2 };

static size_t add(const product *product, bool is_whole, size_t most, algorithm **algorithms, size_t count) {
  cudnn_builder graph = {0};
  cudnn_plan plans[MOST_PLANS];
  build(&graph, product, is_whole);
  size_t made = cudnn_search(&graph, most, plans);
  cudnn_take_apart(&graph);
  for (size_t i = 0; i < made; i++) {
    cudnn_algorithm *own = count < MOST_ALGORITHMS ? calloc(1, sizeof *own) : NULL;
    if (!own) {
      cudnn_forget(plans[i]);
      continue;
    }
    *own = (cudnn_algorithm){{run, destroy, plans[i].bytes}, plans[i], is_whole};
    algorithms[count++] = &own->algorithm;
  }
  return count;
}

size_t cudnn_algorithms(const product *product, algorithm **algorithms, size_t count) {
  if (!cudnn_is_there()) return count;
  int mode;
  double beta, upper;
  bool has_mode = product->layer.activation == ACTIVATION_NONE
                  || mode_of(product->layer.activation, &mode, &beta, &upper);
  if (has_mode) count = add(product, true, MOST_PLANS, algorithms, count);
  // A separate pass for the epilogue is always slower than a fused one.
  return count > 0 ? count : add(product, false, MOST_PLANS, algorithms, count);
}
