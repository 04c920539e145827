#ifndef CONNXRUNTIME_H
#define CONNXRUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// ONNX Runtime's C API, loaded at run time: it is not needed to build or start the program.
///
/// Functions that can fail return NULL, or an error message that the caller frees.

/// A loaded model. Several threads may run it at the same time.
typedef struct onnxruntime_session onnxruntime_session;

/// Name, shape and type of one input or output.
typedef struct {
  const char *name;
  const int64_t *shape;
  size_t rank;
} onnxruntime_value;

/// Loads the library once per process; `path` is a file, or a name for the system's loader.
char *onnxruntime_load(const char *path);

/// Loads a library that others depend on; returns whether it was found.
bool onnxruntime_preload(const char *path);

/// The version of the loaded library, such as `1.29.0`.
const char *onnxruntime_version(void);

/// Loads a model. If `cuda`, it runs on the GPU with these options of the CUDA provider; otherwise on the CPU with
/// `threads` threads.
char *onnxruntime_open(
  const char *model, bool cuda, const char *const *keys, const char *const *values, size_t options, int threads,
  onnxruntime_session **session);

void onnxruntime_close(onnxruntime_session *session);

/// Memory of a model's input and output, which the GPU accesses directly. One run at a time.
typedef struct onnxruntime_exchange onnxruntime_exchange;

/// For a model with a byte input and a floating-point output. The session must outlive it.
char *onnxruntime_exchange_make(
  const onnxruntime_session *session, onnxruntime_value input, onnxruntime_value output,
  onnxruntime_exchange **exchange);

uint8_t *onnxruntime_exchange_input(const onnxruntime_exchange *exchange);

const float *onnxruntime_exchange_output(const onnxruntime_exchange *exchange);

/// Runs the model on the current input.
char *onnxruntime_exchange_run(onnxruntime_exchange *exchange);

void onnxruntime_exchange_destroy(onnxruntime_exchange *exchange);

#endif
