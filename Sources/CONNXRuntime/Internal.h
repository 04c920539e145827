#ifndef CONNXRUNTIME_INTERNAL_H
#define CONNXRUNTIME_INTERNAL_H

#include "CONNXRuntime.h"

#include <stdlib.h>
#include <string.h>

/// Places in the library's table of functions, which only ever grows at its end: a library from 1.12 on has all of them
/// here, and no header of it is needed.
enum {
  GET_ERROR_MESSAGE = 2,
  CREATE_ENVIRONMENT = 3,
  CREATE_SESSION = 7,
  CREATE_OPTIONS = 10,
  SET_INTRA_THREADS = 24,
  CREATE_DOMAIN = 26,
  ADD_TO_DOMAIN = 27,
  ADD_DOMAIN = 28,
  CREATE_TENSOR_WITH_DATA = 49,
  GET_DATA = 51,
  COUNT_DIMENSIONS = 61,
  GET_DIMENSIONS = 62,
  GET_SHAPE = 65,
  CREATE_MEMORY = 68,
  CREATE_CPU_MEMORY = 69,
  ALLOCATE = 75,
  FREE = 76,
  GET_NUMBER_ATTRIBUTE = 85,
  GET_INTEGER_ATTRIBUTE = 86,
  COUNT_INPUTS = 88,
  COUNT_OUTPUTS = 89,
  GET_INPUT = 90,
  GET_OUTPUT = 91,
  RELEASE_STATUS = 93,
  RELEASE_MEMORY = 94,
  RELEASE_SESSION = 95,
  RELEASE_VALUE = 96,
  RELEASE_SHAPE = 99,
  RELEASE_OPTIONS = 100,
  CREATE_ALLOCATOR = 131,
  RELEASE_ALLOCATOR = 132,
  RUN_WITH_BINDING = 133,
  CREATE_BINDING = 134,
  RELEASE_BINDING = 135,
  BIND_INPUT = 136,
  BIND_OUTPUT = 137,
  GET_STREAM = 193,
  APPEND_CUDA = 204,
  CREATE_CUDA_OPTIONS = 205,
  UPDATE_CUDA_OPTIONS = 206,
  RELEASE_CUDA_OPTIONS = 208,
};

/// Numbers of the library's interface.
enum {
  /// The interface's version that the places belong to.
  INTERFACE = 12,
  /// Of what the library prints by itself; failures are returned anyway.
  FATAL = 4,
  ARENA = 1,
  DEFAULT_MEMORY = 0,
  /// What a processor writes for a GPU, and the other way round.
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
  /// Where inputs and outputs lie: this processor's, or the GPU's.
  void *memory;
  bool is_cuda;
};

/// The text of a failure, or NULL where there was none.
char *onnxruntime_outcome(void *status);

void onnxruntime_release(int place, void *object);

/// Begins what asks something of the GPU: together with others, or alone, where the library records it.
void begin_turn(bool alone);
void end_turn(bool alone);

/// Gives a session the program's own operators.
char *onnxruntime_add_operators(void *options, bool cuda);

/// What an own operator said went wrong in this thread, or NULL; the caller frees it.
char *onnxruntime_operator_failure(void);

// MARK: - Own kernels

/// One pass over memory: what it reads and writes, and how.
typedef struct {
  enum { PASS_EPILOGUE, PASS_NORMALIZE, PASS_PIXELS, PASS_SCALE } kind;
  /// Of the numbers, as the library counts types.
  int type;
  const void *x, *first, *second, *third, *residual;
  void *y, *sum;
  /// Rows, numbers in each, and rows that a factor is for.
  size_t rows, channels, alike;
  int activation;
  float epsilon;
  /// Of pixels: channels of the output, and whether blue comes first.
  int width, reversed;
} pass;

/// Runs it on the GPU, behind what the stream holds; NULL, or what went wrong.
char *pass_on_gpu(const pass *pass, void *stream);

/// Runs it here; numbers in `f32` only.
void pass_on_cpu(const pass *pass);

#endif
