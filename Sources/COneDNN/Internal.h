// Declarations shared by the files of this target.
#ifndef ZOETROPE_CONEDNN_INTERNAL_H
#define ZOETROPE_CONEDNN_INTERNAL_H

#include "COneDNN.h"

#include <dnnl.h>
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
#include "Version2.h"
#endif

/// Returns the status of a failed call.
#define CHECK(call)                                                                                \
  do {                                                                                             \
    dnnl_status_t check_status = (call);                                                           \
    if (check_status != dnnl_success) return check_status;                                         \
  } while (0)

/// Frees a variable's value at the end of its scope.
#define OWNED(type) __attribute__((cleanup(free_##type))) type
typedef dnnl_primitive_attr_t attributes;
typedef dnnl_primitive_desc_t description;
typedef onednn_layout *layout;
typedef onednn_operation *operation;
static inline void free_attributes(attributes *value) { if (*value) dnnl_primitive_attr_destroy(*value); }
static inline void free_description(description *value) { if (*value) dnnl_primitive_desc_destroy(*value); }
static inline void free_layout(layout *value) { onednn_layout_destroy(*value); }
static inline void free_operation(operation *value) { onednn_operation_destroy(*value); }

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

enum { MAXIMUM_SOURCES = 8, KEPT_ARGUMENTS = 5, MAXIMUM_ARGUMENTS = MAXIMUM_SOURCES + 5 };

/// Scales and zero points, which oneDNN 3 takes as arguments of the execution.
typedef struct {
  int argument;
  onednn_element element;
  int64_t count;
  void *values;
} onednn_kept;

struct onednn_operation {
  dnnl_engine_t engine; // borrowed from the context
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  int argument_count;
  dnnl_exec_arg_t arguments[MAXIMUM_ARGUMENTS];
  int kept_count;
  onednn_kept kept[KEPT_ARGUMENTS];
  bool has_weights, has_second;
  int64_t channels; // of a normalisation; 0 for others
  bool is_backward; // of a normalisation
};

/// Sizes of a sliding window in oneDNN's order, with frames first if there are any.
typedef struct {
  int rank; // of source and destination
  int64_t source[5], destination[5], weights[6];
  int weights_rank; // one more where channels are in groups
  dnnl_dims_t kernel, strides, dilates, before, after;
} onednn_sizes;

onednn_sizes onednn_window_sizes(const onednn_window *window, int64_t groups);

/// By kind.
extern const dnnl_alg_kind_t onednn_pooling_algorithms[];

/// Length of the innermost dimension.
int64_t onednn_layout_last_dimension(const onednn_layout *layout);
/// Copies a layout; null if there is none.
onednn_layout *onednn_copy_descriptor(borrowed_descriptor source);
/// Creates a primitive from its description and takes ownership of the latter.
int onednn_finish(onednn_context *context, dnnl_primitive_desc_t description, onednn_operation **operation);
/// Attributes of a primitive whose scratchpad the caller owns.
dnnl_status_t onednn_make_attributes(dnnl_primitive_attr_t *attributes);

#endif
