// Compatibility with oneDNN 2: implements the functions of oneDNN 3 that create primitive descriptions through oneDNN
// 2's two steps. The files of this target are written for oneDNN 3; all differences are here or marked with `#if API3`.
#ifndef ZOETROPE_CONEDNN_VERSION2_H
#define ZOETROPE_CONEDNN_VERSION2_H

/// `dnnl_primitive_desc_create`, serialised: until version 2.7 oneDNN uses a static variable when it plans
/// convolutions, and two threads that plan different element types at once get wrong kernels.
dnnl_status_t onednn_describe(dnnl_primitive_desc_t *out, const_dnnl_op_desc_t request,
    const_dnnl_primitive_attr_t attributes, dnnl_engine_t engine, const_dnnl_primitive_desc_t hint);

/// Creates the description of `request`; `hint` is the forward primitive of a backward one.
#define DESCRIBE(init, hint)                                                                       \
  do {                                                                                             \
    dnnl_status_t init_status = (init);                                                            \
    if (init_status != dnnl_success) return init_status;                                           \
    return onednn_describe(out, &request, attributes, engine, hint);                               \
  } while (0)

static inline dnnl_status_t dnnl_convolution_forward_primitive_desc_create(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_prop_kind_t kind, dnnl_alg_kind_t algorithm,
    borrowed_descriptor source, borrowed_descriptor weights, borrowed_descriptor bias,
    borrowed_descriptor destination, const dnnl_dims_t strides, const dnnl_dims_t dilates,
    const dnnl_dims_t before, const dnnl_dims_t after, const_dnnl_primitive_attr_t attributes) {
  dnnl_convolution_desc_t request;
  DESCRIBE(
      dnnl_dilated_convolution_forward_desc_init(
          &request, kind, algorithm, source, weights, bias, destination, strides, dilates, before, after),
      NULL);
}

static inline dnnl_status_t dnnl_convolution_backward_data_primitive_desc_create(dnnl_primitive_desc_t *out,
    dnnl_engine_t engine, dnnl_alg_kind_t algorithm, borrowed_descriptor source, borrowed_descriptor weights,
    borrowed_descriptor destination, const dnnl_dims_t strides, const dnnl_dims_t dilates, const dnnl_dims_t before,
    const dnnl_dims_t after, dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes) {
  dnnl_convolution_desc_t request;
  DESCRIBE(
      dnnl_dilated_convolution_backward_data_desc_init(
          &request, algorithm, source, weights, destination, strides, dilates, before, after),
      forward);
}

static inline dnnl_status_t dnnl_convolution_backward_weights_primitive_desc_create(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_alg_kind_t algorithm, borrowed_descriptor source,
    borrowed_descriptor weights, borrowed_descriptor bias, borrowed_descriptor destination, const dnnl_dims_t strides,
    const dnnl_dims_t dilates, const dnnl_dims_t before, const dnnl_dims_t after, dnnl_primitive_desc_t forward,
    const_dnnl_primitive_attr_t attributes) {
  dnnl_convolution_desc_t request;
  DESCRIBE(
      dnnl_dilated_convolution_backward_weights_desc_init(
          &request, algorithm, source, weights, bias, destination, strides, dilates, before, after),
      forward);
}

// oneDNN 2's pooling without dilation, which no network here uses.
static inline dnnl_status_t dnnl_pooling_forward_primitive_desc_create(dnnl_primitive_desc_t *out,
    dnnl_engine_t engine, dnnl_prop_kind_t kind, dnnl_alg_kind_t algorithm, borrowed_descriptor source,
    borrowed_descriptor destination, const dnnl_dims_t strides, const dnnl_dims_t kernel, const dnnl_dims_t dilates,
    const dnnl_dims_t before, const dnnl_dims_t after, const_dnnl_primitive_attr_t attributes) {
  (void)dilates;
  dnnl_pooling_desc_t request;
  DESCRIBE(
      dnnl_pooling_forward_desc_init(&request, kind, algorithm, source, destination, strides, kernel, before, after),
      NULL);
}

static inline dnnl_status_t dnnl_pooling_backward_primitive_desc_create(dnnl_primitive_desc_t *out,
    dnnl_engine_t engine, dnnl_alg_kind_t algorithm, borrowed_descriptor source, borrowed_descriptor destination,
    const dnnl_dims_t strides, const dnnl_dims_t kernel, const dnnl_dims_t dilates, const dnnl_dims_t before,
    const dnnl_dims_t after, dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes) {
  (void)dilates;
  dnnl_pooling_desc_t request;
  DESCRIBE(dnnl_pooling_backward_desc_init(&request, algorithm, source, destination, strides, kernel, before, after),
      forward);
}

static inline dnnl_status_t dnnl_batch_normalization_forward_primitive_desc_create(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_prop_kind_t kind, borrowed_descriptor source,
    borrowed_descriptor destination, float epsilon, unsigned flags, const_dnnl_primitive_attr_t attributes) {
  (void)destination;
  dnnl_batch_normalization_desc_t request;
  DESCRIBE(dnnl_batch_normalization_forward_desc_init(&request, kind, source, epsilon, flags), NULL);
}

static inline dnnl_status_t dnnl_batch_normalization_backward_primitive_desc_create(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_prop_kind_t kind, borrowed_descriptor source_gradient,
    borrowed_descriptor destination_gradient, borrowed_descriptor source, float epsilon, unsigned flags,
    dnnl_primitive_desc_t forward, const_dnnl_primitive_attr_t attributes) {
  (void)destination_gradient;
  dnnl_batch_normalization_desc_t request;
  DESCRIBE(
      dnnl_batch_normalization_backward_desc_init(&request, kind, source_gradient, source, epsilon, flags), forward);
}

static inline dnnl_status_t dnnl_layer_normalization_forward_primitive_desc_create(dnnl_primitive_desc_t *out,
    dnnl_engine_t engine, dnnl_prop_kind_t kind, borrowed_descriptor source, borrowed_descriptor destination,
    borrowed_descriptor statistics, float epsilon, unsigned flags, const_dnnl_primitive_attr_t attributes) {
  (void)destination;
  dnnl_layer_normalization_desc_t request;
  DESCRIBE(dnnl_layer_normalization_forward_desc_init(&request, kind, source, statistics, epsilon, flags), NULL);
}

static inline dnnl_status_t dnnl_binary_primitive_desc_create(
    dnnl_primitive_desc_t *out, dnnl_engine_t engine, dnnl_alg_kind_t algorithm, borrowed_descriptor first,
    borrowed_descriptor second, borrowed_descriptor destination, const_dnnl_primitive_attr_t attributes) {
  dnnl_binary_desc_t request;
  DESCRIBE(dnnl_binary_desc_init(&request, algorithm, first, second, destination), NULL);
}

static inline dnnl_status_t dnnl_eltwise_forward_primitive_desc_create(dnnl_primitive_desc_t *out,
    dnnl_engine_t engine, dnnl_prop_kind_t kind, dnnl_alg_kind_t algorithm, borrowed_descriptor source,
    borrowed_descriptor destination, float alpha, float beta, const_dnnl_primitive_attr_t attributes) {
  (void)destination;
  dnnl_eltwise_desc_t request;
  DESCRIBE(dnnl_eltwise_forward_desc_init(&request, kind, algorithm, source, alpha, beta), NULL);
}

#undef DESCRIBE
#endif
