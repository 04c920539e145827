#include "Internal.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

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

// Instruction sets are bit masks: each contains those it builds on.
#define HAS(set) (((int)dnnl_get_effective_cpu_isa() & (int)(set)) == (int)(set))

bool onednn_has_arithmetic(onednn_element element) {
  switch (element) {
  case ONEDNN_F32: return true;
  case ONEDNN_BF16: return HAS(dnnl_cpu_isa_avx512_core_bf16);
  default: return HAS(dnnl_cpu_isa_avx512_core_vnni) || HAS(dnnl_cpu_isa_avx2_vnni);
  }
}

bool onednn_prefers_unsigned_sources(void) {
  return HAS(dnnl_cpu_isa_avx512_core_vnni) && !HAS(dnnl_cpu_isa_avx512_core_amx);
}
#undef HAS

const char *onednn_status_text(int status) {
  switch (status) {
  case dnnl_success: return "success";
  case dnnl_out_of_memory: return "out of memory";
  case dnnl_invalid_arguments: return "invalid arguments";
  case dnnl_unimplemented: return "not implemented for these shapes on this processor";
  case dnnl_runtime_error: return "runtime error";
  case dnnl_not_required: return "not required";
  default: return "unknown status";
  }
}

#if !API3
dnnl_status_t onednn_describe(dnnl_primitive_desc_t *out, const_dnnl_op_desc_t request,
    const_dnnl_primitive_attr_t attributes, dnnl_engine_t engine, const_dnnl_primitive_desc_t hint) {
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&lock);
  dnnl_status_t status = dnnl_primitive_desc_create(out, request, attributes, engine, hint);
  pthread_mutex_unlock(&lock);
  return status;
}
#endif

typedef void (*set_threads_function)(int);

// Looked up at run time, because oneDNN is built with different OpenMP libraries (libgomp, libomp), or with none.
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

uint64_t onednn_prepare_thread(void) {
  onednn_set_threads(1);
  return onednn_flush_denormals();
}

uint64_t onednn_flush_denormals(void) {
#if defined(__SSE2__)
  uint64_t control = _mm_getcsr();
  onednn_restore_denormals(control | 0x8040);  // FTZ and DAZ: flush to zero, denormals are zero
  return control;
#elif defined(__aarch64__)
  uint64_t control;
  __asm__ volatile("mrs %0, fpcr" : "=r"(control));
  onednn_restore_denormals(control | (1u << 24));
  return control;
#else
  return 0;
#endif
}

void onednn_restore_denormals(uint64_t control) {
#if defined(__SSE2__)
  _mm_setcsr((unsigned)control);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(control));
#else
  (void)control;
#endif
}

int onednn_context_create(onednn_context **out) {
  onednn_context *context = calloc(1, sizeof *context);
  if (!context) return dnnl_out_of_memory;
  dnnl_status_t status = dnnl_engine_create(&context->engine, dnnl_cpu, 0);
  if (status == dnnl_success)
    status = dnnl_stream_create(&context->stream, context->engine, dnnl_stream_default_flags);
  if (status == dnnl_success) *out = context;
  else onednn_context_destroy(context);
  return status;
}

void onednn_context_destroy(onednn_context *context) {
  if (!context) return;
  if (context->stream) dnnl_stream_destroy(context->stream);
  if (context->engine) dnnl_engine_destroy(context->engine);
  free(context);
}

// MARK: - Layouts

static const dnnl_data_type_t data_types[] = {dnnl_f32, dnnl_bf16, dnnl_s8, dnnl_u8, dnnl_s32};

static dnnl_status_t make_descriptor(
    onednn_layout *layout, onednn_element element, int rank, const int64_t *dimensions, dnnl_format_tag_t tag) {
  dnnl_dims_t dims;
  for (int i = 0; i < rank; i++) dims[i] = dimensions[i];
#if API3
  return dnnl_memory_desc_create_with_tag(&layout->value, rank, dims, data_types[element], tag);
#else
  return dnnl_memory_desc_init_by_tag(layout->value, rank, dims, data_types[element], tag);
#endif
}

onednn_element onednn_layout_element(const onednn_layout *layout) {
  dnnl_data_type_t type;
#if API3
  if (dnnl_memory_desc_query(layout->value, dnnl_query_data_type, &type) != dnnl_success)
    return ONEDNN_F32;
#else
  type = layout->value->data_type;
#endif
  for (int i = 0; i < 5; i++)
    if (data_types[i] == type) return (onednn_element)i;
  return ONEDNN_F32;
}

int64_t onednn_layout_last_dimension(const onednn_layout *layout) {
#if API3
  int rank = 0;
  dnnl_dims_t *dimensions = NULL;
  dnnl_memory_desc_query(layout->value, dnnl_query_ndims_s32, &rank);
  dnnl_memory_desc_query(layout->value, dnnl_query_dims, &dimensions);
  return (*dimensions)[rank - 1];
#else
  return layout->value->dims[layout->value->ndims - 1];
#endif
}

onednn_layout *onednn_copy_descriptor(borrowed_descriptor source) {
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
    onednn_layout **out, onednn_element element, int rank, const int64_t *dimensions, onednn_format format) {
  static const dnnl_format_tag_t plain[] = {
      dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde, dnnl_abcdef};
  if (rank < 1 || rank > 6) return dnnl_invalid_arguments;
  dnnl_format_tag_t tag = dnnl_format_tag_any;
  if (format == ONEDNN_PLAIN) tag = plain[rank - 1];
  if (format == ONEDNN_CHANNELS_LAST || format == ONEDNN_BLOCKED) {
    if (rank != 4 && (rank != 5 || format == ONEDNN_BLOCKED)) return dnnl_invalid_arguments;
    int isa = (int)dnnl_get_effective_cpu_isa();
    bool is_wide = (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
    tag = format == ONEDNN_CHANNELS_LAST ? (rank == 5 ? dnnl_acdeb : dnnl_acdb)
        : is_wide ? dnnl_aBcd16b : dnnl_aBcd8b;
  }
  onednn_layout *layout = calloc(1, sizeof *layout);
  if (!layout) return dnnl_out_of_memory;
  int status = make_descriptor(layout, element, rank, dimensions, tag);
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
