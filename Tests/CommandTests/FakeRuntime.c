// Stands in for ONNX Runtime, CUDA's driver and its compiler, so that what the program does around a GPU can be tried
// where there is none. Built by the tests. It computes nothing that a network would: feature `f` of a frame is the mean of the
// frame's bytes plus f. FAKE_GPU says how the GPU behaves:
//
//   none         there is none
//   small:N      its memory holds batches of N frames
//   lost:N       it disappears after N runs
//   old          the libraries do not take the program's own layers
//   new          they take nothing else
//   turing       it does not compute in bf16, and is slow with anything but f16

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  char text[200];
} status;

static void *problem(const char *text) {
  status *made = calloc(1, sizeof *made);
  snprintf(made->text, sizeof made->text, "/source.cc:7 void Call() [ONNXRuntimeError] : 1 : FAIL : %s ; GPU=0 ; file=x", text);
  return made;
}

static int number_behind(const char *mode) {
  const char *given = getenv("FAKE_GPU");
  size_t length = strlen(mode);
  return given && strncmp(given, mode, length) == 0 ? atoi(given + length) : -1;
}

static const char *message(const void *it) { return ((const status *)it)->text; }
static void release(void *it) { free(it); }

static void *make(const void *of, void **made) {
  *made = malloc(1);
  return NULL;
}

static void *make_environment(int level, const char *name, void **made) { return make(name, made); }

static void *make_options(void **made) { return make(NULL, made); }
static void *set_threads(void *options, int threads) { return NULL; }

static void *make_domain(const char *name, void **made) { return make(name, made); }
static void *add(void *to, const void *what) { return NULL; }

static void *make_session(const void *environment, const char *model, const void *options, void **made) {
  FILE *file = fopen(model, "rb");
  if (!file) return problem("no such model");
  enum { ENOUGH = 1 << 20 };
  char *start = malloc(ENOUGH);
  size_t length = fread(start, 1, ENOUGH, file);
  fclose(file);
  int has_products = memmem(start, length, "Product_float16", 15) != NULL, is_trial = length < 1000;
  // A cast's attribute `to`, whose number is bf16's.
  static const char to_bf16[] = "\x0a\x02to\x18\x10";
  int has_bf16 = memmem(start, length, to_bf16, sizeof to_bf16 - 1) != NULL;
  free(start);
  if (number_behind("old") >= 0 && has_products) return problem("an operator cannot be computed");
  if (number_behind("new") >= 0 && !has_products && !is_trial) return problem("an operator is too slow");
  if (number_behind("turing") >= 0 && has_bf16) return problem("CUDNN_STATUS_ARCH_MISMATCH");
  make(options, made);
  *(char *)*made = (char)(number_behind("turing") >= 0 && !has_products);
  return NULL;
}

static void *make_memory(const char *name, int type, int device, int kind, void **made) { return make(name, made); }

static void *make_allocator(const void *session, const void *memory, void **made) { return make(memory, made); }

static void *allocate(void *allocator, size_t bytes, void **made) {
  return (*made = malloc(bytes)) ? NULL : problem("Failed to allocate memory");
}

static void *release_memory(void *allocator, void *memory) {
  free(memory);
  return NULL;
}

typedef struct {
  void *data;
  int64_t shape[8];
  size_t rank;
} value;

static void *make_value(
  const void *memory, void *data, size_t bytes, const int64_t *shape, size_t rank, int type, void **made) {
  value *own = calloc(1, sizeof *own);
  own->data = data;
  own->rank = rank;
  memcpy(own->shape, shape, rank * sizeof *shape);
  *made = own;
  return NULL;
}

typedef struct {
  const value *input, *output;
} binding;

static void *make_binding(void *session, void **made) {
  *made = calloc(1, sizeof(binding));
  return NULL;
}

static void *bind_input(void *it, const char *name, const void *what) {
  ((binding *)it)->input = what;
  return NULL;
}

static void *bind_output(void *it, const char *name, const void *what) {
  ((binding *)it)->output = what;
  return NULL;
}

static void *run(const void *session, const void *options, const void *bound) {
  if (*(const char *)session) usleep(20000);
  static int runs;
  const value *input = ((const binding *)bound)->input, *output = ((const binding *)bound)->output;
  if (input->rank == 1) return NULL;  // the trial
  int64_t frames = input->shape[1], size = 1, features = output->shape[2];
  for (size_t axis = 2; axis < input->rank; axis++) size *= input->shape[axis];
  int most = number_behind("small:"), left = number_behind("lost:");
  if (most >= 0 && frames > most) return problem("Available memory of 7 is smaller than requested bytes of 8");
  if (left >= 0 && __sync_fetch_and_add(&runs, 1) >= left) return problem("CUDA failure 719: unspecified launch failure");
  for (int64_t frame = 0; frame < frames; frame++) {
    double sum = 0;
    for (int64_t i = 0; i < size; i++) sum += ((const uint8_t *)input->data)[frame * size + i];
    for (int64_t f = 0; f < features; f++) ((float *)output->data)[frame * features + f] = (float)(sum / size) + f;
  }
  return NULL;
}

static void *make_cuda(void **made) {
  const char *given = getenv("FAKE_GPU");
  if (given && strcmp(given, "none") == 0) return problem("CUDA failure 100: no CUDA-capable device is detected");
  return make(NULL, made);
}

static void *update_cuda(void *it, const char *const *keys, const char *const *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    if (!keys[i] || !values[i]) return problem("an option is missing");
  }
  return NULL;
}

static const void *table[220] = {
  [2] = message, [3] = make_environment, [7] = make_session, [10] = make_options, [24] = set_threads,
  [26] = make_domain, [27] = add, [28] = add, [49] = make_value, [68] = make_memory, [75] = allocate,
  [76] = release_memory, [93] = release, [94] = release, [95] = release, [96] = release, [100] = release,
  [131] = make_allocator, [132] = release, [133] = run, [134] = make_binding, [135] = release, [136] = bind_input,
  [137] = bind_output, [204] = add, [205] = make_cuda, [206] = update_cuda, [208] = release,
};

static const void *const *get_table(uint32_t version) { return version <= 12 ? table : NULL; }
static const char *get_version(void) { return "1.99.0"; }

typedef struct {
  const void *const *(*table)(uint32_t);
  const char *(*version)(void);
} base;

const base *OrtGetApiBase(void) {
  static const base own = {get_table, get_version};
  return &own;
}

// CUDA's driver and compiler, as far as copies need them.

int cuDevicePrimaryCtxRetain(void **context, int device) {
  *context = table;
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
