#include "Internal.h"
#include "PassSource.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

// NVIDIA's compiler and driver, which the library has loaded already, or can be found as it finds them.

enum { COMPUTE_MAJOR = 75, COMPUTE_MINOR = 76, KINDS = 6, BLOCK = 256, DEVICE = 0 };

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
  int (*attribute)(int *, int, int);
  int (*load)(void **, const void *);
  int (*function)(void **, void *, const char *);
  int (*launch)(
    void *, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, void *, void **, void **);
} nvidia;

/// Compiled kernels, by type and width.
static struct {
  int type, width;
  void *module;
} modules[KINDS];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool find(void *library, void **function, const char *name) {
  *function = library ? dlsym(library, name) : NULL;
  return *function != NULL;
}

static bool find_nvidia(void) {
  static const char *const names[] = {"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11.2", "libnvrtc.so"};
  void *compiler = NULL;
  for (size_t i = 0; i < sizeof names / sizeof *names && !compiler; i++) compiler = dlopen(names[i], RTLD_LAZY);
  void *driver = dlopen("libcuda.so.1", RTLD_LAZY);
  return find(compiler, (void **)&nvidia.compile_create, "nvrtcCreateProgram")
         && find(compiler, (void **)&nvidia.compile, "nvrtcCompileProgram")
         && find(compiler, (void **)&nvidia.binary_size, "nvrtcGetCUBINSize")
         && find(compiler, (void **)&nvidia.binary, "nvrtcGetCUBIN")
         && find(compiler, (void **)&nvidia.log_size, "nvrtcGetProgramLogSize")
         && find(compiler, (void **)&nvidia.log, "nvrtcGetProgramLog")
         && find(compiler, (void **)&nvidia.compile_destroy, "nvrtcDestroyProgram")
         && find(driver, (void **)&nvidia.primary_context, "cuDevicePrimaryCtxRetain")
         && find(driver, (void **)&nvidia.enter, "cuCtxSetCurrent")
         && find(driver, (void **)&nvidia.copy_in, "cuMemcpyHtoD_v2")
         && find(driver, (void **)&nvidia.copy_out, "cuMemcpyDtoH_v2")
         && find(driver, (void **)&nvidia.attribute, "cuDeviceGetAttribute")
         && find(driver, (void **)&nvidia.load, "cuModuleLoadData")
         && find(driver, (void **)&nvidia.function, "cuModuleGetFunction")
         && find(driver, (void **)&nvidia.launch, "cuLaunchKernel");
}

/// `what` with a number behind it.
static char *failed(const char *what, int code) {
  char text[200];
  snprintf(text, sizeof text, "CUDA failure %d: %s", code, what);
  return strdup(text);
}

/// What the compiler says.
static char *compiler_log(void *program) {
  size_t size = 0;
  char *text = nvidia.log_size(program, &size) == 0 ? calloc(1, size + 1) : NULL;
  if (text) nvidia.log(program, text);
  return text ? text : strdup("own kernels do not compile");
}

static char *compile(int type, int width, void **module) {
  int major = 0, minor = 0;
  int code = nvidia.attribute(&major, COMPUTE_MAJOR, DEVICE);
  if (code == 0) code = nvidia.attribute(&minor, COMPUTE_MINOR, DEVICE);
  if (code != 0) return failed("no GPU for own kernels", code);
  char options[3][40];
  snprintf(options[0], sizeof options[0], "--gpu-architecture=sm_%d%d", major, minor);
  snprintf(options[1], sizeof options[1], "-DTYPE=%d", type);
  snprintf(options[2], sizeof options[2], "-DWIDTH=%d", width);
  const char *const given[] = {options[0], options[1], options[2]};
  void *program = NULL;
  if ((code = nvidia.compile_create(&program, pass_source, "passes.cu", 0, NULL, NULL)) != 0)
    return failed("own kernels", code);
  char *failure = NULL, *binary = NULL;
  size_t size = 0;
  if (nvidia.compile(program, 3, given) != 0) failure = compiler_log(program);
  if (!failure && (code = nvidia.binary_size(program, &size)) != 0) failure = failed("own kernels' size", code);
  if (!failure && !(binary = malloc(size))) failure = strdup("failed to allocate memory");
  if (!failure && (code = nvidia.binary(program, binary)) != 0) failure = failed("own kernels' code", code);
  if (!failure && (code = nvidia.load(module, binary)) != 0) failure = failed("loading own kernels", code);
  nvidia.compile_destroy(&program);
  free(binary);
  return failure;
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
  return code ? failed("no GPU", code) : failure;
}

char *gpu_copy_in(void *device, const void *host, size_t bytes) {
  int code = nvidia.copy_in((unsigned long long)(uintptr_t)device, host, bytes);
  return code ? failed("copying to the GPU", code) : NULL;
}

char *gpu_copy_out(void *host, const void *device, size_t bytes) {
  int code = nvidia.copy_out(host, (unsigned long long)(uintptr_t)device, bytes);
  return code ? failed("copying from the GPU", code) : NULL;
}

/// The kernel of that name; all of a type and width are compiled at once, and kept.
static char *function(int type, int width, const char *name, void **made) {
  pthread_mutex_lock(&mutex);
  char *failure = NULL;
  int place = 0;
  while (place < KINDS - 1 && modules[place].module && (modules[place].type != type || modules[place].width != width))
    place++;
  if (!modules[place].module) {
    failure = compile(type, width, &modules[place].module);
    modules[place].type = type;
    modules[place].width = width;
  }
  int code = failure ? 0 : nvidia.function(made, modules[place].module, name);
  pthread_mutex_unlock(&mutex);
  return code ? failed(name, code) : failure;
}

static char *launch(void *kernel, size_t blocks, void *stream, void **arguments) {
  int code = nvidia.launch(kernel, (unsigned)blocks, 1, 1, BLOCK, 1, 1, 0, stream, arguments, NULL);
  return code ? failed("starting an own kernel", code) : NULL;
}

char *pass_on_gpu(const pass *it, void *stream) {
  int whole = it->type == FLOAT32 ? 4 : 8;
  bool is_wide = it->kind == PASS_PIXELS || it->channels % (size_t)whole == 0;
  int width = is_wide ? whole : 1;
  unsigned columns = (unsigned)(it->channels / (size_t)width), rows = (unsigned)it->rows;
  if (it->rows * it->channels / (size_t)width > UINT32_MAX) return strdup("own kernels take smaller batches");
  char name[32];
  void *kernel = NULL;
  char *failure;
  if (it->kind == PASS_PIXELS) {
    if ((failure = function(it->type, width, "pixels", &kernel))) return failure;
    int wide = it->width, reversed = it->reversed;
    void *arguments[] = {
      (void *)&it->x, (void *)&it->first, (void *)&it->second, (void *)&it->y, &rows, &wide, &reversed};
    return launch(kernel, (it->rows + BLOCK - 1) / BLOCK, stream, arguments);
  }
  unsigned count = rows * columns;
  size_t blocks = ((size_t)count + BLOCK - 1) / BLOCK;
  if (it->kind == PASS_SCALE) {
    if ((failure = function(it->type, width, "multiply", &kernel))) return failure;
    unsigned image = (unsigned)it->alike * columns;
    void *arguments[] = {(void *)&it->x, (void *)&it->first, (void *)&it->y, &count, &columns, &image};
    return launch(kernel, blocks, stream, arguments);
  }
  if (it->kind == PASS_EPILOGUE) {
    snprintf(name, sizeof name, "epilogue%d", it->activation);
    if ((failure = function(it->type, width, name, &kernel))) return failure;
    void *arguments[] = {
      (void *)&it->x, (void *)&it->first, (void *)&it->residual, (void *)&it->y, &count, &columns};
    return launch(kernel, blocks, stream, arguments);
  }
  unsigned parts = (columns + 31) / 32, most = 1;
  while (most < parts) most *= 2;
  if (most > 16) return strdup("own kernels normalise fewer channels");
  snprintf(name, sizeof name, "normalize%u", most);
  if ((failure = function(it->type, width, name, &kernel))) return failure;
  float epsilon = it->epsilon;
  void *arguments[] = {
    (void *)&it->x, (void *)&it->first, (void *)&it->second, (void *)&it->third, (void *)&it->residual,
    (void *)&it->y, (void *)&it->sum, &rows, &columns, &epsilon};
  return launch(kernel, (it->rows + BLOCK / 32 - 1) / (BLOCK / 32), stream, arguments);
}
