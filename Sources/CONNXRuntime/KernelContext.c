#include "KernelContext.h"

static _Thread_local char *last_failure;

void context_fail(char *failure) {
  if (!failure) return;
  free(last_failure);
  last_failure = failure;
}

bool context_has_failed(void) { return last_failure != NULL; }

char *onnxruntime_operator_failure(void) {
  char *failure = last_failure;
  last_failure = NULL;
  return failure;
}

static void check(OrtStatus *status) { context_fail(onnxruntime_outcome(status)); }

const void *context_input(const OrtKernelContext *context, size_t index) {
  const OrtValue *value = NULL;
  void *data = NULL;
  size_t count = 0;
  check(ort->KernelContext_GetInputCount(context, &count));
  if (index >= count) return NULL;
  check(ort->KernelContext_GetInput(context, index, &value));
  if (value) check(ort->GetTensorMutableData((OrtValue *)value, &data));
  return data;
}

void *context_output(OrtKernelContext *context, size_t index, const int64_t *shape, size_t rank) {
  OrtValue *value = NULL;
  void *data = NULL;
  size_t count = 0;
  check(ort->KernelContext_GetOutputCount(context, &count));
  if (index >= count) return NULL;
  check(ort->KernelContext_GetOutput(context, index, shape, rank, &value));
  if (value) check(ort->GetTensorMutableData(value, &data));
  return data;
}

size_t context_shape(const OrtKernelContext *context, size_t index, int64_t *shape) {
  const OrtValue *value = NULL;
  OrtTensorTypeAndShapeInfo *information = NULL;
  size_t rank = 0;
  check(ort->KernelContext_GetInput(context, index, &value));
  if (!value) return 0;
  check(ort->GetTensorTypeAndShape(value, &information));
  if (!information) return 0;
  check(ort->GetDimensionsCount(information, &rank));
  if (rank > MOST_DIMENSIONS) rank = 0;
  check(ort->GetDimensions(information, shape, rank));
  ort->ReleaseTensorTypeAndShapeInfo(information);
  return rank;
}

void *context_stream(const OrtKernelContext *context) {
  void *stream = NULL;
  check(ort->KernelContext_GetGPUComputeStream(context, &stream));
  return stream;
}
