#ifndef CONNXRUNTIME_GPU_H
#define CONNXRUNTIME_GPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

// The GPU by NVIDIA's driver and compiler, which ONNX Runtime has loaded already, or can be found as it finds them.
// Functions that can fail return NULL, or a text that the caller frees.

/// Makes the GPU the one that the calling thread speaks to.
char *gpu_enter(void);

/// `what` with a number behind it.
char *gpu_failed(const char *what, int code);

/// A function of a library, or false where there is none.
bool gpu_find(void *library, void **function, const char *name);

char *gpu_copy_in(void *device, const void *host, size_t bytes);
char *gpu_copy_out(void *host, const void *device, size_t bytes);

/// NVIDIA's handles, plans, and what is set in them before a layer begins, belong to one thread at a time.
extern pthread_mutex_t gpu_planning;

/// Memory that one run's layers compute in, one after the other.
typedef struct {
  void *memory;
  size_t bytes;
} gpu_workspace;

/// The memory that the calling thread's layers are to use, until another is named.
void gpu_use(gpu_workspace *workspace);

/// So much of that memory, which grows where it is too small: only while no run is being recorded.
char *gpu_reserve(size_t bytes, void **memory);

void gpu_release(gpu_workspace *workspace);

/// Kernels of the program's own, compiled together when one of them is first asked for.
typedef struct {
  const char *name, *source;
} gpu_source;

/// What a source is compiled for: the type of its numbers, how many of them are moved at once, and what is done to results.
typedef struct {
  int type, width, activation;
} gpu_variant;

char *gpu_kernel(const gpu_source *source, gpu_variant variant, const char *name, void **made);

/// Starts a kernel behind what the stream holds, with blocks of `GPU_BLOCK` threads.
char *gpu_launch(void *kernel, size_t blocks, void *stream, void **arguments);

enum { GPU_BLOCK = 256 };

/// How long what `body` tells the stream takes the GPU, in milliseconds: the mean of a few times, after a first one.
char *gpu_time(char *(*body)(void *), void *argument, void *stream, float *milliseconds);

#endif
