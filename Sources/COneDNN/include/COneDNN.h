// A thin C interface to oneDNN with opaque handles and status codes. This target alone depends on whether oneDNN 2.6
// (API v2) or 3.x (API v3) is installed.
//
// Every function that returns `int` returns 0 on success and a oneDNN status otherwise; `onednn_status_text` describes
// it. Handles are owned by the caller and freed by the matching `_destroy`.
#ifndef ZOETROPE_CONEDNN_H
#define ZOETROPE_CONEDNN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A CPU engine with its stream. Must not be used by several threads at the same time.
typedef struct onednn_context onednn_context;
/// A memory descriptor: dimensions and the order of elements.
typedef struct onednn_layout onednn_layout;
/// One primitive, bound to memory once and executed many times.
typedef struct onednn_operation onednn_operation;

typedef enum { ONEDNN_F32 = 0, ONEDNN_BF16 = 1, ONEDNN_S8 = 2, ONEDNN_U8 = 3, ONEDNN_S32 = 4 } onednn_element;
/// `BLOCKED` groups channels by vector length: 16 with AVX-512, 8 elsewhere.
typedef enum { ONEDNN_ANY = 0, ONEDNN_PLAIN = 1, ONEDNN_CHANNELS_LAST = 2, ONEDNN_BLOCKED = 3 } onednn_format;
/// `HARD_SIGMOID` only fused with a convolution.
typedef enum {
  ONEDNN_IDENTITY = 0, ONEDNN_RELU = 1, ONEDNN_SIGMOID = 2, ONEDNN_TANH = 3, ONEDNN_SILU = 4, ONEDNN_RELU6 = 5,
  ONEDNN_HARD_SIGMOID = 6, ONEDNN_HARD_SWISH = 7, ONEDNN_GELU = 8, ONEDNN_GELU_TANH = 9, ONEDNN_QUICK_GELU = 10
} onednn_activation;
typedef enum {
  ONEDNN_MAX = 0, ONEDNN_AVERAGE_EXCLUDING_PADDING = 1, ONEDNN_AVERAGE_INCLUDING_PADDING = 2
} onednn_pooling_kind;
typedef enum { ONEDNN_ADD = 0, ONEDNN_MULTIPLY = 1 } onednn_binary_kind;

/// Such as "oneDNN 2.6.3".
void onednn_version_text(char *text, size_t capacity);
/// The instruction set oneDNN generates code for, such as "avx512_core_vnni".
const char *onednn_instruction_set(void);
/// Whether the processor has multiply instructions for that element type; otherwise oneDNN converts or saturates.
bool onednn_has_arithmetic(onednn_element element);
/// Whether the processor can only multiply unsigned bytes by signed ones, so that signed sources are slower.
bool onednn_prefers_unsigned_sources(void);
const char *onednn_status_text(int status);
/// Threads of primitives that the calling thread creates and runs. No effect on a sequential build.
void onednn_set_threads(int count);
/// Sets one oneDNN thread for the calling thread and flushes denormals to zero, which would slow it down a hundredfold.
/// Returns the thread's floating-point control register for `onednn_restore_denormals`.
uint64_t onednn_prepare_thread(void);
/// Only flushes denormals. Threads that oneDNN later starts from the calling thread inherit it.
uint64_t onednn_flush_denormals(void);
/// Restores the calling thread's floating-point control register.
void onednn_restore_denormals(uint64_t control);

int onednn_context_create(onednn_context **context);
void onednn_context_destroy(onednn_context *context);

/// A layout of `rank` dimensions, at most 6; channels last needs 4 or 5, blocked 4.
int onednn_layout_create(
    onednn_layout **layout, onednn_element element, int rank, const int64_t *dimensions, onednn_format format);
onednn_element onednn_layout_element(const onednn_layout *layout);
void onednn_layout_destroy(onednn_layout *layout);
/// Bytes of a buffer with this layout, padding included.
size_t onednn_layout_bytes(const onednn_layout *layout);
bool onednn_layout_equal(const onednn_layout *first, const onednn_layout *second);

/// A window that slides over images, or over frames too: `[frames, height, width]`, with 1 for the frames of images.
typedef struct {
  bool over_frames;
  int64_t batch, in_channels, out_channels;
  int64_t in[3], out[3], kernel[3], stride[3], before[3], after[3];
  /// Distance of the weights; 1 is not dilated.
  int64_t dilation[3];
} onednn_window;

typedef struct {
  onednn_window window;
  int64_t groups;
  /// Adds the convolution to the destination's content before the activation.
  bool accumulate;
  onednn_activation activation;
  onednn_element weights_element;
  /// Winograd convolution instead of direct convolution.
  bool winograd;
  /// For S8 weights only: a value is element · scale. `weights_scales` has one scale per output channel; the scales of
  /// float32 tensors are 1. The accumulated value may be S8 if the destination is U8.
  float source_scale, destination_scale, accumulated_scale;
  onednn_element accumulated_element;
  /// Zero points of a U8 source or destination.
  int32_t source_zero_point, destination_zero_point;
  const float *weights_scales;
} onednn_convolution_options;

/// The bias in the units of such a convolution.
float onednn_stored_bias(float bias, float source_scale, float weights_scale);

/// Convolution with bias, which is always float32. `onednn_operation_weights` then returns the weights' layout.
int onednn_convolution_create(onednn_context *context, const onednn_convolution_options *options,
    const onednn_layout *source, const onednn_layout *destination, onednn_operation **operation);

int onednn_pooling_create(onednn_context *context, onednn_pooling_kind kind, const onednn_window *window,
    const onednn_layout *source, onednn_operation **operation);

/// Converts to another layout or element type, times `factor`, rounded and saturated for integers.
int onednn_reorder_create(onednn_context *context, const onednn_layout *from, const onednn_layout *to, float factor,
    onednn_operation **operation);
/// Requantisation: (from − its zero point) · factor + the zero point of `to`.
int onednn_requantization_create(onednn_context *context, const onednn_layout *from, const onednn_layout *to,
    float factor, int32_t from_zero_point, int32_t to_zero_point, onednn_operation **operation);

int onednn_eltwise_create(
    onednn_context *context, onednn_activation activation, const onednn_layout *layout, onednn_operation **operation);

int onednn_binary_create(onednn_context *context, onednn_binary_kind kind, const onednn_layout *first,
    const onednn_layout *second, onednn_operation **operation);

/// Layer normalisation of rows `[count, size]` of float32 or bfloat16; scale and shift are float32, bound as weights
/// and bias.
int onednn_layer_normalization_create(
    onednn_context *context, const onednn_layout *rows, float epsilon, onednn_operation **operation);

/// Concatenates tensors along the channels, their second dimension.
int onednn_concatenation_create(
    onednn_context *context, int count, const onednn_layout *const *sources, onednn_operation **operation);

/// What a training primitive computes.
typedef enum { ONEDNN_FORWARD = 0, ONEDNN_BACKWARD_DATA = 1, ONEDNN_BACKWARD_WEIGHTS = 2 } onednn_direction;
/// Tensors of a training primitive.
typedef enum {
  ONEDNN_SOURCE = 0, ONEDNN_WEIGHTS, ONEDNN_BIAS, ONEDNN_DESTINATION, ONEDNN_DIFF_SOURCE, ONEDNN_DIFF_WEIGHTS,
  ONEDNN_DIFF_BIAS, ONEDNN_DIFF_DESTINATION, ONEDNN_MEAN, ONEDNN_VARIANCE, ONEDNN_SCALE, ONEDNN_SHIFT,
  ONEDNN_DIFF_SCALE, ONEDNN_DIFF_SHIFT, ONEDNN_WORKSPACE
} onednn_argument;

/// Training primitives use float32, channels last; their weights have any layout, see `onednn_operation_layout`. Of
/// `options`, sizes, padding, groups and `winograd` are used; with `winograd`, images are blocked.
int onednn_convolution_training_create(onednn_context *context, const onednn_convolution_options *options,
    bool has_bias, onednn_direction direction, onednn_operation **operation);
/// The forward pass stores the indices of maxima in its workspace for the backward pass.
int onednn_pooling_training_create(onednn_context *context, onednn_pooling_kind kind, const onednn_window *window,
    onednn_direction direction, onednn_operation **operation);
/// Batch normalisation with batch statistics, which are returned; with `rectifies` followed by a ReLU, whose mask is
/// stored in the workspace.
int onednn_normalization_training_create(onednn_context *context, int64_t batch, int64_t channels, int64_t height,
    int64_t width, float epsilon, bool rectifies, onednn_direction direction, onednn_operation **operation);
/// The layout that a training primitive needs; null if it has no such argument. Owned by the caller.
onednn_layout *onednn_operation_layout(const onednn_operation *operation, onednn_argument argument);
int onednn_operation_bind_arguments(
    onednn_operation *operation, int count, const onednn_argument *arguments, void *const *buffers, void *scratchpad);

void onednn_operation_destroy(onednn_operation *operation);
/// New handles, owned by the caller; null if the operation has no such argument.
onednn_layout *onednn_operation_source(const onednn_operation *operation);
onednn_layout *onednn_operation_weights(const onednn_operation *operation);
onednn_layout *onednn_operation_destination(const onednn_operation *operation);
size_t onednn_operation_scratchpad_bytes(const onednn_operation *operation);
/// The implementation that oneDNN chose, such as "jit:avx512_core".
const char *onednn_operation_kernel(const onednn_operation *operation);

/// Buffers must stay valid until the operation is destroyed or bound again.
int onednn_operation_bind(onednn_operation *operation, void *source, void *second, void *weights, void *bias,
    void *destination, void *scratchpad);
/// For a concatenation; `sources` has one buffer for each tensor.
int onednn_concatenation_bind(
    onednn_operation *operation, int count, void *const *sources, void *destination, void *scratchpad);
int onednn_operation_execute(onednn_context *context, onednn_operation *operation);

/// Row-major C[m,n] = alpha · op(A)[m,k] · op(B)[k,n] + beta · C; `lda` etc. are row strides in elements.
int onednn_matrix_multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc);
/// Row-major C[m,n] = (A[m,k] − zero) · op(B)[k,n], exact if the processor has instructions for it
/// (`onednn_has_arithmetic` of `ONEDNN_U8`).
int onednn_byte_multiply(bool transpose_b, int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda,
    uint8_t zero, const int8_t *b, int64_t ldb, int32_t *c, int64_t ldc);

#endif
