#include "Internal.h"

#include <dlfcn.h>

typedef struct {
  const void *const *(*table)(uint32_t version);
  const char *(*version)(void);
} Base;

struct onnxruntime_library onnxruntime_library;

static void release_status(void *status) {
  if (status) CALL(RELEASE_STATUS, void (*)(void *))(status);
}

char *onnxruntime_outcome(void *status) {
  if (!status) return NULL;
  char *text = strdup(CALL(GET_ERROR_MESSAGE, const char *(*)(const void *))(status));
  release_status(status);
  return text;
}

void onnxruntime_release(int place, void *object) {
  if (object) CALL(place, void (*)(void *))(object);
}

char *onnxruntime_load(const char *path) {
  if (onnxruntime_library.environment) return NULL;
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return strdup(dlerror());
  const Base *(*base)(void) = (const Base *(*)(void))dlsym(handle, "OrtGetApiBase");
  if (!base) return strdup("it has no function OrtGetApiBase");
  onnxruntime_library.functions = base()->table(INTERFACE);
  if (!onnxruntime_library.functions) return strdup("it is older than version 1.12");
  onnxruntime_library.version = base()->version();
  return onnxruntime_outcome(CALL(CREATE_ENVIRONMENT, void *(*)(int, const char *, void **))(
    FATAL, "zoetrope", &onnxruntime_library.environment));
}

bool onnxruntime_preload(const char *path) { return dlopen(path, RTLD_LAZY | RTLD_GLOBAL) != NULL; }

const char *onnxruntime_version(void) { return onnxruntime_library.version ? onnxruntime_library.version : ""; }

/// Adds the CUDA provider to the session options.
static char *use_cuda(void *options, const char *const *keys, const char *const *values, size_t count) {
  void *cuda = NULL;
  char *failure = onnxruntime_outcome(CALL(CREATE_CUDA_OPTIONS, void *(*)(void **))(&cuda));
  if (!failure) {
    failure = onnxruntime_outcome(CALL(UPDATE_CUDA_OPTIONS, void *(*)(void *, const char *const *, const char *const *, size_t))(
      cuda, keys, values, count));
  }
  if (!failure) failure = onnxruntime_outcome(CALL(APPEND_CUDA, void *(*)(void *, const void *))(options, cuda));
  onnxruntime_release(RELEASE_CUDA_OPTIONS, cuda);
  return failure;
}

char *onnxruntime_open(
  const char *model, bool cuda, const char *const *keys, const char *const *values, size_t count, int threads,
  onnxruntime_session **session) {
  void *options = NULL;
  onnxruntime_session own = {NULL, NULL, cuda};
  acquire_capture_lock(false);
  char *failure = onnxruntime_outcome(CALL(CREATE_OPTIONS, void *(*)(void **))(&options));
  if (!failure) failure = onnxruntime_outcome(CALL(SET_INTRA_THREADS, void *(*)(void *, int))(options, threads));
  if (!failure && cuda) failure = use_cuda(options, keys, values, count);
  if (!failure) failure = onnxruntime_add_operators(options, cuda);
  if (!failure) {
    failure = onnxruntime_outcome(CALL(CREATE_SESSION, void *(*)(const void *, const char *, const void *, void **))(
      onnxruntime_library.environment, model, options, &own.session));
  }
  if (!failure && cuda) {
    failure = onnxruntime_outcome(CALL(CREATE_MEMORY, void *(*)(const char *, int, int, int, void **))(
      "Cuda", ARENA, 0, DEFAULT_MEMORY, &own.memory));
  } else if (!failure) {
    failure = onnxruntime_outcome(CALL(CREATE_CPU_MEMORY, void *(*)(int, int, void **))(ARENA, DEFAULT_MEMORY, &own.memory));
  }
  onnxruntime_release(RELEASE_OPTIONS, options);
  release_capture_lock(false);
  *session = NULL;
  if (!failure && (*session = malloc(sizeof own))) {
    **session = own;
    return NULL;
  }
  onnxruntime_release(RELEASE_MEMORY, own.memory);
  onnxruntime_release(RELEASE_SESSION, own.session);
  return failure ? failure : strdup("there is no memory left");
}

void onnxruntime_close(onnxruntime_session *session) {
  if (!session) return;
  acquire_capture_lock(false);
  onnxruntime_release(RELEASE_MEMORY, session->memory);
  onnxruntime_release(RELEASE_SESSION, session->session);
  release_capture_lock(false);
  free(session);
}
