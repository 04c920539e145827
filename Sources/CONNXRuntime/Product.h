#ifndef CONNXRUNTIME_PRODUCT_H
#define CONNXRUNTIME_PRODUCT_H

#include "Internal.h"

/// A convolution, or a linear layer as one of images of one pixel, with what is done to its output:
/// y = activation(x ∗ weight + bias + residual), channels last.
typedef struct {
  /// What a plan is made for.
  struct {
    /// Of the numbers, as the library counts types.
    int64_t type;
    /// Of x: images and their height and width. A linear layer's rows are images.
    int64_t images, size[2], channels;
    /// Weights lie [filter, row, column, channel of the group].
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

/// A way to compute a product.
typedef struct way {
  /// Tells the stream to; `workspace` holds `bytes`.
  char *(*run)(const struct way *, const product *, void *workspace, void *stream);
  void (*destroy)(struct way *);
  size_t bytes;
} way;

enum { MOST_WAYS = 12 };

/// Most memory that a way may compute in.
enum { MOST_WORKSPACE = 64 << 20 };

/// The ways of NVIDIA's libraries, and the program's own where channels do not mix; each adds some, most promising first, and
/// gives how many there are then.
size_t cublas_ways(const product *product, way **ways, size_t count);
size_t cudnn_ways(const product *product, way **ways, size_t count);
size_t own_ways(const product *product, way **ways, size_t count);

/// What stands behind a way that only multiplies: bias, residual and activation in one pass over y.
char *finish_on_gpu(const product *product, void *stream);

/// Whether each pixel is multiplied by itself.
bool is_pointwise(const product *product);

/// Whether no channel is mixed with others: weights lie [row, column, channel] then.
bool is_depthwise(const product *product);

/// Runs it on the GPU in the fastest of the ways, which are tried when such a layer is first seen.
char *product_on_gpu(const product *product, void *stream);

/// Runs it here; numbers in `f32` only.
void product_on_cpu(const product *product);

/// A window that slides over images, of one number a channel.
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
