#ifndef CONNXRUNTIME_PRODUCT_H
#define CONNXRUNTIME_PRODUCT_H

#include "Internal.h"

/// A convolution, or a linear layer as a 1 × 1 convolution, with a fused epilogue: y = activation(x ∗ weight + bias +
/// residual), channels last.
typedef struct {
  /// The key of a plan.
  struct {
    /// Element type, as the library's code.
    int64_t type;
    /// Of x: images with their height and width. The rows of a linear layer are images.
    int64_t images, size[2], channels;
    /// Weights are [filter, row, column, channel of the group].
    int64_t filters, kernel[2], groups;
    int64_t stride[2], dilation[2], leading[2], trailing[2];
    /// Height and width of y.
    int64_t result[2];
    int64_t activation, has_residual;
  } layer;
  const void *x, *weight, *bias, *residual;
  void *y;
} product;

enum { ACTIVATION_NONE, ACTIVATION_RELU, ACTIVATION_RELU6, ACTIVATION_SILU, ACTIVATION_GELU, ACTIVATION_GELU_TANH,
       ACTIVATION_QUICK_GELU, ACTIVATION_SIGMOID, ACTIVATION_HARD_SWISH, ACTIVATION_HARD_SIGMOID, ACTIVATION_TANH };

/// An algorithm to compute a product.
typedef struct algorithm {
  /// Enqueues the product; `workspace` has `bytes` bytes.
  char *(*run)(const struct algorithm *, const product *, void *workspace, void *stream);
  void (*destroy)(struct algorithm *);
  size_t bytes;
} algorithm;

enum { MOST_ALGORITHMS = 12 };

/// Maximum workspace of an algorithm.
enum { MOST_WORKSPACE = 64 << 20 };

/// Algorithms of NVIDIA's libraries, and the program's own for depthwise convolutions. Each function appends some, the
/// most promising first, and returns the new count.
size_t cublas_algorithms(const product *product, algorithm **algorithms, size_t count);
size_t cudnn_algorithms(const product *product, algorithm **algorithms, size_t count);
size_t own_algorithms(const product *product, algorithm **algorithms, size_t count);

/// The epilogue of an algorithm that only multiplies: bias, residual and activation in one pass over y.
char *finish_on_gpu(const product *product, void *stream);

/// Whether it is a 1 × 1 convolution.
bool is_pointwise(const product *product);

/// Whether it is a depthwise convolution; weights are then [row, column, channel].
bool is_depthwise(const product *product);

/// Runs on the GPU with the fastest algorithm, which is determined when the layer is first used.
char *product_on_gpu(const product *product, void *stream);

/// Runs on the CPU, in `f32` only.
void product_on_cpu(const product *product);

/// A sliding window over images, per channel.
typedef struct {
  int type;
  bool is_mean, counts_padding;
  int64_t images, size[2], channels, kernel[2], stride[2], leading[2], result[2];
  const void *x;
  void *y;
} pooling;

char *pooling_on_gpu(const pooling *pooling, void *stream);
void pooling_on_cpu(const pooling *pooling);

#endif
