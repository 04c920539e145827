#ifndef CONNXRUNTIME_GPU_H
#define CONNXRUNTIME_GPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// The GPU through NVIDIA's driver and runtime compiler, which ONNX Runtime has loaded or which are found as it finds
// them. Functions that can fail return NULL, or an error message that the caller frees.

/// Makes the GPU's context current in the calling thread.
char *gpu_enter(void);

/// The message `what` with an error code.
char *gpu_failed(const char *what, int code);

/// Looks up a function of a library; returns false if it is missing.
bool gpu_find(void *library, void **function, const char *name);

char *gpu_copy_in(void *device, const void *host, size_t bytes);
char *gpu_copy_out(void *host, const void *device, size_t bytes);

/// Serialises planning: NVIDIA's handles and plans are used by one thread at a time.
extern pthread_mutex_t gpu_planning;

/// Workspace shared by the layers of a run.
typedef struct {
  void *memory;
  size_t bytes;
} gpu_workspace;

/// Sets the workspace for the calling thread's layers.
void gpu_use(gpu_workspace *workspace);

/// Returns at least `bytes` of the workspace, which grows if necessary: not possible during graph capture.
char *gpu_reserve(size_t bytes, void **memory);

void gpu_release(gpu_workspace *workspace);

/// The program's own kernels, compiled together on first use.
typedef struct {
  const char *name, *source;
} gpu_source;

/// Compile-time parameters: element type, vector width, and activation.
typedef struct {
  int type, width, activation;
} gpu_variant;

char *gpu_kernel(const gpu_source *source, gpu_variant variant, const char *name, void **made);

/// Launches a kernel on the stream with blocks of `GPU_BLOCK` threads.
char *gpu_launch(void *kernel, size_t blocks, void *stream, void **arguments);

enum { GPU_BLOCK = 256 };

/// GPU time in milliseconds of what `body` enqueues: the mean of a few runs after a warm-up.
char *gpu_time(char *(*body)(void *), void *argument, void *stream, float *milliseconds);

#endif
