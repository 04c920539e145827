#ifndef CONNXRUNTIME_CUDNN_H
#define CONNXRUNTIME_CUDNN_H

#include "Product.h"

// Graphs of NVIDIA's cuDNN from version 8.9, through its backend API.

/// Constants of cuDNN's API.
enum {
  // Types of attributes.
  OF_HANDLE = 0, OF_DATA_TYPE = 1, OF_BOOLEAN = 2, OF_INTEGER = 3, OF_NUMBER = 4, OF_WIDE_NUMBER = 5, OF_POINTER = 6,
  OF_CONVOLUTION_MODE = 7, OF_SEARCH = 8, OF_POINTWISE_MODE = 14, OF_DESCRIPTOR = 15,
  // Descriptors.
  POINTWISE = 0, CONVOLUTION = 1, CONFIGURATION = 3, SEARCH = 4, PLAN = 5, CONVOLVE = 10, APPLY = 13, GRAPH = 15,
  ARGUMENTS = 16, TENSOR = 17, MATRIX = 18, MULTIPLY = 19, ATTEND = 41,
  // Attributes.
  POINTWISE_MODE = 0, POINTWISE_TYPE = 1, POINTWISE_UPPER = 4, POINTWISE_BETA = 8, CONVOLUTION_TYPE = 100,
  CONVOLUTION_MODE = 101, CONVOLUTION_DILATION = 102, CONVOLUTION_STRIDE = 103, CONVOLUTION_TRAILING = 104,
  CONVOLUTION_LEADING = 105, CONVOLUTION_AXES = 106, SEARCH_MODE = 200, SEARCH_GRAPH = 201, SEARCH_RESULTS = 202,
  PLAN_HANDLE = 400, PLAN_CONFIGURATION = 401, PLAN_WORKSPACE = 402, CONVOLVE_ALPHA = 700, CONVOLVE_BETA = 701,
  CONVOLVE_HOW = 702, CONVOLVE_WEIGHT = 703, CONVOLVE_X = 704, CONVOLVE_Y = 705, APPLY_WHAT = 750, APPLY_X = 751,
  APPLY_B = 752, APPLY_Y = 753, GRAPH_HANDLE = 800, GRAPH_OPERATIONS = 801, TENSOR_ALIGNMENT = 900, TENSOR_TYPE = 901,
  TENSOR_SHAPE = 902, TENSOR_STRIDES = 903, TENSOR_NAME = 906, TENSOR_IS_VIRTUAL = 907, TENSOR_IS_VALUE = 908,
  ARGUMENTS_NAMES = 1000, ARGUMENTS_POINTERS = 1001, ARGUMENTS_WORKSPACE = 1003, MATRIX_TYPE = 1500,
  MULTIPLY_A = 1520, MULTIPLY_B = 1521, MULTIPLY_C = 1522, MULTIPLY_HOW = 1523, ATTEND_QUERY = 2800, ATTEND_KEY = 2801,
  ATTEND_VALUE = 2802, ATTEND_RESULT = 2803, ATTEND_SCALE = 2805,
  // Values.
  CROSS_CORRELATION = 1, SEARCH_BEST = 3, WIDE = 0, MODE_ADD = 0, MODE_RELU = 100, MODE_TANH = 101, MODE_SIGMOID = 102,
  MODE_GELU = 104, MODE_SWISH = 106, MODE_GELU_TANH = 107,
  MOST_OPERATIONS = 4, MOST_PARTS = 24, MOST_RESULTS = 6,
};

extern struct cudnn_library {
  void *handle;
  int (*create)(void **);
  int (*set_stream)(void *, void *);
  int (*describe)(int, void **);
  int (*destroy)(void *);
  int (*set)(void *, int attribute, int type, int64_t count, const void *);
  int (*get)(const void *, int attribute, int type, int64_t wanted, int64_t *count, void *);
  int (*finish)(void *);
  int (*execute)(void *, void *, void *);
} cudnn;

/// Whether cuDNN is available; call with the planning lock held.
bool cudnn_is_there(void);

/// A graph under construction. The first failure is kept.
typedef struct {
  void *parts[MOST_PARTS];
  int count, code;
  void *operations[MOST_OPERATIONS];
  int operation_count;
} cudnn_builder;

/// A new descriptor, or NULL.
void *cudnn_part(cudnn_builder *it, int kind);
void cudnn_set(cudnn_builder *it, void *descriptor, int attribute, int type, int64_t count, const void *value);
void cudnn_finish(cudnn_builder *it, void *descriptor);

/// Finalises an operation and adds it to the graph.
void cudnn_add(cudnn_builder *it, void *operation);

/// A tensor descriptor with strides and identifier.
void *cudnn_tensor(
  cudnn_builder *it, int64_t name, int type, bool is_virtual, int64_t rank, const int64_t *shape,
  const int64_t *strides);

/// cuDNN's code of a type.
int cudnn_type(int64_t type);

void cudnn_take_apart(cudnn_builder *it);

/// A plan with its descriptors.
typedef struct {
  void *plan, *configuration;
  size_t bytes;
} cudnn_plan;

/// At most `most` plans for the graph, in the order of cuDNN's heuristic.
size_t cudnn_search(cudnn_builder *it, size_t most, cudnn_plan *plans);
void cudnn_forget(cudnn_plan plan);

/// Enqueues a plan on the stream.
char *cudnn_run(
  const cudnn_plan *plan, int64_t count, const int64_t *names, const void *const *pointers, void *workspace,
  void *stream);

#endif
