#ifndef CONNXRUNTIME_H
#define CONNXRUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// ONNX Runtime's C interface, loaded while the program runs: nothing of it is needed to build or to start.
///
/// Functions that can fail return NULL, or a text that the caller frees.

/// A model that is ready to run. Several threads may run it at the same time.
typedef struct onnxruntime_session onnxruntime_session;

/// Numbers of one input or output.
typedef struct {
  const char *name;
  const int64_t *shape;
  size_t rank;
} onnxruntime_value;

/// Loads the library once for the process; `path` is a file, or a name that the system's loader knows.
char *onnxruntime_load(const char *path);

/// Loads a library that others are going to need; whether it was there.
bool onnxruntime_preload(const char *path);

/// The version of the library that was loaded, such as `1.29.0`.
const char *onnxruntime_version(void);

/// Reads a model. Where `cuda` it runs on the GPU, with these options of the library's provider; else on this
/// processor with so many threads.
char *onnxruntime_open(
  const char *model, bool cuda, const char *const *keys, const char *const *values, size_t options, int threads,
  onnxruntime_session **session);

void onnxruntime_close(onnxruntime_session *session);

/// Memory that a model's input and output pass through, which the GPU reads and writes by itself. One run at a time.
typedef struct onnxruntime_exchange onnxruntime_exchange;

/// For a model that reads bytes and gives numbers. The session must outlive it.
char *onnxruntime_exchange_make(
  const onnxruntime_session *session, onnxruntime_value input, onnxruntime_value output,
  onnxruntime_exchange **exchange);

uint8_t *onnxruntime_exchange_input(const onnxruntime_exchange *exchange);

const float *onnxruntime_exchange_output(const onnxruntime_exchange *exchange);

/// Runs the model on what stands in the input.
char *onnxruntime_exchange_run(onnxruntime_exchange *exchange);

void onnxruntime_exchange_destroy(onnxruntime_exchange *exchange);

#endif
