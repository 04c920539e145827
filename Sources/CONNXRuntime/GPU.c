#include "GPU.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COMPUTE_MAJOR = 75, COMPUTE_MINOR = 76, KINDS = 64, DEVICE = 0, TIMES = 4 };

static struct {
  int (*compile_create)(void **, const char *, const char *, int, const char *const *, const char *const *);
  int (*compile)(void *, int, const char *const *);
  int (*binary_size)(void *, size_t *);
  int (*binary)(void *, char *);
  int (*log_size)(void *, size_t *);
  int (*log)(void *, char *);
  int (*compile_destroy)(void **);
  int (*primary_context)(void **, int);
  int (*enter)(void *);
  int (*copy_in)(unsigned long long, const void *, size_t);
  int (*copy_out)(void *, unsigned long long, size_t);
  int (*allocate)(unsigned long long *, size_t);
  int (*release)(unsigned long long);
  int (*attribute)(int *, int, int);
  int (*load)(void **, const void *);
  int (*function)(void **, void *, const char *);
  int (*launch)(
    void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
  int (*event)(void **, unsigned);
  int (*record)(void *, void *);
  int (*wait)(void *);
  int (*elapsed)(float *, void *, void *);
  int (*event_destroy)(void *);
} nvidia;

/// Compiled kernels.
static struct {
  const gpu_source *source;
  gpu_variant variant;
  void *module;
} modules[KINDS];

pthread_mutex_t gpu_planning = PTHREAD_MUTEX_INITIALIZER;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

bool gpu_find(void *library, void **function, const char *name) {
  *function = library ? dlsym(library, name) : NULL;
  return *function != NULL;
}

static bool find_nvidia(void) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"};
  void *compiler = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !compiler; i++) compiler = dlopen(names[i], RTLD_LAZY);
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
  return gpu_find(compiler, (void **)&nvidia.compile_create, "nvrtcCreateProgram")
         && gpu_find(compiler, (void **)&nvidia.compile, "nvrtcCompileProgram")
         && gpu_find(compiler, (void **)&nvidia.binary_size, "nvrtcGetCUBINSize")
         && gpu_find(compiler, (void **)&nvidia.binary, "nvrtcGetCUBIN")
         && gpu_find(compiler, (void **)&nvidia.log_size, "nvrtcGetProgramLogSize")
         && gpu_find(compiler, (void **)&nvidia.log, "nvrtcGetProgramLog")
         && gpu_find(compiler, (void **)&nvidia.compile_destroy, "nvrtcDestroyProgram")
         && gpu_find(driver, (void **)&nvidia.primary_context, "cuDevicePrimaryCtxRetain")
         && gpu_find(driver, (void **)&nvidia.enter, "cuCtxSetCurrent")
         && gpu_find(driver, (void **)&nvidia.copy_in, "cuMemcpyHtoD_v2")
         && gpu_find(driver, (void **)&nvidia.copy_out, "cuMemcpyDtoH_v2")
         && gpu_find(driver, (void **)&nvidia.allocate, "cuMemAlloc_v2")
         && gpu_find(driver, (void **)&nvidia.release, "cuMemFree_v2")
         && gpu_find(driver, (void **)&nvidia.attribute, "cuDeviceGetAttribute")
         && gpu_find(driver, (void **)&nvidia.load, "cuModuleLoadData")
         && gpu_find(driver, (void **)&nvidia.function, "cuModuleGetFunction")
         && gpu_find(driver, (void **)&nvidia.launch, "cuLaunchKernel")
         && gpu_find(driver, (void **)&nvidia.event, "cuEventCreate")
         && gpu_find(driver, (void **)&nvidia.record, "cuEventRecord")
         && gpu_find(driver, (void **)&nvidia.wait, "cuEventSynchronize")
         && gpu_find(driver, (void **)&nvidia.elapsed, "cuEventElapsedTime")
         && gpu_find(driver, (void **)&nvidia.event_destroy, "cuEventDestroy_v2");
}

char *gpu_failed(const char *what, int code) {
  char text[200];
  snprintf(text, sizeof text, "CUDA failure %d: %s", code, what);
  return strdup(text);
}

char *gpu_enter(void) {
  static void *context;
  pthread_mutex_lock(&mutex);
  char *failure = NULL;
  int code = 0;
  if (!context) {
    if (!find_nvidia()) failure = strdup("NVIDIA's driver or its compiler (libnvrtc) is not there, or too old");
    else code = nvidia.primary_context(&context, DEVICE);
  }
  pthread_mutex_unlock(&mutex);
  if (!failure && code == 0) code = nvidia.enter(context);
  return code ? gpu_failed("no GPU", code) : failure;
}

// MARK: - Memory

char *gpu_copy_in(void *device, const void *host, size_t bytes) {
  int code = nvidia.copy_in((unsigned long long)(uintptr_t)device, host, bytes);
  return code ? gpu_failed("copying to the GPU", code) : NULL;
}

char *gpu_copy_out(void *host, const void *device, size_t bytes) {
  int code = nvidia.copy_out(host, (unsigned long long)(uintptr_t)device, bytes);
  return code ? gpu_failed("copying from the GPU", code) : NULL;
}

static _Thread_local gpu_workspace *used;

void gpu_use(gpu_workspace *workspace) { used = workspace; }

void gpu_release(gpu_workspace *workspace) {
  if (workspace->memory) nvidia.release((unsigned long long)(uintptr_t)workspace->memory);
  *workspace = (gpu_workspace){NULL, 0};
}

char *gpu_reserve(size_t bytes, void **memory) {
  if (!used) return strdup("no run has begun");
  if (used->bytes < bytes) {
    // Waits until no kernel uses the memory.
    gpu_release(used);
    unsigned long long made = 0;
    int code = nvidia.allocate(&made, bytes);
    if (code) return gpu_failed("out of memory for a layer's workspace", code);
    *used = (gpu_workspace){(void *)(uintptr_t)made, bytes};
  }
  *memory = used->memory;
  return NULL;
}

// MARK: - Own kernels

/// The compiler's log.
static char *compiler_log(void *program) {
  size_t size = 0;
  char *text = nvidia.log_size(program, &size) == 0 ? calloc(1, size + 1) : NULL;
  if (text) nvidia.log(program, text);
  return text ? text : strdup("own kernels do not compile");
}

static char *compile(const gpu_source *source, gpu_variant variant, void **module) {
  int major = 0, minor = 0;
  int code = nvidia.attribute(&major, COMPUTE_MAJOR, DEVICE);
  if (code == 0) code = nvidia.attribute(&minor, COMPUTE_MINOR, DEVICE);
  if (code != 0) return gpu_failed("no GPU for own kernels", code);
  char options[4][40];
  snprintf(options[0], sizeof options[0], "--gpu-architecture=sm_%d%d", major, minor);
  snprintf(options[1], sizeof options[1], "-DTYPE=%d", variant.type);
  snprintf(options[2], sizeof options[2], "-DWIDTH=%d", variant.width);
  snprintf(options[3], sizeof options[3], "-DACTIVATION=%d", variant.activation);
  const char *const given[] = {options[0], options[1], options[2], options[3]};
  void *program = NULL;
  if ((code = nvidia.compile_create(&program, source->source, source->name, 0, NULL, NULL)) != 0)
    return gpu_failed("own kernels", code);
  char *failure = NULL, *binary = NULL;
  size_t size = 0;
  if (nvidia.compile(program, 4, given) != 0) failure = compiler_log(program);
  if (!failure && (code = nvidia.binary_size(program, &size)) != 0) failure = gpu_failed("own kernels' size", code);
  if (!failure && !(binary = malloc(size))) failure = strdup("failed to allocate memory");
  if (!failure && (code = nvidia.binary(program, binary)) != 0) failure = gpu_failed("own kernels' code", code);
  if (!failure && (code = nvidia.load(module, binary)) != 0) failure = gpu_failed("loading own kernels", code);
  nvidia.compile_destroy(&program);
  free(binary);
  return failure;
}

char *gpu_kernel(const gpu_source *source, gpu_variant variant, const char *name, void **made) {
  pthread_mutex_lock(&mutex);
  char *failure = NULL;
  int place = 0;
  while (place < KINDS - 1 && modules[place].module
         && (modules[place].source != source || memcmp(&modules[place].variant, &variant, sizeof variant) != 0))
    place++;
  if (!modules[place].module) {
    failure = compile(source, variant, &modules[place].module);
    modules[place].source = source;
    modules[place].variant = variant;
  }
  int code = failure ? 0 : nvidia.function(made, modules[place].module, name);
  pthread_mutex_unlock(&mutex);
  return code ? gpu_failed(name, code) : failure;
}

char *gpu_launch(void *kernel, size_t blocks, void *stream, void **arguments) {
  int code = nvidia.launch(kernel, (unsigned)blocks, 1, 1, GPU_BLOCK, 1, 1, 0, stream, arguments, NULL);
  return code ? gpu_failed("starting an own kernel", code) : NULL;
}

char *gpu_time(char *(*body)(void *), void *argument, void *stream, float *milliseconds) {
  void *begin = NULL, *end = NULL;
  int code = nvidia.event(&begin, 0);
  if (code == 0) code = nvidia.event(&end, 0);
  char *failure = code ? NULL : body(argument);
  if (code == 0) code = nvidia.record(begin, stream);
  for (int i = 0; i < TIMES && code == 0 && !failure; i++) failure = body(argument);
  if (code == 0) code = nvidia.record(end, stream);
  if (code == 0) code = nvidia.wait(end);
  if (code == 0) code = nvidia.elapsed(milliseconds, begin, end);
  *milliseconds /= TIMES;
  if (begin) nvidia.event_destroy(begin);
  if (end) nvidia.event_destroy(end);
  if (failure || code == 0) return failure;
  return gpu_failed("measuring a layer", code);
}
