#ifndef CONNXRUNTIME_INTERNAL_H
#define CONNXRUNTIME_INTERNAL_H

#include "CONNXRuntime.h"

#include <stdlib.h>
#include <string.h>

/// Indices into the library's function table, which only grows at its end: valid for every version from 1.12, without
/// its headers.
enum {
  GET_ERROR_MESSAGE = 2, CREATE_ENVIRONMENT = 3, CREATE_SESSION = 7, CREATE_OPTIONS = 10, SET_INTRA_THREADS = 24,
  CREATE_DOMAIN = 26, ADD_TO_DOMAIN = 27, ADD_DOMAIN = 28, CREATE_TENSOR_WITH_DATA = 49, GET_DATA = 51,
  COUNT_DIMENSIONS = 61, GET_DIMENSIONS = 62, GET_SHAPE = 65, CREATE_MEMORY = 68, CREATE_CPU_MEMORY = 69,
  ALLOCATE = 75, FREE = 76, GET_NUMBER_ATTRIBUTE = 85, GET_INTEGER_ATTRIBUTE = 86, COUNT_INPUTS = 88,
  COUNT_OUTPUTS = 89, GET_INPUT = 90, GET_OUTPUT = 91, RELEASE_STATUS = 93, RELEASE_MEMORY = 94,
  RELEASE_SESSION = 95, RELEASE_VALUE = 96, RELEASE_SHAPE = 99, RELEASE_OPTIONS = 100, CREATE_ALLOCATOR = 131,
  RELEASE_ALLOCATOR = 132, RUN_WITH_BINDING = 133, CREATE_BINDING = 134, RELEASE_BINDING = 135, BIND_INPUT = 136,
  BIND_OUTPUT = 137, GET_STREAM = 193, APPEND_CUDA = 204, CREATE_CUDA_OPTIONS = 205, UPDATE_CUDA_OPTIONS = 206,
  RELEASE_CUDA_OPTIONS = 208,
};

/// Constants of the library's API.
enum {
  /// API version of these indices.
  INTERFACE = 12,
  /// Log level; errors are returned anyway.
  FATAL = 4,
  ARENA = 1,
  DEFAULT_MEMORY = 0,
  /// Memory that the CPU writes and the GPU reads, or the reverse.
  OUTPUT_MEMORY = -1,
  FLOAT32 = 1,
  UINT8 = 2,
  FLOAT16 = 10,
  BFLOAT16 = 16,
};

extern struct onnxruntime_library {
  const void *const *functions;
  const char *version;
  void *environment;
} onnxruntime_library;

#define CALL(place, signature) ((signature)onnxruntime_library.functions[place])

struct onnxruntime_session {
  void *session;
  /// Location of inputs and outputs: host or device memory.
  void *memory;
  bool is_cuda;
};

/// The message of a failure, or NULL.
char *onnxruntime_outcome(void *status);

void onnxruntime_release(int place, void *object);

/// Acquires the lock around GPU calls: shared, or exclusively (`alone`) for a run that captures a CUDA graph.
void acquire_capture_lock(bool alone);
void release_capture_lock(bool alone);

/// Registers the program's own operators with a session.
char *onnxruntime_add_operators(void *options, bool cuda);

/// The error of an own operator in this thread, or NULL; the caller frees it.
char *onnxruntime_operator_failure(void);

// MARK: - Own kernels

/// The arguments of one pass over memory.
typedef struct {
  enum { PASS_EPILOGUE, PASS_NORMALIZE, PASS_PIXELS, PASS_SCALE } kind;
  /// Element type, as the library's code.
  int type;
  const void *x, *first, *second, *third, *residual;
  void *y, *sum;
  /// Rows, elements per row, and rows that share a factor.
  size_t rows, channels, alike;
  int activation;
  float epsilon;
  /// For pixels: output channels, and whether the order is BGR.
  int width, reversed;
} pass;

/// Enqueues it on the stream; returns NULL or an error message.
char *pass_on_gpu(const pass *pass, void *stream);

/// Runs on the CPU, in `f32` only.
void pass_on_cpu(const pass *pass);

#endif
