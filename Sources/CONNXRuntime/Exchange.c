#include "GPU.h"
#include "Internal.h"

/// Memory of an input or an output.
typedef struct {
  size_t bytes;
  /// Host memory of the program, and device memory of the GPU.
  void *host, *device;
  /// The library's tensor for the memory.
  OrtValue *value;
} region;

struct onnxruntime_exchange {
  const onnxruntime_session *session;
  char *input_name, *output_name;
  region input, output;
  /// On a GPU: the allocators of pinned host memory and of device memory.
  OrtAllocator *pinned, *device;
  /// Binds the model's inputs and outputs to fixed addresses, which CUDA graph capture requires.
  OrtIoBinding *binding;
  /// Workspace of the program's own operators.
  gpu_workspace workspace;
  bool has_run;
};

/// Creates an allocator of a kind of memory for a GPU session.
static char *allocator(const onnxruntime_session *session, const char *name, int kind, OrtAllocator **made) {
  OrtMemoryInfo *memory = NULL;
  char *failure = onnxruntime_outcome(ort->CreateMemoryInfo(name, OrtArenaAllocator, 0, kind, &memory));
  if (!failure) failure = onnxruntime_outcome(ort->CreateAllocator(session->session, memory, made));
  ort->ReleaseMemoryInfo(memory);
  return failure;
}

static char *allocate(OrtAllocator *allocator, size_t bytes, void **memory) {
  if (allocator) return onnxruntime_outcome(ort->AllocatorAlloc(allocator, bytes, memory));
  return (*memory = malloc(bytes)) ? NULL : strdup("failed to allocate memory");
}

static void release(OrtAllocator *allocator, void *memory) {
  if (!allocator) free(memory);
  else if (memory) free(onnxruntime_outcome(ort->AllocatorFree(allocator, memory)));
}

static char *place(onnxruntime_exchange *exchange, onnxruntime_value value, size_t element, int type, region *made) {
  made->bytes = element;
  for (size_t axis = 0; axis < value.rank; axis++) made->bytes *= (size_t)value.shape[axis];
  char *failure = allocate(exchange->pinned, made->bytes, &made->host);
  if (failure) return failure;
  // The first run benchmarks kernels, whose speed differs for all-zero data.
  memset(made->host, 0, made->bytes);
  uint8_t *bytes = made->host;
  for (size_t i = 0; type == UINT8 && i < made->bytes; i++) bytes[i] = (uint8_t)(i * 2654435761u >> 24);
  if (exchange->device && (failure = allocate(exchange->device, made->bytes, &made->device))) return failure;
  return onnxruntime_outcome(ort->CreateTensorWithDataAsOrtValue(
    exchange->session->memory, exchange->device ? made->device : made->host, made->bytes, value.shape, value.rank, type,
    &made->value));
}

static char *bind(onnxruntime_exchange *exchange) {
  char *failure = onnxruntime_outcome(ort->CreateIoBinding(exchange->session->session, &exchange->binding));
  if (!failure) {
    failure = onnxruntime_outcome(ort->BindInput(exchange->binding, exchange->input_name, exchange->input.value));
  }
  if (failure) return failure;
  return onnxruntime_outcome(ort->BindOutput(exchange->binding, exchange->output_name, exchange->output.value));
}

char *onnxruntime_exchange_make(
  const onnxruntime_session *session, onnxruntime_value input, onnxruntime_value output,
  onnxruntime_exchange **made) {
  *made = NULL;
  onnxruntime_exchange *exchange = calloc(1, sizeof *exchange);
  if (!exchange) return strdup("failed to allocate memory");
  exchange->session = session;
  exchange->input_name = strdup(input.name);
  exchange->output_name = strdup(output.name);
  char *failure = NULL;
  acquire_capture_lock(false);
  if (session->is_cuda) {
    failure = gpu_enter();
    if (!failure) failure = allocator(session, "CudaPinned", OrtMemTypeCPUOutput, &exchange->pinned);
    if (!failure) failure = allocator(session, "Cuda", OrtMemTypeDefault, &exchange->device);
  }
  if (!failure) failure = place(exchange, input, 1, UINT8, &exchange->input);
  if (!failure) failure = place(exchange, output, sizeof(float), FLOAT32, &exchange->output);
  if (!failure) failure = bind(exchange);
  release_capture_lock(false);
  if (failure) {
    onnxruntime_exchange_destroy(exchange);
    return failure;
  }
  *made = exchange;
  return NULL;
}

uint8_t *onnxruntime_exchange_input(const onnxruntime_exchange *exchange) { return exchange->input.host; }

const float *onnxruntime_exchange_output(const onnxruntime_exchange *exchange) { return exchange->output.host; }

static char *run(onnxruntime_exchange *exchange) {
  const region *input = &exchange->input, *output = &exchange->output;
  char *failure = NULL;
  if (exchange->device) {
    failure = gpu_enter();
    if (!failure) failure = gpu_copy_in(input->device, input->host, input->bytes);
    gpu_use(&exchange->workspace);
  }
  if (!failure) {
    failure = onnxruntime_outcome(ort->RunWithBinding(exchange->session->session, NULL, exchange->binding));
  }
  char *own = onnxruntime_operator_failure();
  if (failure) free(own);
  else failure = own;
  if (!failure && exchange->device) failure = gpu_copy_out(output->host, output->device, output->bytes);
  return failure;
}

char *onnxruntime_exchange_run(onnxruntime_exchange *exchange) {
  if (!exchange->device) return run(exchange);
  bool alone = !exchange->has_run;
  acquire_capture_lock(alone);
  char *failure = run(exchange);
  exchange->has_run = true;
  release_capture_lock(alone);
  return failure;
}

void onnxruntime_exchange_destroy(onnxruntime_exchange *exchange) {
  if (!exchange) return;
  acquire_capture_lock(false);
  ort->ReleaseIoBinding(exchange->binding);
  region *regions[] = {&exchange->input, &exchange->output};
  for (int i = 0; i < 2; i++) {
    ort->ReleaseValue(regions[i]->value);
    release(exchange->pinned, regions[i]->host);
    if (exchange->device) release(exchange->device, regions[i]->device);
  }
  gpu_release(&exchange->workspace);
  ort->ReleaseAllocator(exchange->pinned);
  ort->ReleaseAllocator(exchange->device);
  release_capture_lock(false);
  free(exchange->input_name);
  free(exchange->output_name);
  free(exchange);
}
