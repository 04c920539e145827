#include "Internal.h"

// Training primitives: forward passes that keep intermediate results, and gradients. Image tensors are float32,
// channels last except for Winograd convolution.

/// Creates the forward or backward primitive and takes ownership of its description.
static int finish(onednn_context *context, onednn_direction direction, dnnl_primitive_desc_t *forward,
    dnnl_primitive_desc_t *backward, onednn_operation **out) {
  dnnl_primitive_desc_t *wanted = direction == ONEDNN_FORWARD ? forward : backward;
  dnnl_primitive_desc_t description = *wanted;
  *wanted = NULL;
  return onednn_finish(context, description, out);
}

int onednn_convolution_training_create(onednn_context *context, const onednn_convolution_options *o, bool has_bias,
    onednn_direction direction, onednn_operation **out) {
  OWNED(layout) source = NULL;
  OWNED(layout) destination = NULL;
  OWNED(layout) weights = NULL;
  OWNED(layout) bias = NULL;
  OWNED(attributes) attributes = NULL;
  OWNED(description) forward = NULL;
  OWNED(description) backward = NULL;
  onednn_sizes w = onednn_window_sizes(&o->window, o->groups);
  dnnl_alg_kind_t algorithm = o->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
  // Winograd kernels support only the blocked layout.
  onednn_format format = o->winograd ? ONEDNN_BLOCKED : ONEDNN_CHANNELS_LAST;
  CHECK(onednn_layout_create(&source, ONEDNN_F32, w.rank, w.source, format));
  CHECK(onednn_layout_create(&destination, ONEDNN_F32, w.rank, w.destination, format));
  CHECK(onednn_layout_create(&weights, ONEDNN_F32, w.weights_rank, w.weights, ONEDNN_ANY));
  if (has_bias) CHECK(onednn_layout_create(&bias, ONEDNN_F32, 1, &o->window.out_channels, ONEDNN_PLAIN));
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_convolution_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, algorithm, source->value, weights->value,
      bias ? bias->value : NULL, destination->value, w.strides, w.dilates, w.before, w.after, attributes));
  if (direction == ONEDNN_BACKWARD_DATA)
    CHECK(dnnl_convolution_backward_data_primitive_desc_create(
        &backward, context->engine, algorithm, source->value, weights->value,
        destination->value, w.strides, w.dilates, w.before, w.after, forward, attributes));
  if (direction == ONEDNN_BACKWARD_WEIGHTS)
    CHECK(dnnl_convolution_backward_weights_primitive_desc_create(
        &backward, context->engine, algorithm, source->value, weights->value, bias ? bias->value : NULL,
        destination->value, w.strides, w.dilates, w.before, w.after, forward, attributes));
  return finish(context, direction, &forward, &backward, out);
}

int onednn_pooling_training_create(onednn_context *context, onednn_pooling_kind kind, const onednn_window *window,
    onednn_direction direction, onednn_operation **out) {
  OWNED(layout) source = NULL;
  OWNED(layout) destination = NULL;
  OWNED(attributes) attributes = NULL;
  OWNED(description) forward = NULL;
  OWNED(description) backward = NULL;
  onednn_sizes w = onednn_window_sizes(window, 1);
  dnnl_alg_kind_t algorithm = onednn_pooling_algorithms[kind];
  CHECK(onednn_layout_create(&source, ONEDNN_F32, w.rank, w.source, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_layout_create(&destination, ONEDNN_F32, w.rank, w.destination, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_pooling_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, algorithm, source->value, destination->value, w.strides,
      w.kernel, w.dilates, w.before, w.after, attributes));
  if (direction != ONEDNN_FORWARD)
    CHECK(dnnl_pooling_backward_primitive_desc_create(&backward, context->engine, algorithm, source->value,
        destination->value, w.strides, w.kernel, w.dilates, w.before, w.after, forward, attributes));
  return finish(context, direction, &forward, &backward, out);
}

int onednn_normalization_training_create(onednn_context *context, int64_t batch, int64_t channels, int64_t height,
    int64_t width, float epsilon, bool rectifies, onednn_direction direction, onednn_operation **out) {
  OWNED(layout) layout = NULL;
  OWNED(attributes) attributes = NULL;
  OWNED(description) forward = NULL;
  OWNED(description) backward = NULL;
  unsigned flags = dnnl_use_scale | dnnl_use_shift | (rectifies ? dnnl_fuse_norm_relu : 0);
  int64_t dims[] = {batch, channels, height, width};
  CHECK(onednn_layout_create(&layout, ONEDNN_F32, 4, dims, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_batch_normalization_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, layout->value, layout->value, epsilon, flags, attributes));
  if (direction != ONEDNN_FORWARD)
    CHECK(dnnl_batch_normalization_backward_primitive_desc_create(&backward, context->engine, dnnl_backward,
        layout->value, layout->value, layout->value, epsilon, flags, forward, attributes));
  CHECK(finish(context, direction, &forward, &backward, out));
  (*out)->channels = channels;
  (*out)->is_backward = direction != ONEDNN_FORWARD;
  return dnnl_success;
}
