#include "Internal.h"

// MARK: - Binding and executing

static void release_arguments(onednn_operation *operation) {
  for (int i = 0; i < operation->argument_count; i++)
    dnnl_memory_destroy(operation->arguments[i].memory);
  operation->argument_count = 0;
}

void onednn_operation_destroy(onednn_operation *operation) {
  if (!operation) return;
  release_arguments(operation);
  if (operation->primitive) dnnl_primitive_destroy(operation->primitive);
  if (operation->description) dnnl_primitive_desc_destroy(operation->description);
  for (int i = 0; i < operation->kept_count; i++) free(operation->kept[i].values);
  free(operation);
}

static borrowed_descriptor query(const onednn_operation *operation, dnnl_query_t what, int index) {
  return dnnl_primitive_desc_query_md(operation->description, what, index);
}

onednn_layout *onednn_operation_source(const onednn_operation *operation) {
  return onednn_copy_descriptor(query(operation, dnnl_query_src_md, 0));
}

onednn_layout *onednn_operation_weights(const onednn_operation *operation) {
  return operation->has_weights ? onednn_copy_descriptor(query(operation, dnnl_query_weights_md, 0)) : NULL;
}

onednn_layout *onednn_operation_destination(const onednn_operation *operation) {
  return onednn_copy_descriptor(query(operation, dnnl_query_dst_md, 0));
}

size_t onednn_operation_scratchpad_bytes(const onednn_operation *operation) {
  borrowed_descriptor scratchpad = query(operation, dnnl_query_scratchpad_md, 0);
  return scratchpad ? dnnl_memory_desc_get_size(scratchpad) : 0;
}

const char *onednn_operation_kernel(const onednn_operation *operation) {
  const char *name = NULL;
  if (dnnl_primitive_desc_query(operation->description, dnnl_query_impl_info_str, 0, &name)
      != dnnl_success)
    return "unknown";
  return name;
}

static dnnl_status_t add_argument(
    onednn_operation *operation, int argument, borrowed_descriptor layout, void *buffer) {
  dnnl_memory_t memory = NULL;
  CHECK(dnnl_memory_create(&memory, layout, operation->engine, buffer));
  operation->arguments[operation->argument_count].arg = argument;
  operation->arguments[operation->argument_count].memory = memory;
  operation->argument_count++;
  return dnnl_success;
}

/// Scales and zero points are stored with the primitive, the scratchpad belongs to the caller.
static dnnl_status_t add_kept_and_scratchpad(onednn_operation *operation, void *scratchpad) {
#if API3
  for (int i = 0; i < operation->kept_count; i++) {
    onednn_kept *kept = &operation->kept[i];
    OWNED(layout) layout = NULL;
    CHECK(onednn_layout_create(&layout, kept->element, 1, &kept->count, ONEDNN_PLAIN));
    CHECK(add_argument(operation, kept->argument, layout->value, kept->values));
  }
#endif
  if (onednn_operation_scratchpad_bytes(operation) > 0)
    CHECK(add_argument(operation, DNNL_ARG_SCRATCHPAD, query(operation, dnnl_query_scratchpad_md, 0), scratchpad));
  return dnnl_success;
}

int onednn_operation_bind(onednn_operation *operation, void *source, void *second, void *weights, void *bias,
    void *destination, void *scratchpad) {
  OWNED(layout) numbers = NULL;
  release_arguments(operation);
  CHECK(add_argument(operation, DNNL_ARG_SRC, query(operation, dnnl_query_src_md, 0), source));
  if (operation->channels > 0) {
    CHECK(onednn_layout_create(&numbers, ONEDNN_F32, 1, &operation->channels, ONEDNN_PLAIN));
    CHECK(add_argument(operation, DNNL_ARG_SCALE, numbers->value, weights));
    CHECK(add_argument(operation, DNNL_ARG_SHIFT, numbers->value, bias));
  }
  if (operation->has_second)
    CHECK(add_argument(operation, DNNL_ARG_SRC_1, query(operation, dnnl_query_src_md, 1), second));
  if (operation->has_weights) {
    CHECK(add_argument(operation, DNNL_ARG_WEIGHTS, query(operation, dnnl_query_weights_md, 0), weights));
    CHECK(add_argument(operation, DNNL_ARG_BIAS, query(operation, dnnl_query_weights_md, 1), bias));
  }
  CHECK(add_argument(operation, DNNL_ARG_DST, query(operation, dnnl_query_dst_md, 0), destination));
  return add_kept_and_scratchpad(operation, scratchpad);
}

int onednn_concatenation_bind(
    onednn_operation *operation, int count, void *const *sources, void *destination, void *scratchpad) {
  release_arguments(operation);
  for (int i = 0; i < count; i++)
    CHECK(add_argument(operation, DNNL_ARG_MULTIPLE_SRC + i, query(operation, dnnl_query_src_md, i), sources[i]));
  CHECK(add_argument(operation, DNNL_ARG_DST, query(operation, dnnl_query_dst_md, 0), destination));
  return add_kept_and_scratchpad(operation, scratchpad);
}

static const int training_arguments[] = {
    DNNL_ARG_SRC,          DNNL_ARG_WEIGHTS,      DNNL_ARG_BIAS,      DNNL_ARG_DST,
    DNNL_ARG_DIFF_SRC,     DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_BIAS, DNNL_ARG_DIFF_DST,
    DNNL_ARG_MEAN,         DNNL_ARG_VARIANCE,     DNNL_ARG_SCALE,     DNNL_ARG_SHIFT,
    DNNL_ARG_DIFF_SCALE,   DNNL_ARG_DIFF_SHIFT,   DNNL_ARG_WORKSPACE};

static borrowed_descriptor training_descriptor(const onednn_operation *operation, onednn_argument argument) {
  return query(operation, dnnl_query_exec_arg_md, training_arguments[argument]);
}

onednn_layout *onednn_operation_layout(const onednn_operation *operation, onednn_argument argument) {
  borrowed_descriptor found = training_descriptor(operation, argument);
  return found && dnnl_memory_desc_get_size(found) > 0 ? onednn_copy_descriptor(found) : NULL;
}

int onednn_operation_bind_arguments(onednn_operation *operation, int count, const onednn_argument *arguments,
    void *const *buffers, void *scratchpad) {
  OWNED(layout) numbers = NULL;
  release_arguments(operation);
  // oneDNN 2.6 does not report the layout of the gradients of scale and shift: one element per channel.
  if (operation->channels > 0)
    CHECK(onednn_layout_create(&numbers, ONEDNN_F32, 1, &operation->channels, ONEDNN_PLAIN));
  for (int i = 0; i < count; i++) {
#if API3
    // Version 2.6 lists the shift among the inputs of the gradient.
    if (arguments[i] == ONEDNN_SHIFT && operation->is_backward) continue;
#endif
    bool is_number = arguments[i] >= ONEDNN_MEAN && arguments[i] <= ONEDNN_DIFF_SHIFT;
    CHECK(add_argument(operation, training_arguments[arguments[i]],
        is_number && numbers ? numbers->value : training_descriptor(operation, arguments[i]), buffers[i]));
  }
  return add_kept_and_scratchpad(operation, scratchpad);
}

int onednn_operation_execute(onednn_context *context, onednn_operation *operation) {
  dnnl_status_t status = dnnl_primitive_execute(
      operation->primitive, context->stream, operation->argument_count, operation->arguments);
  if (status != dnnl_success) return status;
  return dnnl_stream_wait(context->stream);
}

int onednn_matrix_multiply(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  return dnnl_sgemm(
      transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c,
      ldc);
}

int onednn_byte_multiply(bool transpose_b, int64_t m, int64_t n, int64_t k, const uint8_t *a, int64_t lda,
    uint8_t zero, const int8_t *b, int64_t ldb, int32_t *c, int64_t ldc) {
  const int32_t nothing = 0;
  return dnnl_gemm_u8s8s32(
      'N', transpose_b ? 'T' : 'N', 'F', m, n, k, 1, a, lda, zero, b, ldb, 0, 0, c, ldc, &nothing);
}
