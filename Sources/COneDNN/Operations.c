#include "Internal.h"

// MARK: - Attributes

typedef struct {
  dnnl_alg_kind_t algorithm;
  float alpha, beta;
} eltwise;

/// By activation. The numbers of hard-swish are read by API v3 only.
static const eltwise eltwises[] = {
    [ONEDNN_RELU] = {dnnl_eltwise_relu, 0, 0}, [ONEDNN_SIGMOID] = {dnnl_eltwise_logistic, 0, 0},
    [ONEDNN_TANH] = {dnnl_eltwise_tanh, 0, 0}, [ONEDNN_SILU] = {dnnl_eltwise_swish, 1, 0},
    [ONEDNN_RELU6] = {dnnl_eltwise_clip, 0, 6}, [ONEDNN_HARD_SWISH] = {dnnl_eltwise_hardswish, 1.0f / 6, 0.5f},
    [ONEDNN_GELU] = {dnnl_eltwise_gelu_erf, 0, 0}, [ONEDNN_GELU_TANH] = {dnnl_eltwise_gelu_tanh, 0, 0},
    [ONEDNN_QUICK_GELU] = {dnnl_eltwise_swish, 1.702f, 0}};

/// Attributes of a primitive whose scratchpad the caller owns, so that any thread may run it and a plan shares one
/// buffer.
dnnl_status_t onednn_make_attributes(dnnl_primitive_attr_t *attributes) {
  CHECK(dnnl_primitive_attr_create(attributes));
  return dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user);
}

static dnnl_status_t append_sum(dnnl_post_ops_t operations, float scale, dnnl_data_type_t accumulated) {
#if API3
  return dnnl_post_ops_append_sum(operations, scale, 0, accumulated);
#else
  return dnnl_post_ops_append_sum_v2(operations, scale, accumulated);
#endif
}

static dnnl_status_t append_function(
    dnnl_post_ops_t operations, dnnl_alg_kind_t algorithm, float alpha, float beta, float scale) {
#if API3
  (void)scale;
  return dnnl_post_ops_append_eltwise(operations, algorithm, alpha, beta);
#else
  return dnnl_post_ops_append_eltwise(operations, scale, algorithm, alpha, beta);
#endif
}

static dnnl_status_t append_eltwise(dnnl_post_ops_t operations, onednn_activation activation, float scale) {
  if (activation == ONEDNN_HARD_SIGMOID) {
    CHECK(append_function(operations, dnnl_eltwise_linear, 1.0f / 6, 0.5f, 1.0f));
    return append_function(operations, dnnl_eltwise_clip, 0.0f, 1.0f, scale);
  }
  eltwise function = eltwises[activation];
  return append_function(operations, function.algorithm, function.alpha, function.beta, scale);
}

/// A zero point of 0 needs no attribute.
static dnnl_status_t set_zero_point(dnnl_primitive_attr_t attributes, int argument, int32_t value) {
  if (value == 0) return dnnl_success;
#if API3
  return dnnl_primitive_attr_set_zero_points_mask(attributes, argument, 0);
#else
  return dnnl_primitive_attr_set_zero_points(attributes, argument, 1, 0, &value);
#endif
}

static dnnl_status_t append_operations(dnnl_post_ops_t operations, const onednn_convolution_options *o, float sum_scale,
    dnnl_data_type_t accumulated, float activation_scale) {
  if (o->accumulate) CHECK(append_sum(operations, sum_scale, accumulated));
  return o->activation == ONEDNN_IDENTITY ? dnnl_success : append_eltwise(operations, o->activation, activation_scale);
}

/// The epilogue: scales, accumulation, activation, and division by the destination's scale.
static dnnl_status_t convolution_attributes(dnnl_primitive_attr_t *attributes, const onednn_convolution_options *o) {
  float sum_scale = 1.0f, activation_scale = 1.0f;
  dnnl_data_type_t accumulated = dnnl_data_type_undef;
  CHECK(onednn_make_attributes(attributes));
  if (o->weights_scales) {
    sum_scale = o->accumulated_scale;
    accumulated = o->accumulated_element == ONEDNN_S8 ? dnnl_s8
        : o->accumulated_element == ONEDNN_U8         ? dnnl_u8
                                                      : dnnl_f32;
#if API3
    CHECK(dnnl_primitive_attr_set_scales_mask(*attributes, DNNL_ARG_SRC, 0));
    CHECK(dnnl_primitive_attr_set_scales_mask(*attributes, DNNL_ARG_WEIGHTS, o->groups > 1 ? 3 : 1));
    CHECK(dnnl_primitive_attr_set_scales_mask(*attributes, DNNL_ARG_DST, 0));
#else
    // API v2 can divide by the destination's scale after the activation only through the activation's own factor; ReLU
    // and the identity commute with the division.
    bool commutes = o->activation == ONEDNN_IDENTITY || o->activation == ONEDNN_RELU;
    int64_t count = o->window.out_channels;
    float *scales = malloc(count * sizeof *scales);
    if (!scales) return dnnl_out_of_memory;
    for (int64_t i = 0; i < count; i++) {
      scales[i] = o->source_scale * o->weights_scales[i];
      if (commutes) scales[i] /= o->destination_scale;
    }
    dnnl_status_t status = dnnl_primitive_attr_set_output_scales(*attributes, count, 1 << 1, scales);
    free(scales);
    CHECK(status);
    if (commutes) sum_scale /= o->destination_scale;
    else activation_scale = 1.0f / o->destination_scale;
#endif
    CHECK(set_zero_point(*attributes, DNNL_ARG_SRC, o->source_zero_point));
    CHECK(set_zero_point(*attributes, DNNL_ARG_DST, o->destination_zero_point));
  }
  dnnl_post_ops_t operations = NULL;
  CHECK(dnnl_post_ops_create(&operations));
  dnnl_status_t status = append_operations(operations, o, sum_scale, accumulated, activation_scale);
  if (status == dnnl_success) status = dnnl_primitive_attr_set_post_ops(*attributes, operations);
  dnnl_post_ops_destroy(operations);
  return status;
}

float onednn_stored_bias(float bias, float source_scale, float weights_scale) {
#if API3
  (void)source_scale, (void)weights_scale;
  return bias;
#else
  return bias / (source_scale * weights_scale);
#endif
}

// MARK: - Operations

int onednn_finish(onednn_context *context, dnnl_primitive_desc_t description, onednn_operation **out) {
  onednn_operation *operation = calloc(1, sizeof *operation);
  if (!operation) {
    dnnl_primitive_desc_destroy(description);
    return dnnl_out_of_memory;
  }
  operation->engine = context->engine;
  operation->description = description;
  dnnl_status_t status = dnnl_primitive_create(&operation->primitive, description);
  if (status != dnnl_success) {
    onednn_operation_destroy(operation);
    return status;
  }
  *out = operation;
  return dnnl_success;
}

#if API3
/// Stores an argument of the execution with the primitive; elements have four bytes.
static dnnl_status_t keep(
    onednn_operation *operation, int argument, onednn_element element, int64_t count, const void *values) {
  void *copy = malloc(count * 4);
  if (!copy) return dnnl_out_of_memory;
  memcpy(copy, values, count * 4);
  operation->kept[operation->kept_count++] = (onednn_kept){argument, element, count, copy};
  return dnnl_success;
}

static dnnl_status_t keep_scales(onednn_operation *operation, int argument, int64_t count, const float *values) {
  return keep(operation, DNNL_ARG_ATTR_SCALES | argument, ONEDNN_F32, count, values);
}

static dnnl_status_t keep_zero_point(onednn_operation *operation, int argument, int32_t value) {
  if (value == 0) return dnnl_success;
  return keep(operation, DNNL_ARG_ATTR_ZERO_POINTS | argument, ONEDNN_S32, 1, &value);
}
#endif

int onednn_convolution_create(onednn_context *context, const onednn_convolution_options *o,
    const onednn_layout *source, const onednn_layout *destination, onednn_operation **out) {
  OWNED(layout) weights = NULL;
  OWNED(layout) bias = NULL;
  OWNED(attributes) attributes = NULL;
  OWNED(operation) made = NULL;
  dnnl_primitive_desc_t description = NULL;
  onednn_sizes w = onednn_window_sizes(&o->window, o->groups);
  dnnl_alg_kind_t algorithm = o->winograd ? dnnl_convolution_winograd : dnnl_convolution_direct;
  CHECK(onednn_layout_create(&weights, o->weights_element, w.weights_rank, w.weights, ONEDNN_ANY));
  CHECK(onednn_layout_create(&bias, ONEDNN_F32, 1, &o->window.out_channels, ONEDNN_PLAIN));
  CHECK(convolution_attributes(&attributes, o));
  CHECK(dnnl_convolution_forward_primitive_desc_create(
      &description, context->engine, dnnl_forward_inference, algorithm, source->value, weights->value, bias->value,
      destination->value, w.strides, w.dilates, w.before, w.after, attributes));
  CHECK(onednn_finish(context, description, &made));
  made->has_weights = true;
#if API3
  if (o->weights_scales) {
    CHECK(keep_scales(made, DNNL_ARG_SRC, 1, &o->source_scale));
    CHECK(keep_scales(made, DNNL_ARG_WEIGHTS, o->window.out_channels, o->weights_scales));
    CHECK(keep_scales(made, DNNL_ARG_DST, 1, &o->destination_scale));
    CHECK(keep_zero_point(made, DNNL_ARG_SRC, o->source_zero_point));
    CHECK(keep_zero_point(made, DNNL_ARG_DST, o->destination_zero_point));
  }
#endif
  *out = made;
  made = NULL;
  return dnnl_success;
}

const dnnl_alg_kind_t onednn_pooling_algorithms[] = {
    dnnl_pooling_max, dnnl_pooling_avg_exclude_padding, dnnl_pooling_avg_include_padding};

int onednn_pooling_create(onednn_context *context, onednn_pooling_kind kind, const onednn_window *window,
    const onednn_layout *source, onednn_operation **out) {
  OWNED(layout) destination = NULL;
  OWNED(attributes) attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  onednn_sizes w = onednn_window_sizes(window, 1);
  CHECK(onednn_layout_create(&destination, onednn_layout_element(source), w.rank, w.destination, ONEDNN_ANY));
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_pooling_forward_primitive_desc_create(
      &description, context->engine, dnnl_forward_inference, onednn_pooling_algorithms[kind], source->value,
      destination->value, w.strides, w.kernel, w.dilates, w.before, w.after, attributes));
  return onednn_finish(context, description, out);
}

int onednn_reorder_create(onednn_context *context, const onednn_layout *from, const onednn_layout *to, float factor,
    onednn_operation **out) {
  return onednn_requantization_create(context, from, to, factor, 0, 0, out);
}

int onednn_requantization_create(onednn_context *context, const onednn_layout *from, const onednn_layout *to,
    float factor, int32_t from_zero_point, int32_t to_zero_point, onednn_operation **out) {
  OWNED(attributes) attributes = NULL;
  OWNED(operation) made = NULL;
  dnnl_primitive_desc_t description = NULL;
  CHECK(onednn_make_attributes(&attributes));
#if API3
  if (factor != 1.0f) CHECK(dnnl_primitive_attr_set_scales_mask(attributes, DNNL_ARG_SRC, 0));
#else
  if (factor != 1.0f) CHECK(dnnl_primitive_attr_set_output_scales(attributes, 1, 0, &factor));
#endif
  CHECK(set_zero_point(attributes, DNNL_ARG_SRC, from_zero_point));
  CHECK(set_zero_point(attributes, DNNL_ARG_DST, to_zero_point));
  CHECK(dnnl_reorder_primitive_desc_create(
      &description, from->value, context->engine, to->value, context->engine, attributes));
  CHECK(onednn_finish(context, description, &made));
#if API3
  if (factor != 1.0f) CHECK(keep_scales(made, DNNL_ARG_SRC, 1, &factor));
  CHECK(keep_zero_point(made, DNNL_ARG_SRC, from_zero_point));
  CHECK(keep_zero_point(made, DNNL_ARG_DST, to_zero_point));
#endif
  *out = made;
  made = NULL;
  return dnnl_success;
}

int onednn_eltwise_create(
    onednn_context *context, onednn_activation activation, const onednn_layout *layout, onednn_operation **out) {
  OWNED(attributes) attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  eltwise function = eltwises[activation];
  if (function.algorithm == dnnl_alg_kind_undef) return dnnl_unimplemented;
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_eltwise_forward_primitive_desc_create(&description, context->engine, dnnl_forward_inference,
      function.algorithm, layout->value, layout->value, function.alpha, function.beta, attributes));
  return onednn_finish(context, description, out);
}

// MARK: - Binary operations, concatenation, normalisation

int onednn_binary_create(onednn_context *context, onednn_binary_kind kind, const onednn_layout *first,
    const onednn_layout *second, onednn_operation **out) {
  OWNED(attributes) attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  dnnl_alg_kind_t algorithm = kind == ONEDNN_ADD ? dnnl_binary_add : dnnl_binary_mul;
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_binary_primitive_desc_create(
      &description, context->engine, algorithm, first->value, second->value, first->value, attributes));
  CHECK(onednn_finish(context, description, out));
  (*out)->has_second = true;
  return dnnl_success;
}

int onednn_concatenation_create(
    onednn_context *context, int count, const onednn_layout *const *sources, onednn_operation **out) {
  OWNED(attributes) attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  if (count < 1 || count > MAXIMUM_SOURCES) return dnnl_invalid_arguments;
  CHECK(onednn_make_attributes(&attributes));
#if API3
  const_dnnl_memory_desc_t descriptors[MAXIMUM_SOURCES];
  for (int i = 0; i < count; i++) descriptors[i] = sources[i]->value;
  CHECK(dnnl_concat_primitive_desc_create(&description, context->engine, NULL, count, 1, descriptors, attributes));
#else
  dnnl_memory_desc_t descriptors[MAXIMUM_SOURCES];
  for (int i = 0; i < count; i++) descriptors[i] = sources[i]->value[0];
  CHECK(dnnl_concat_primitive_desc_create(&description, NULL, count, 1, descriptors, attributes, context->engine));
#endif
  return onednn_finish(context, description, out);
}

int onednn_layer_normalization_create(
    onednn_context *context, const onednn_layout *rows, float epsilon, onednn_operation **out) {
  OWNED(attributes) attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  unsigned flags = dnnl_use_scale | dnnl_use_shift;
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_layer_normalization_forward_primitive_desc_create(&description, context->engine, dnnl_forward_inference,
      rows->value, rows->value, NULL, epsilon, flags, attributes));
  CHECK(onednn_finish(context, description, out));
  (*out)->channels = onednn_layout_last_dimension(rows);
  return dnnl_success;
}
