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
  int status = dnnl_success;
  onednn_layout *source = NULL, *destination = NULL, *weights = NULL, *bias = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL, forward = NULL;
  int64_t bias_dims[] = {o->out_channels};
  onednn_window w = onednn_convolution_window(o);
  dnnl_alg_kind_t algorithm = o->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
  // Winograd kernels support only the blocked layout.
  onednn_format format = o->winograd ? ONEDNN_BLOCKED : ONEDNN_CHANNELS_LAST;

  CHECK(onednn_layout_create(&source, ONEDNN_F32, w.rank, w.source, format));
  CHECK(onednn_layout_create(&destination, ONEDNN_F32, w.rank, w.destination, format));
  CHECK(onednn_layout_create(&weights, ONEDNN_F32, w.weights_rank, w.weights, ONEDNN_ANY));
  if (has_bias) CHECK(onednn_layout_create(&bias, ONEDNN_F32, 1, bias_dims, ONEDNN_PLAIN));
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_convolution_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, algorithm, source->value, weights->value,
      bias ? bias->value : NULL, destination->value, w.strides, w.dilates, w.before, w.after, attributes));
  if (direction == ONEDNN_BACKWARD_DATA)
    CHECK(dnnl_convolution_backward_data_primitive_desc_create(
        &description, context->engine, algorithm, source->value, weights->value,
        destination->value, w.strides, w.dilates, w.before, w.after, forward, attributes));
  if (direction == ONEDNN_BACKWARD_WEIGHTS)
    CHECK(dnnl_convolution_backward_weights_primitive_desc_create(
        &description, context->engine, algorithm, source->value, weights->value, bias ? bias->value : NULL,
        destination->value, w.strides, w.dilates, w.before, w.after, forward, attributes));
  status = finish(context, direction, &forward, &description, out);
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
    onednn_context *context, const onednn_pooling_options *o, onednn_direction direction, onednn_operation **out) {
  int status = dnnl_success;
  onednn_layout *source = NULL, *destination = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL, forward = NULL;
  onednn_window w = onednn_pooling_window(o);

  CHECK(onednn_layout_create(&source, ONEDNN_F32, w.rank, w.source, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_layout_create(&destination, ONEDNN_F32, w.rank, w.destination, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_pooling_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, onednn_pooling_algorithms[o->kind], source->value,
      destination->value, w.strides, w.kernel, w.dilates, w.before, w.after, attributes));
  if (direction != ONEDNN_FORWARD)
    CHECK(dnnl_pooling_backward_primitive_desc_create(&description, context->engine, onednn_pooling_algorithms[o->kind],
        source->value, destination->value, w.strides, w.kernel, w.dilates, w.before, w.after, forward, attributes));
  status = finish(context, direction, &forward, &description, out);
done:
  if (description) dnnl_primitive_desc_destroy(description);
  if (forward) dnnl_primitive_desc_destroy(forward);
  onednn_layout_destroy(source);
  onednn_layout_destroy(destination);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_normalization_training_create(onednn_context *context, int64_t batch, int64_t channels, int64_t height,
    int64_t width, float epsilon, bool rectifies, onednn_direction direction, onednn_operation **out) {
  int status = dnnl_success;
  onednn_layout *layout = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL, forward = NULL;
  unsigned flags = dnnl_use_scale | dnnl_use_shift | (rectifies ? dnnl_fuse_norm_relu : 0);
  int64_t dims[] = {batch, channels, height, width};
  CHECK(onednn_layout_create(&layout, ONEDNN_F32, 4, dims, ONEDNN_CHANNELS_LAST));
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_batch_normalization_forward_primitive_desc_create(
      &forward, context->engine, dnnl_forward_training, layout->value, layout->value, epsilon, flags, attributes));
  if (direction != ONEDNN_FORWARD)
    CHECK(dnnl_batch_normalization_backward_primitive_desc_create(&description, context->engine, dnnl_backward,
        layout->value, layout->value, layout->value, epsilon, flags, forward, attributes));
  status = finish(context, direction, &forward, &description, out);
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
