#ifndef CONNXRUNTIME_RUNTIME_API_H
#define CONNXRUNTIME_RUNTIME_API_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

// What the program uses of ONNX Runtime's C API, with the names and the order of its `onnxruntime_c_api.h`, which its
// Python packages do not contain. Members of `OrtApi` never move: new ones are added at its end. `_6` stands for
// unused members from position 6. `RuntimeAPITests` calls the functions of an installed library by these names.

typedef struct OrtStatus OrtStatus;
typedef struct OrtEnv OrtEnv;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtCUDAProviderOptionsV2 OrtCUDAProviderOptionsV2;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtIoBinding OrtIoBinding;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtAllocator OrtAllocator;
typedef struct OrtValue OrtValue;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtCustomOpDomain OrtCustomOpDomain;
typedef struct OrtKernelInfo OrtKernelInfo;
typedef struct OrtKernelContext OrtKernelContext;
typedef struct OrtCustomOp OrtCustomOp;
typedef const void *OrtUnused;

/// Errors are returned: nothing else need be logged.
enum { ORT_LOGGING_LEVEL_FATAL = 4 };
enum { OrtArenaAllocator = 1 };
/// `OrtMemTypeCPUOutput` is memory that the CPU writes and the GPU reads, or the reverse.
enum { OrtMemTypeCPUOutput = -1, OrtMemTypeDefault = 0 };
enum { INPUT_OUTPUT_REQUIRED, INPUT_OUTPUT_OPTIONAL };
/// `ONNXTensorElementDataType`, under short names.
enum { FLOAT32 = 1, UINT8 = 2, FLOAT16 = 10, BFLOAT16 = 16 };

/// Version of the declarations below: of ONNX Runtime 1.12.
enum { ORT_API_VERSION = 12 };

typedef struct {
  OrtUnused _0[2];
  const char *(*GetErrorMessage)(const OrtStatus *);
  OrtStatus *(*CreateEnv)(int level, const char *name, OrtEnv **);
  OrtUnused _4[3];
  OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **);
  OrtUnused _8[2];
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);
  OrtUnused _11[13];
  OrtStatus *(*SetIntraOpNumThreads)(OrtSessionOptions *, int threads);
  OrtUnused _25[1];
  OrtStatus *(*CreateCustomOpDomain)(const char *name, OrtCustomOpDomain **);
  OrtStatus *(*CustomOpDomain_Add)(OrtCustomOpDomain *, const OrtCustomOp *);
  OrtStatus *(*AddCustomOpDomain)(OrtSessionOptions *, OrtCustomOpDomain *);
  OrtUnused _29[20];
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(
    const OrtMemoryInfo *, void *data, size_t bytes, const int64_t *shape, size_t rank, int type, OrtValue **);
  OrtUnused _50[1];
  OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);
  OrtUnused _52[9];
  OrtStatus *(*GetDimensionsCount)(const OrtTensorTypeAndShapeInfo *, size_t *);
  OrtStatus *(*GetDimensions)(const OrtTensorTypeAndShapeInfo *, int64_t *shape, size_t rank);
  OrtUnused _63[2];
  OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorTypeAndShapeInfo **);
  OrtUnused _66[2];
  OrtStatus *(*CreateMemoryInfo)(const char *name, int allocator, int device, int kind, OrtMemoryInfo **);
  OrtStatus *(*CreateCpuMemoryInfo)(int allocator, int kind, OrtMemoryInfo **);
  OrtUnused _70[5];
  OrtStatus *(*AllocatorAlloc)(OrtAllocator *, size_t bytes, void **);
  OrtStatus *(*AllocatorFree)(OrtAllocator *, void *);
  OrtUnused _77[8];
  OrtStatus *(*KernelInfoGetAttribute_float)(const OrtKernelInfo *, const char *name, float *);
  OrtStatus *(*KernelInfoGetAttribute_int64)(const OrtKernelInfo *, const char *name, int64_t *);
  OrtUnused _87[1];
  OrtStatus *(*KernelContext_GetInputCount)(const OrtKernelContext *, size_t *);
  OrtStatus *(*KernelContext_GetOutputCount)(const OrtKernelContext *, size_t *);
  OrtStatus *(*KernelContext_GetInput)(const OrtKernelContext *, size_t index, const OrtValue **);
  OrtStatus *(*KernelContext_GetOutput)(
    OrtKernelContext *, size_t index, const int64_t *shape, size_t rank, OrtValue **);
  OrtUnused _92[1];
  void (*ReleaseStatus)(OrtStatus *);
  void (*ReleaseMemoryInfo)(OrtMemoryInfo *);
  void (*ReleaseSession)(OrtSession *);
  void (*ReleaseValue)(OrtValue *);
  OrtUnused _97[2];
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorTypeAndShapeInfo *);
  void (*ReleaseSessionOptions)(OrtSessionOptions *);
  OrtUnused _101[30];
  OrtStatus *(*CreateAllocator)(const OrtSession *, const OrtMemoryInfo *, OrtAllocator **);
  void (*ReleaseAllocator)(OrtAllocator *);
  OrtStatus *(*RunWithBinding)(OrtSession *, const OrtRunOptions *, const OrtIoBinding *);
  OrtStatus *(*CreateIoBinding)(OrtSession *, OrtIoBinding **);
  void (*ReleaseIoBinding)(OrtIoBinding *);
  OrtStatus *(*BindInput)(OrtIoBinding *, const char *name, const OrtValue *);
  OrtStatus *(*BindOutput)(OrtIoBinding *, const char *name, const OrtValue *);
  OrtUnused _138[55];
  OrtStatus *(*KernelContext_GetGPUComputeStream)(const OrtKernelContext *, void **);
  OrtUnused _194[10];
  OrtStatus *(*SessionOptionsAppendExecutionProvider_CUDA_V2)(OrtSessionOptions *, const OrtCUDAProviderOptionsV2 *);
  OrtStatus *(*CreateCUDAProviderOptions)(OrtCUDAProviderOptionsV2 **);
  OrtStatus *(*UpdateCUDAProviderOptions)(
    OrtCUDAProviderOptionsV2 *, const char *const *keys, const char *const *values, size_t count);
  OrtUnused _207[1];
  void (*ReleaseCUDAProviderOptions)(OrtCUDAProviderOptionsV2 *);
} OrtApi;

// The last members used of versions 1, 5, 10 and 11 of the API.
#define POSITION(member) (offsetof(OrtApi, member) / sizeof(void *))
static_assert(POSITION(ReleaseSessionOptions) == 100, "version 1 has 102 members");
static_assert(POSITION(BindOutput) == 137, "version 5 has 150 members");
static_assert(POSITION(KernelContext_GetGPUComputeStream) == 193, "version 10 has 204 members");
static_assert(POSITION(ReleaseCUDAProviderOptions) == 208, "version 11 has 210 members");

/// The function that the library exports, `OrtGetApiBase`, returns this.
typedef struct {
  const OrtApi *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)(void);
} OrtApiBase;

/// An operator that the program adds to the library.
struct OrtCustomOp {
  uint32_t version;
  void *(*CreateKernel)(const OrtCustomOp *, const OrtApi *, const OrtKernelInfo *);
  const char *(*GetName)(const OrtCustomOp *);
  const char *(*GetExecutionProviderType)(const OrtCustomOp *);
  int (*GetInputType)(const OrtCustomOp *, size_t index);
  size_t (*GetInputTypeCount)(const OrtCustomOp *);
  int (*GetOutputType)(const OrtCustomOp *, size_t index);
  size_t (*GetOutputTypeCount)(const OrtCustomOp *);
  void (*KernelCompute)(void *kernel, OrtKernelContext *);
  void (*KernelDestroy)(void *kernel);
  int (*GetInputCharacteristic)(const OrtCustomOp *, size_t index);
  int (*GetOutputCharacteristic)(const OrtCustomOp *, size_t index);
};

#endif
