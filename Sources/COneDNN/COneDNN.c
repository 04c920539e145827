#include "COneDNN.h"

#include <dlfcn.h>
#include <stdatomic.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif
#include <dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3
#define API3 1
typedef dnnl_memory_desc_t descriptor;
typedef const_dnnl_memory_desc_t borrowed_descriptor;
#else
#define API3 0
typedef dnnl_memory_desc_t *descriptor;
typedef const dnnl_memory_desc_t *borrowed_descriptor;
#endif

#define CHECK(call)                                                                                \
  do {                                                                                             \
    dnnl_status_t check_status = (call);                                                           \
    if (check_status != dnnl_success) { status = check_status; goto done; }                        \
  } while (0)

struct onednn_context {
  dnnl_engine_t engine;
  dnnl_stream_t stream;
};

struct onednn_layout {
#if API3
  dnnl_memory_desc_t value;
#else
  dnnl_memory_desc_t value[1];
#endif
};

enum { MAXIMUM_SOURCES = 8, MAXIMUM_ARGUMENTS = MAXIMUM_SOURCES + 2 };

struct onednn_operation {
  dnnl_engine_t engine; // borrowed from the context
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  int argument_count;
  dnnl_exec_arg_t arguments[MAXIMUM_ARGUMENTS];
  bool has_weights, has_second;
};

// MARK: - Library

void onednn_version_text(char *text, size_t capacity) {
  const dnnl_version_t *version = dnnl_version();
  snprintf(text, capacity, "oneDNN %d.%d.%d", version->major, version->minor, version->patch);
}

const char *onednn_instruction_set(void) {
  switch ((int)dnnl_get_effective_cpu_isa()) {
  case dnnl_cpu_isa_sse41: return "sse41";
  case dnnl_cpu_isa_avx: return "avx";
  case dnnl_cpu_isa_avx2: return "avx2";
  case dnnl_cpu_isa_avx2_vnni: return "avx2_vnni";
  case dnnl_cpu_isa_avx512_core: return "avx512_core";
  case dnnl_cpu_isa_avx512_core_vnni: return "avx512_core_vnni";
  case dnnl_cpu_isa_avx512_core_bf16: return "avx512_core_bf16";
  case dnnl_cpu_isa_avx512_core_amx: return "avx512_core_amx";
  default: return "other";
  }
}

const char *onednn_status_text(int status) {
  switch (status) {
  case dnnl_success: return "success";
  case dnnl_out_of_memory: return "out of memory";
  case dnnl_invalid_arguments: return "invalid arguments";
  case dnnl_unimplemented: return "not implemented for these shapes on this processor";
#if !API3
  case dnnl_iterator_ends: return "no more implementations";
#endif
  case dnnl_runtime_error: return "runtime error";
  case dnnl_not_required: return "not required";
  default: return "unknown status";
  }
}

typedef void (*set_threads_function)(int);

// Looked up rather than linked: oneDNN brings its own OpenMP (libgomp, libomp), or none at all.
static set_threads_function find_set_threads(void) {
  static _Atomic(set_threads_function) found;
  static atomic_bool looked_up;
  if (!atomic_load(&looked_up)) {
    atomic_store(&found, (set_threads_function)dlsym(RTLD_DEFAULT, "omp_set_num_threads"));
    atomic_store(&looked_up, true);
  }
  return atomic_load(&found);
}

void onednn_set_threads(int count) {
  set_threads_function set_threads = find_set_threads();
  if (set_threads && count > 0) set_threads(count);
}

void onednn_prepare_thread(void) {
  onednn_set_threads(1);
#if defined(__SSE2__)
  _mm_setcsr(_mm_getcsr() | 0x8040);  // flush to zero, denormals are zero
#elif defined(__aarch64__)
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  __asm__ volatile("msr fpcr, %0" : : "r"(control | (1u << 24)));
#endif
}

int onednn_context_create(onednn_context **out) {
  int status = dnnl_success;
  onednn_context *context = calloc(1, sizeof *context);
  if (!context) return dnnl_out_of_memory;
  CHECK(dnnl_engine_create(&context->engine, dnnl_cpu, 0));
  CHECK(dnnl_stream_create(&context->stream, context->engine, dnnl_stream_default_flags));
  *out = context;
  return dnnl_success;
done:
  onednn_context_destroy(context);
  return status;
}

void onednn_context_destroy(onednn_context *context) {
  if (!context) return;
  if (context->stream) dnnl_stream_destroy(context->stream);
  if (context->engine) dnnl_engine_destroy(context->engine);
  free(context);
}

// MARK: - Layouts

static dnnl_status_t make_descriptor(
    onednn_layout *layout, int rank, const int64_t *dimensions, dnnl_format_tag_t tag) {
  dnnl_dims_t dims;
  for (int i = 0; i < rank; i++) dims[i] = dimensions[i];
#if API3
  return dnnl_memory_desc_create_with_tag(&layout->value, rank, dims, dnnl_f32, tag);
#else
  return dnnl_memory_desc_init_by_tag(layout->value, rank, dims, dnnl_f32, tag);
#endif
}

static onednn_layout *copy_descriptor(borrowed_descriptor source) {
  if (!source) return NULL;
  onednn_layout *layout = calloc(1, sizeof *layout);
  if (!layout) return NULL;
#if API3
  if (dnnl_memory_desc_clone(&layout->value, source) != dnnl_success) {
    free(layout);
    return NULL;
  }
#else
  layout->value[0] = *source;
#endif
  return layout;
}

int onednn_layout_create(
    onednn_layout **out, int rank, const int64_t *dimensions, onednn_format format) {
  static const dnnl_format_tag_t plain[] = {dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
  if (rank < 1 || rank > 5) return dnnl_invalid_arguments;
  dnnl_format_tag_t tag = dnnl_format_tag_any;
  if (format == ONEDNN_PLAIN) tag = plain[rank - 1];
  if (format == ONEDNN_CHANNELS_LAST) {
    if (rank != 4) return dnnl_invalid_arguments;
    tag = dnnl_acdb;
  }
  onednn_layout *layout = calloc(1, sizeof *layout);
  if (!layout) return dnnl_out_of_memory;
  int status = make_descriptor(layout, rank, dimensions, tag);
  if (status != dnnl_success) {
    free(layout);
    return status;
  }
  *out = layout;
  return dnnl_success;
}

void onednn_layout_destroy(onednn_layout *layout) {
  if (!layout) return;
#if API3
  if (layout->value) dnnl_memory_desc_destroy(layout->value);
#endif
  free(layout);
}

size_t onednn_layout_bytes(const onednn_layout *layout) {
  return dnnl_memory_desc_get_size(layout->value);
}

bool onednn_layout_equal(const onednn_layout *first, const onednn_layout *second) {
  return dnnl_memory_desc_equal(first->value, second->value);
}

// MARK: - Attributes

static dnnl_alg_kind_t eltwise_algorithm(onednn_activation activation) {
  switch (activation) {
  case ONEDNN_RELU: return dnnl_eltwise_relu;
  case ONEDNN_SIGMOID: return dnnl_eltwise_logistic;
  case ONEDNN_TANH: return dnnl_eltwise_tanh;
  case ONEDNN_SILU: return dnnl_eltwise_swish;
  default: return dnnl_alg_kind_undef;
  }
}

static float eltwise_alpha(onednn_activation activation) {
  return activation == ONEDNN_SILU ? 1.0f : 0.0f;
}

static dnnl_status_t make_attributes(
    dnnl_primitive_attr_t *attributes, bool accumulate, onednn_activation activation) {
  dnnl_post_ops_t operations = NULL;
  dnnl_status_t status = dnnl_success;
  *attributes = NULL;
  CHECK(dnnl_primitive_attr_create(attributes));
  // The caller owns the scratchpad, so a primitive may run in any thread and a plan shares one buffer.
  CHECK(dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user));
  CHECK(dnnl_post_ops_create(&operations));
#if API3
  if (accumulate) CHECK(dnnl_post_ops_append_sum(operations, 1.0f, 0, dnnl_data_type_undef));
  if (activation != ONEDNN_IDENTITY)
    CHECK(dnnl_post_ops_append_eltwise(
        operations, eltwise_algorithm(activation), eltwise_alpha(activation), 0.0f));
#else
  if (accumulate) CHECK(dnnl_post_ops_append_sum(operations, 1.0f));
  if (activation != ONEDNN_IDENTITY)
    CHECK(dnnl_post_ops_append_eltwise(
        operations, 1.0f, eltwise_algorithm(activation), eltwise_alpha(activation), 0.0f));
#endif
  CHECK(dnnl_primitive_attr_set_post_ops(*attributes, operations));
done:
  if (operations) dnnl_post_ops_destroy(operations);
  return status;
}

// MARK: - Operations

static int finish(
    onednn_context *context, dnnl_primitive_desc_t description, onednn_operation **out) {
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

int onednn_convolution_create(
    onednn_context *context, const onednn_convolution_options *o, const onednn_layout *source,
    const onednn_layout *destination, onednn_operation **out) {
  int status = dnnl_success;
  onednn_layout *any_source = NULL, *any_destination = NULL, *weights = NULL, *bias = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  int64_t source_dims[] = {o->batch, o->in_channels, o->in_height, o->in_width};
  int64_t out_dims[] = {o->batch, o->out_channels, o->out_height, o->out_width};
  int64_t bias_dims[] = {o->out_channels};
  int64_t dense[] = {o->out_channels, o->in_channels, o->kernel_height, o->kernel_width};
  int64_t grouped[] = {
      o->groups, o->out_channels / o->groups, o->in_channels / o->groups, o->kernel_height,
      o->kernel_width};
  dnnl_dims_t strides = {o->stride_height, o->stride_width}, dilates = {0, 0};
  dnnl_dims_t before = {o->pad_top, o->pad_left}, after = {o->pad_bottom, o->pad_right};

  CHECK(onednn_layout_create(&any_source, 4, source_dims, ONEDNN_ANY));
  CHECK(onednn_layout_create(&any_destination, 4, out_dims, ONEDNN_ANY));
  CHECK(onednn_layout_create(
      &weights, o->groups > 1 ? 5 : 4, o->groups > 1 ? grouped : dense, ONEDNN_ANY));
  CHECK(onednn_layout_create(&bias, 1, bias_dims, ONEDNN_PLAIN));
  CHECK(make_attributes(&attributes, o->accumulate, o->activation));
  const onednn_layout *from = source ? source : any_source;
  const onednn_layout *to = destination ? destination : any_destination;
#if API3
  CHECK(dnnl_convolution_forward_primitive_desc_create(
      &description, context->engine, dnnl_forward_inference, dnnl_convolution_direct, from->value,
      weights->value, bias->value, to->value, strides, dilates, before, after, attributes));
#else
  dnnl_convolution_desc_t request;
  CHECK(dnnl_dilated_convolution_forward_desc_init(
      &request, dnnl_forward_inference, dnnl_convolution_direct, from->value, weights->value,
      bias->value, to->value, strides, dilates, before, after));
  CHECK(dnnl_primitive_desc_create(&description, &request, attributes, context->engine, NULL));
#endif
  status = finish(context, description, out);
  if (status == dnnl_success) (*out)->has_weights = true;
done:
  onednn_layout_destroy(any_source);
  onednn_layout_destroy(any_destination);
  onednn_layout_destroy(weights);
  onednn_layout_destroy(bias);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_pooling_create(
    onednn_context *context, const onednn_pooling_options *o, const onednn_layout *source,
    onednn_operation **out) {
  static const dnnl_alg_kind_t algorithms[] = {
      dnnl_pooling_max, dnnl_pooling_avg_exclude_padding, dnnl_pooling_avg_include_padding};
  int status = dnnl_success;
  onednn_layout *destination = NULL;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  int64_t out_dims[] = {o->batch, o->channels, o->out_height, o->out_width};
  dnnl_dims_t strides = {o->stride_height, o->stride_width};
  dnnl_dims_t kernel = {o->kernel_height, o->kernel_width};
  dnnl_dims_t before = {o->pad_top, o->pad_left}, after = {o->pad_bottom, o->pad_right};

  CHECK(onednn_layout_create(&destination, 4, out_dims, ONEDNN_ANY));
  CHECK(make_attributes(&attributes, false, ONEDNN_IDENTITY));
#if API3
  dnnl_dims_t dilation = {0, 0};
  CHECK(dnnl_pooling_forward_primitive_desc_create(
      &description, context->engine, dnnl_forward_inference, algorithms[o->kind], source->value,
      destination->value, strides, kernel, dilation, before, after, attributes));
#else
  dnnl_pooling_desc_t request;
  CHECK(dnnl_pooling_forward_desc_init(
      &request, dnnl_forward_inference, algorithms[o->kind], source->value, destination->value,
      strides, kernel, before, after));
  CHECK(dnnl_primitive_desc_create(&description, &request, attributes, context->engine, NULL));
#endif
  status = finish(context, description, out);
done:
  onednn_layout_destroy(destination);
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_reorder_create(
    onednn_context *context, const onednn_layout *from, const onednn_layout *to,
    onednn_operation **out) {
  int status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  CHECK(make_attributes(&attributes, false, ONEDNN_IDENTITY));
  CHECK(dnnl_reorder_primitive_desc_create(
      &description, from->value, context->engine, to->value, context->engine, attributes));
  status = finish(context, description, out);
done:
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_eltwise_create(
    onednn_context *context, onednn_activation activation, const onednn_layout *layout,
    onednn_operation **out) {
  int status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  dnnl_alg_kind_t algorithm = eltwise_algorithm(activation);
  CHECK(make_attributes(&attributes, false, ONEDNN_IDENTITY));
#if API3
  CHECK(dnnl_eltwise_forward_primitive_desc_create(
      &description, context->engine, dnnl_forward_inference, algorithm, layout->value,
      layout->value, eltwise_alpha(activation), 0.0f, attributes));
#else
  dnnl_eltwise_desc_t request;
  CHECK(dnnl_eltwise_forward_desc_init(
      &request, dnnl_forward_inference, algorithm, layout->value, eltwise_alpha(activation), 0.0f));
  CHECK(dnnl_primitive_desc_create(&description, &request, attributes, context->engine, NULL));
#endif
  status = finish(context, description, out);
done:
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_binary_create(
    onednn_context *context, onednn_binary_kind kind, const onednn_layout *first,
    const onednn_layout *second, onednn_operation **out) {
  int status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  dnnl_alg_kind_t algorithm = kind == ONEDNN_ADD ? dnnl_binary_add : dnnl_binary_mul;
  CHECK(make_attributes(&attributes, false, ONEDNN_IDENTITY));
#if API3
  CHECK(dnnl_binary_primitive_desc_create(
      &description, context->engine, algorithm, first->value, second->value, first->value,
      attributes));
#else
  dnnl_binary_desc_t request;
  CHECK(dnnl_binary_desc_init(&request, algorithm, first->value, second->value, first->value));
  CHECK(dnnl_primitive_desc_create(&description, &request, attributes, context->engine, NULL));
#endif
  status = finish(context, description, out);
  if (status == dnnl_success) (*out)->has_second = true;
done:
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

int onednn_concatenation_create(
    onednn_context *context, int count, const onednn_layout *const *sources,
    onednn_operation **out) {
  int status = dnnl_success;
  dnnl_primitive_attr_t attributes = NULL;
  dnnl_primitive_desc_t description = NULL;
  if (count < 1 || count > MAXIMUM_SOURCES) return dnnl_invalid_arguments;
  CHECK(make_attributes(&attributes, false, ONEDNN_IDENTITY));
#if API3
  const_dnnl_memory_desc_t descriptors[MAXIMUM_SOURCES];
  for (int i = 0; i < count; i++) descriptors[i] = sources[i]->value;
  CHECK(dnnl_concat_primitive_desc_create(
      &description, context->engine, NULL, count, 1, descriptors, attributes));
#else
  dnnl_memory_desc_t descriptors[MAXIMUM_SOURCES];
  for (int i = 0; i < count; i++) descriptors[i] = sources[i]->value[0];
  CHECK(dnnl_concat_primitive_desc_create(
      &description, NULL, count, 1, descriptors, attributes, context->engine));
#endif
  status = finish(context, description, out);
done:
  if (attributes) dnnl_primitive_attr_destroy(attributes);
  return status;
}

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
  free(operation);
}

static borrowed_descriptor query(const onednn_operation *operation, dnnl_query_t what, int index) {
  return dnnl_primitive_desc_query_md(operation->description, what, index);
}

onednn_layout *onednn_operation_source(const onednn_operation *operation) {
  return copy_descriptor(query(operation, dnnl_query_src_md, 0));
}

onednn_layout *onednn_operation_weights(const onednn_operation *operation) {
  return operation->has_weights ? copy_descriptor(query(operation, dnnl_query_weights_md, 0)) : NULL;
}

onednn_layout *onednn_operation_destination(const onednn_operation *operation) {
  return copy_descriptor(query(operation, dnnl_query_dst_md, 0));
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
  dnnl_status_t status = dnnl_memory_create(&memory, layout, operation->engine, buffer);
  if (status != dnnl_success) return status;
  operation->arguments[operation->argument_count].arg = argument;
  operation->arguments[operation->argument_count].memory = memory;
  operation->argument_count++;
  return dnnl_success;
}

int onednn_operation_bind(
    onednn_operation *operation, void *source, void *second, void *weights, void *bias,
    void *destination, void *scratchpad) {
  int status = dnnl_success;
  release_arguments(operation);
  CHECK(add_argument(operation, DNNL_ARG_SRC, query(operation, dnnl_query_src_md, 0), source));
  if (operation->has_second)
    CHECK(add_argument(operation, DNNL_ARG_SRC_1, query(operation, dnnl_query_src_md, 1), second));
  if (operation->has_weights) {
    CHECK(add_argument(
        operation, DNNL_ARG_WEIGHTS, query(operation, dnnl_query_weights_md, 0), weights));
    CHECK(add_argument(operation, DNNL_ARG_BIAS, query(operation, dnnl_query_weights_md, 1), bias));
  }
  CHECK(add_argument(operation, DNNL_ARG_DST, query(operation, dnnl_query_dst_md, 0), destination));
  if (onednn_operation_scratchpad_bytes(operation) > 0)
    CHECK(add_argument(
        operation, DNNL_ARG_SCRATCHPAD, query(operation, dnnl_query_scratchpad_md, 0), scratchpad));
done:
  return status;
}

int onednn_concatenation_bind(
    onednn_operation *operation, int count, void *const *sources, void *destination,
    void *scratchpad) {
  int status = dnnl_success;
  release_arguments(operation);
  for (int i = 0; i < count; i++)
    CHECK(add_argument(
        operation, DNNL_ARG_MULTIPLE_SRC + i, query(operation, dnnl_query_src_md, i), sources[i]));
  CHECK(add_argument(operation, DNNL_ARG_DST, query(operation, dnnl_query_dst_md, 0), destination));
  if (onednn_operation_scratchpad_bytes(operation) > 0)
    CHECK(add_argument(
        operation, DNNL_ARG_SCRATCHPAD, query(operation, dnnl_query_scratchpad_md, 0), scratchpad));
done:
  return status;
}

int onednn_operation_execute(onednn_context *context, onednn_operation *operation) {
  dnnl_status_t status = dnnl_primitive_execute(
      operation->primitive, context->stream, operation->argument_count, operation->arguments);
  if (status != dnnl_success) return status;
  return dnnl_stream_wait(context->stream);
}

int onednn_matrix_multiply(
    bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, float alpha,
    const float *a, int64_t lda, const float *b, int64_t ldb, float beta, float *c, int64_t ldc) {
  return dnnl_sgemm(
      transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, alpha, a, lda, b, ldb, beta, c,
      ldc);
}
