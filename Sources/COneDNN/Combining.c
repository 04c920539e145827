#include "Internal.h"

// MARK: - Binary operations, concatenation, normalisation

int onednn_binary_create(onednn_context *context, onednn_binary_kind kind, const onednn_layout *first,
    const onednn_layout *second, onednn_operation **out) {
  int status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  dnnl_alg_kind_t algorithm = kind == ONEDNN_ADD ? dnnl_binary_add : dnnl_binary_mul;
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_binary_primitive_desc_create(
      &description, context->engine, algorithm, first->value, second->value, first->value, attributes));
  status = onednn_finish(context, description, out);
  if (status == dnnl_success) (*out)->has_second = true;
done:
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_concatenation_create(
    onednn_context *context, int count, const onednn_layout *const *sources, onednn_operation **out) {
  int status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
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
  status = onednn_finish(context, description, out);
done:
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_layer_normalization_create(
    onednn_context *context, const onednn_layout *rows, float epsilon, onednn_operation **out) {
  int status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  unsigned flags = dnnl_use_scale | dnnl_use_shift;
  CHECK(onednn_make_attributes(&attributes));
  CHECK(dnnl_layer_normalization_forward_primitive_desc_create(&description, context->engine, dnnl_forward_inference,
      rows->value, rows->value, NULL, epsilon, flags, attributes));
  status = onednn_finish(context, description, out);
  if (status == dnnl_success) (*out)->channels = onednn_layout_last_dimension(rows);
done:
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}
