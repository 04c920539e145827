#include "Internal.h"

#include <dlfcn.h>

const OrtApi *ort;

static const char *version = "";
static OrtEnv *environment;

char *onnxruntime_outcome(OrtStatus *status) {
  if (!status) return NULL;
  char *text = strdup(ort->GetErrorMessage(status));
  ort->ReleaseStatus(status);
  return text;
}

char *onnxruntime_load(const char *path) {
  if (environment) return NULL;
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) return strdup(dlerror());
  const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(handle, "OrtGetApiBase");
  if (!base) return strdup("it has no function OrtGetApiBase");
  if (!(ort = base()->GetApi(ORT_API_VERSION))) return strdup("it is older than version 1.12");
  version = base()->GetVersionString();
  return onnxruntime_outcome(ort->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "zoetrope", &environment));
}

bool onnxruntime_preload(const char *path) { return dlopen(path, RTLD_LAZY | RTLD_GLOBAL) != NULL; }

const char *onnxruntime_version(void) { return version; }

/// Adds the CUDA provider to the session options.
static char *use_cuda(OrtSessionOptions *options, const char *const *keys, const char *const *values, size_t count) {
  OrtCUDAProviderOptionsV2 *cuda = NULL;
  char *failure = onnxruntime_outcome(ort->CreateCUDAProviderOptions(&cuda));
  if (!failure) failure = onnxruntime_outcome(ort->UpdateCUDAProviderOptions(cuda, keys, values, count));
  if (!failure) failure = onnxruntime_outcome(ort->SessionOptionsAppendExecutionProvider_CUDA_V2(options, cuda));
  ort->ReleaseCUDAProviderOptions(cuda);
  return failure;
}

char *onnxruntime_open(
  const char *model, bool cuda, const char *const *keys, const char *const *values, size_t count, int threads,
  onnxruntime_session **session) {
  OrtSessionOptions *options = NULL;
  onnxruntime_session own = {NULL, NULL, cuda};
  acquire_capture_lock(false);
  char *failure = onnxruntime_outcome(ort->CreateSessionOptions(&options));
  if (!failure) failure = onnxruntime_outcome(ort->SetIntraOpNumThreads(options, threads));
  if (!failure && cuda) failure = use_cuda(options, keys, values, count);
  if (!failure) failure = onnxruntime_add_operators(options, cuda);
  if (!failure) failure = onnxruntime_outcome(ort->CreateSession(environment, model, options, &own.session));
  if (!failure) {
    failure = onnxruntime_outcome(
      cuda ? ort->CreateMemoryInfo("Cuda", OrtArenaAllocator, 0, OrtMemTypeDefault, &own.memory)
           : ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &own.memory));
  }
  ort->ReleaseSessionOptions(options);
  release_capture_lock(false);
  *session = NULL;
  if (!failure && (*session = malloc(sizeof own))) {
    **session = own;
    return NULL;
  }
  ort->ReleaseMemoryInfo(own.memory);
  ort->ReleaseSession(own.session);
  return failure ? failure : strdup("there is no memory left");
}

void onnxruntime_close(onnxruntime_session *session) {
  if (!session) return;
  acquire_capture_lock(false);
  ort->ReleaseMemoryInfo(session->memory);
  ort->ReleaseSession(session->session);
  release_capture_lock(false);
  free(session);
}
