// Simulates ONNX Runtime, CUDA's driver and its compiler, to test what the program does around a GPU on machines
// without one. Built by the tests. It computes no network: feature `f` of a frame is the mean of the frame's bytes plus
// f. FAKE_GPU says how the GPU behaves:
//
//   none         there is none
//   small:N      its memory holds batches of N frames
//   lost:N       it disappears after N runs
//   old          the libraries reject the program's custom operators
//   new          they reject everything else
//   turing       it does not compute in bf16, and is slow with anything but f16

#define _GNU_SOURCE
#include "RuntimeAPI.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct OrtStatus {
  char text[200];
};

static OrtStatus *problem(const char *text) {
  OrtStatus *made = calloc(1, sizeof *made);
  snprintf(
    made->text, sizeof made->text,
    "/source.cc:7 void Call() [ONNXRuntimeError] : 1 : FAIL : %s ; GPU=0 ; file=x", text);
  return made;
}

static int number_behind(const char *mode) {
  const char *given = getenv("FAKE_GPU");
  size_t length = strlen(mode);
  return given && strncmp(given, mode, length) == 0 ? atoi(given + length) : -1;
}

static const char *message(const OrtStatus *status) { return status->text; }

/// Objects without content, all of one byte.
#define CREATE(name, type, ...)                      \
  static OrtStatus *name(__VA_ARGS__, type **made) { \
    *made = malloc(1);                               \
    return NULL;                                     \
  }
#define ACCEPT(name, ...) \
  static OrtStatus *name(__VA_ARGS__) { return NULL; }
#define RELEASE(name, type) \
  static void name(type *it) { free(it); }

#pragma clang diagnostic ignored "-Wunused-parameter"
CREATE(create_environment, OrtEnv, int level, const char *name)
CREATE(create_domain, OrtCustomOpDomain, const char *name)
CREATE(create_memory, OrtMemoryInfo, const char *name, int type, int device, int kind)
CREATE(create_allocator, OrtAllocator, const OrtSession *session, const OrtMemoryInfo *memory)
ACCEPT(set_threads, OrtSessionOptions *options, int threads)
ACCEPT(add_operator, OrtCustomOpDomain *domain, const OrtCustomOp *operator)
ACCEPT(add_domain, OrtSessionOptions *options, OrtCustomOpDomain *domain)
ACCEPT(append_cuda, OrtSessionOptions *options, const OrtCUDAProviderOptionsV2 *cuda)
RELEASE(release_status, OrtStatus)
RELEASE(release_memory, OrtMemoryInfo)
RELEASE(release_session, OrtSession)
RELEASE(release_value, OrtValue)
RELEASE(release_options, OrtSessionOptions)
RELEASE(release_allocator, OrtAllocator)
RELEASE(release_binding, OrtIoBinding)
RELEASE(release_cuda, OrtCUDAProviderOptionsV2)

static OrtStatus *create_options(OrtSessionOptions **made) {
  *made = malloc(1);
  return NULL;
}

struct OrtSession {
  int is_slow;
};

static OrtStatus *create_session(
  const OrtEnv *environment, const char *model, const OrtSessionOptions *options, OrtSession **made) {
  FILE *file = fopen(model, "rb");
  if (!file) return problem("no such model");
  enum { ENOUGH = 1 << 20 };
  char *start = malloc(ENOUGH);
  size_t length = fread(start, 1, ENOUGH, file);
  fclose(file);
  int has_products = memmem(start, length, "Product_float16", 15) != NULL, is_trial = length < 1000;
  // A cast's attribute `to` with the code of bf16.
  static const char to_bf16[] = "\x0a\x02to\x18\x10";
  int has_bf16 = memmem(start, length, to_bf16, sizeof to_bf16 - 1) != NULL;
  free(start);
  if (number_behind("old") >= 0 && has_products) return problem("an operator cannot be computed");
  if (number_behind("new") >= 0 && !has_products && !is_trial) return problem("an operator is too slow");
  if (number_behind("turing") >= 0 && has_bf16) return problem("CUDNN_STATUS_ARCH_MISMATCH");
  *made = malloc(sizeof **made);
  (*made)->is_slow = number_behind("turing") >= 0 && !has_products;
  return NULL;
}

static OrtStatus *allocate(OrtAllocator *allocator, size_t bytes, void **made) {
  return (*made = malloc(bytes)) ? NULL : problem("Failed to allocate memory");
}

static OrtStatus *deallocate(OrtAllocator *allocator, void *memory) {
  free(memory);
  return NULL;
}

struct OrtValue {
  void *data;
  int64_t shape[8];
  size_t rank;
};

static OrtStatus *create_value(
  const OrtMemoryInfo *memory, void *data, size_t bytes, const int64_t *shape, size_t rank, int type, OrtValue **made) {
  *made = calloc(1, sizeof **made);
  (*made)->data = data;
  (*made)->rank = rank;
  memcpy((*made)->shape, shape, rank * sizeof *shape);
  return NULL;
}

struct OrtIoBinding {
  const OrtValue *input, *output;
};

static OrtStatus *create_binding(OrtSession *session, OrtIoBinding **made) {
  *made = calloc(1, sizeof **made);
  return NULL;
}

static OrtStatus *bind_input(OrtIoBinding *binding, const char *name, const OrtValue *value) {
  binding->input = value;
  return NULL;
}

static OrtStatus *bind_output(OrtIoBinding *binding, const char *name, const OrtValue *value) {
  binding->output = value;
  return NULL;
}

static OrtStatus *run(OrtSession *session, const OrtRunOptions *options, const OrtIoBinding *binding) {
  if (session->is_slow) usleep(20000);
  static int runs;
  const OrtValue *input = binding->input, *output = binding->output;
  if (input->rank == 1) return NULL;  // the trial
  int64_t frames = input->shape[1], size = 1, features = output->shape[2];
  for (size_t axis = 2; axis < input->rank; axis++) size *= input->shape[axis];
  int most = number_behind("small:"), left = number_behind("lost:");
  if (most >= 0 && frames > most) return problem("Available memory of 7 is smaller than requested bytes of 8");
  if (left >= 0 && __sync_fetch_and_add(&runs, 1) >= left)
    return problem("CUDA failure 719: unspecified launch failure");
  for (int64_t frame = 0; frame < frames; frame++) {
    double sum = 0;
    for (int64_t i = 0; i < size; i++) sum += ((const uint8_t *)input->data)[frame * size + i];
    for (int64_t f = 0; f < features; f++) ((float *)output->data)[frame * features + f] = (float)(sum / size) + f;
  }
  return NULL;
}

static OrtStatus *create_cuda(OrtCUDAProviderOptionsV2 **made) {
  const char *given = getenv("FAKE_GPU");
  if (given && strcmp(given, "none") == 0) return problem("CUDA failure 100: no CUDA-capable device is detected");
  *made = malloc(1);
  return NULL;
}

static OrtStatus *update_cuda(
  OrtCUDAProviderOptionsV2 *it, const char *const *keys, const char *const *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!keys[i] || !values[i]) return problem("an option is missing");
  }
  return NULL;
}

static const OrtApi api = {
  .GetErrorMessage = message, .CreateEnv = create_environment, .CreateSession = create_session,
  .CreateSessionOptions = create_options, .SetIntraOpNumThreads = set_threads, .CreateCustomOpDomain = create_domain,
  .CustomOpDomain_Add = add_operator, .AddCustomOpDomain = add_domain,
  .CreateTensorWithDataAsOrtValue = create_value, .CreateMemoryInfo = create_memory, .AllocatorAlloc = allocate,
  .AllocatorFree = deallocate, .ReleaseStatus = release_status, .ReleaseMemoryInfo = release_memory,
  .ReleaseSession = release_session, .ReleaseValue = release_value, .ReleaseSessionOptions = release_options,
  .CreateAllocator = create_allocator, .ReleaseAllocator = release_allocator, .RunWithBinding = run,
  .CreateIoBinding = create_binding, .ReleaseIoBinding = release_binding, .BindInput = bind_input,
  .BindOutput = bind_output, .SessionOptionsAppendExecutionProvider_CUDA_V2 = append_cuda,
  .CreateCUDAProviderOptions = create_cuda, .UpdateCUDAProviderOptions = update_cuda,
  .ReleaseCUDAProviderOptions = release_cuda,
};

static const OrtApi *get_api(uint32_t version) { return version <= ORT_API_VERSION ? &api : NULL; }
static const char *get_version(void) { return "1.99.0"; }

const OrtApiBase *OrtGetApiBase(void) {
  static const OrtApiBase base = {get_api, get_version};
  return &base;
}

// CUDA's driver and compiler, as far as copies need them.

int cuDevicePrimaryCtxRetain(void **context, int device) {
  (void)device;
  *context = (void *)&api;
  return 0;
}

int cuCtxSetCurrent(void *context) { return context ? 0 : 201; }

int cuMemcpyHtoD_v2(unsigned long long to, const void *from, size_t bytes) {
  memcpy((void *)(uintptr_t)to, from, bytes);
  return 0;
}

int cuMemcpyDtoH_v2(void *to, unsigned long long from, size_t bytes) {
  memcpy(to, (const void *)(uintptr_t)from, bytes);
  return 0;
}

#define UNUSED(name) \
  int name(void) { return 1; }
UNUSED(cuDeviceGetAttribute)
UNUSED(cuMemAlloc_v2)
UNUSED(cuMemFree_v2)
UNUSED(cuEventCreate)
UNUSED(cuEventRecord)
UNUSED(cuEventSynchronize)
UNUSED(cuEventElapsedTime)
UNUSED(cuEventDestroy_v2)
UNUSED(cuModuleLoadData)
UNUSED(cuModuleGetFunction)
UNUSED(cuLaunchKernel)
UNUSED(nvrtcCreateProgram)
UNUSED(nvrtcCompileProgram)
UNUSED(nvrtcGetCUBINSize)
UNUSED(nvrtcGetCUBIN)
UNUSED(nvrtcGetProgramLogSize)
UNUSED(nvrtcGetProgramLog)
UNUSED(nvrtcDestroyProgram)
