#include "Internal.h"

// Primitives that train: forward passes that keep what is needed, and their gradients. All tensors of pictures are
// float32, channels last but for Winograd's.

int onednn_convolution_training_create(
    onednn_context *context, const onednn_convolution_options *o, bool has_bias,
    onednn_direction direction, onednn_operation **out) {
  int status = dnnl_success;
  onednn_layout *source = NULL, *destination = NULL, *weights = NULL, *bias = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL, forward = NULL;
  int64_t bias_dims[] = {o->out_channels};
  onednn_window w = onednn_convolution_window(o);
  dnnl_alg_kind_t algorithm = o->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
  // Winograd's kernels know blocked pictures only.
  onednn_format format = o->winograd ? ONEDNN_BLOCKED : ONEDNN_CHANNELS_LAST;

  CHECK(onednn_layout_create(&source, ONEDNN_F32, w.rank, w.source, format));
  CHECK(onednn_layout_create(&destination, ONEDNN_F32, w.rank, w.destination, format));
  CHECK(onednn_layout_create(&weights, ONEDNN_F32, w.weights_rank, w.weights, ONEDNN_ANY));
  if (has_bias) CHECK(onednn_layout_create(&bias, ONEDNN_F32, 1, bias_dims, ONEDNN_PLAIN));
  CHECK(onednn_make_attributes(&attributes));
#if API3
  CHECK(dnnl_convolution_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, algorithm, source->value,
      weights->value, bias ? bias->value : NULL, destination->value, w.strides, w.dilates, w.before,
      w.after, attributes));
  if (direction == ONEDNN_BACKWARD_DATA)
    CHECK(dnnl_convolution_backward_data_primitive_desc_create(
        &description, context->engine, algorithm, source->value, weights->value,
        destination->value, w.strides, w.dilates, w.before, w.after, forward, attributes));
  if (direction == ONEDNN_BACKWARD_WEIGHTS)
    CHECK(dnnl_convolution_backward_weights_primitive_desc_create(
        &description, context->engine, algorithm, source->value, weights->value,
        bias ? bias->value : NULL, destination->value, w.strides, w.dilates, w.before, w.after, forward,
        attributes));
#else
  dnnl_convolution_desc_t request;
  CHECK(dnnl_dilated_convolution_forward_desc_init(
      &request, dnnl_forward_training, algorithm, source->value, weights->value,
      bias ? bias->value : NULL, destination->value, w.strides, w.dilates, w.before, w.after));
  CHECK(dnnl_primitive_desc_create(&forward, &request, attributes, context->engine, NULL));
  if (direction == ONEDNN_BACKWARD_DATA)
    CHECK(dnnl_dilated_convolution_backward_data_desc_init(
        &request, algorithm, source->value, weights->value, destination->value,
        w.strides, w.dilates, w.before, w.after));
  if (direction == ONEDNN_BACKWARD_WEIGHTS)
    CHECK(dnnl_dilated_convolution_backward_weights_desc_init(
        &request, algorithm, source->value, weights->value,
        bias ? bias->value : NULL, destination->value, w.strides, w.dilates, w.before, w.after));
  if (direction != ONEDNN_FORWARD)
    CHECK(dnnl_primitive_desc_create(&description, &request, attributes, context->engine, forward));
#endif
  if (direction == ONEDNN_FORWARD) {
    description = forward;
    forward = NULL;
  }
  status = onednn_finish(context, description, out);
  description = NULL;
done:
  if (description) dnnl_primitive_desc_destroy(description);
  if (forward) dnnl_primitive_desc_destroy(forward);
  onednn_layout_destroy(source);
  onednn_layout_destroy(destination);
  onednn_layout_destroy(weights);
  onednn_layout_destroy(bias);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_pooling_training_create(
    onednn_context *context, const onednn_pooling_options *o, onednn_direction direction,
    onednn_operation **out) {
  static const dnnl_alg_kind_t algorithms[] = {
      dnnl_pooling_max, dnnl_pooling_avg_exclude_padding, dnnl_pooling_avg_include_padding};
  int status = dnnl_success;
  onednn_layout *source = NULL, *destination = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL, forward = NULL;
  onednn_window w = onednn_pooling_window(o);

  CHECK(onednn_layout_create(&source, ONEDNN_F32, w.rank, w.source, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_layout_create(&destination, ONEDNN_F32, w.rank, w.destination, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_make_attributes(&attributes));
#if API3
  CHECK(dnnl_pooling_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, algorithms[o->kind], source->value,
      destination->value, w.strides, w.kernel, w.dilates, w.before, w.after, attributes));
  if (direction != ONEDNN_FORWARD)
    CHECK(dnnl_pooling_backward_primitive_desc_create(
        &description, context->engine, algorithms[o->kind], source->value, destination->value,
        w.strides, w.kernel, w.dilates, w.before, w.after, forward, attributes));
#else
  dnnl_pooling_desc_t request;
  CHECK(dnnl_pooling_forward_desc_init(
      &request, dnnl_forward_training, algorithms[o->kind], source->value, destination->value,
      w.strides, w.kernel, w.before, w.after));
  CHECK(dnnl_primitive_desc_create(&forward, &request, attributes, context->engine, NULL));
  if (direction != ONEDNN_FORWARD) {
    CHECK(dnnl_pooling_backward_desc_init(
        &request, algorithms[o->kind], source->value, destination->value, w.strides, w.kernel, w.before,
        w.after));
    CHECK(dnnl_primitive_desc_create(&description, &request, attributes, context->engine, forward));
  }
#endif
  if (direction == ONEDNN_FORWARD) {
    description = forward;
    forward = NULL;
  }
  status = onednn_finish(context, description, out);
  description = NULL;
done:
  if (description) dnnl_primitive_desc_destroy(description);
  if (forward) dnnl_primitive_desc_destroy(forward);
  onednn_layout_destroy(source);
  onednn_layout_destroy(destination);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_normalization_training_create(
    onednn_context *context, int64_t batch, int64_t channels, int64_t height, int64_t width,
    float epsilon, bool rectifies, onednn_direction direction, onednn_operation **out) {
  int status = dnnl_success;
  onednn_layout *layout = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL, forward = NULL;
  unsigned flags = dnnl_use_scale | dnnl_use_shift | (rectifies ? dnnl_fuse_norm_relu : 0);
  int64_t dims[] = {batch, channels, height, width};
  CHECK(onednn_layout_create(&layout, ONEDNN_F32, 4, dims, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_make_attributes(&attributes));
#if API3
  CHECK(dnnl_batch_normalization_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, layout->value, layout->value, epsilon,
      flags, attributes));
  if (direction != ONEDNN_FORWARD)
    CHECK(dnnl_batch_normalization_backward_primitive_desc_create(
        &description, context->engine, dnnl_backward, layout->value, layout->value, layout->value,
        epsilon, flags, forward, attributes));
#else
  dnnl_batch_normalization_desc_t request;
  CHECK(dnnl_batch_normalization_forward_desc_init(
      &request, dnnl_forward_training, layout->value, epsilon, flags));
  CHECK(dnnl_primitive_desc_create(&forward, &request, attributes, context->engine, NULL));
  if (direction != ONEDNN_FORWARD) {
    CHECK(dnnl_batch_normalization_backward_desc_init(
        &request, dnnl_backward, layout->value, layout->value, epsilon, flags));
    CHECK(dnnl_primitive_desc_create(&description, &request, attributes, context->engine, forward));
  }
#endif
  if (direction == ONEDNN_FORWARD) {
    description = forward;
    forward = NULL;
  }
  status = onednn_finish(context, description, out);
  description = NULL;
  if (status == dnnl_success) {
    (*out)->channels = channels;
    (*out)->is_backward = direction != ONEDNN_FORWARD;
  }
done:
  if (description) dnnl_primitive_desc_destroy(description);
  if (forward) dnnl_primitive_desc_destroy(forward);
  onednn_layout_destroy(layout);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}
