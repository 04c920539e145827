#ifndef CONNXRUNTIME_INTERNAL_H
#define CONNXRUNTIME_INTERNAL_H

#include "CONNXRuntime.h"
#include "RuntimeAPI.h"

#include <stdlib.h>
#include <string.h>

/// The functions of the loaded library.
extern const OrtApi *ort;

struct onnxruntime_session {
  OrtSession *session;
  /// Location of inputs and outputs: host or device memory.
  OrtMemoryInfo *memory;
  bool is_cuda;
};

/// The message of a failure, or NULL.
char *onnxruntime_outcome(OrtStatus *status);

/// Acquires the lock around GPU calls: shared, or exclusively (`alone`) for a run that captures a CUDA graph.
void acquire_capture_lock(bool alone);
void release_capture_lock(bool alone);

/// Registers the program's own operators with a session.
char *onnxruntime_add_operators(OrtSessionOptions *options, bool cuda);

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
