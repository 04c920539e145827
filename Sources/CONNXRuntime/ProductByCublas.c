#include "GPU.h"
#include "Product.h"

#include <dlfcn.h>
#include <stdio.h>

// Matrix products by NVIDIA's cuBLASLt. A row-major y [rows, filters] is its column-major [filters, rows].

enum {
  LT_COMPUTE_32F = 68, LT_TRANSPOSE_A = 3, LT_EPILOGUE = 7, LT_BIAS = 8, LT_BIAS_TYPE = 26, LT_WORKSPACE = 1,
  LT_EPILOGUE_NONE = 1, LT_EPILOGUE_BIAS = 4, LT_EPILOGUE_RELU_BIAS = 6, LT_EPILOGUE_GELU_BIAS = 36,
  LT_TRANSPOSED = 1, LT_ALGORITHMS = 4,
};

/// An algorithm with its requirements, in cuBLASLt's layout.
typedef struct {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
} lt_choice;

static struct {
  void *handle;
  int (*create)(void **);
  int (*describe)(void **, int compute, int scale);
  int (*describe_set)(void *, int attribute, const void *, size_t);
  int (*describe_destroy)(void *);
  int (*layout)(void **, int type, uint64_t rows, uint64_t columns, int64_t leading);
  int (*layout_destroy)(void *);
  int (*preference)(void **);
  int (*preference_set)(void *, int attribute, const void *, size_t);
  int (*preference_destroy)(void *);
  int (*choose)(void *, void *, void *, void *, void *, void *, void *, int, lt_choice *, int *);
  int (*multiply)(
    void *, void *, const void *alpha, const void *a, void *, const void *b, void *, const void *beta, const void *c,
    void *, void *d, void *, const void *algorithm, void *workspace, size_t, void *stream);
} lt;

typedef struct {
  algorithm algorithm;
  void *description, *weight, *x, *y;
  lt_choice choice;
  bool has_epilogue;
} lt_algorithm;

/// Loads the library once; call with the planning lock held.
static bool is_there(void) {
  if (lt.handle) return true;
  void *library = NULL;
  static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11", "libcublasLt.so"};
  for (size_t i = 0; i < sizeof names / sizeof *names && !library; i++) library = dlopen(names[i], RTLD_LAZY);
  return gpu_find(library, (void **)&lt.create, "cublasLtCreate")
         && gpu_find(library, (void **)&lt.describe, "cublasLtMatmulDescCreate")
         && gpu_find(library, (void **)&lt.describe_set, "cublasLtMatmulDescSetAttribute")
         && gpu_find(library, (void **)&lt.describe_destroy, "cublasLtMatmulDescDestroy")
         && gpu_find(library, (void **)&lt.layout, "cublasLtMatrixLayoutCreate")
         && gpu_find(library, (void **)&lt.layout_destroy, "cublasLtMatrixLayoutDestroy")
         && gpu_find(library, (void **)&lt.preference, "cublasLtMatmulPreferenceCreate")
         && gpu_find(library, (void **)&lt.preference_set, "cublasLtMatmulPreferenceSetAttribute")
         && gpu_find(library, (void **)&lt.preference_destroy, "cublasLtMatmulPreferenceDestroy")
         && gpu_find(library, (void **)&lt.choose, "cublasLtMatmulAlgoGetHeuristic")
         && gpu_find(library, (void **)&lt.multiply, "cublasLtMatmul") && lt.create(&lt.handle) == 0;
}

static void destroy(algorithm *it) {
  lt_algorithm *own = (lt_algorithm *)it;
  if (own->description) lt.describe_destroy(own->description);
  void *layouts[] = {own->weight, own->x, own->y};
  for (int i = 0; i < 3; i++) {
    if (layouts[i]) lt.layout_destroy(layouts[i]);
  }
  free(own);
}

static char *run(const algorithm *it, const product *product, void *workspace, void *stream) {
  const lt_algorithm *own = (const lt_algorithm *)it;
  int code = 0;
  if (own->has_epilogue)
    code = lt.describe_set(own->description, LT_BIAS, &product->bias, sizeof product->bias);
  bool adds = own->has_epilogue && product->residual;
  float one = 1, beta = adds ? 1 : 0;
  if (code == 0) {
    code = lt.multiply(
      lt.handle, own->description, &one, product->weight, own->weight, product->x, own->x, &beta,
      adds ? product->residual : product->y, own->y, product->y, own->y, own->choice.algorithm, workspace,
      own->choice.workspace, stream);
  }
  if (code) return gpu_failed("cuBLASLt's product", code);
  return own->has_epilogue ? NULL : finish_on_gpu(product, stream);
}

/// cuBLASLt's code of a type.
static int type_of(int64_t type) { return type == FLOAT16 ? 2 : type == BFLOAT16 ? 14 : 0; }

static lt_algorithm *make(const product *product, int epilogue) {
  lt_algorithm *own = calloc(1, sizeof *own);
  if (!own) return NULL;
  own->algorithm.run = run;
  own->algorithm.destroy = destroy;
  own->has_epilogue = epilogue != LT_EPILOGUE_NONE;
  int type = type_of(product->layer.type), turned = LT_TRANSPOSED;
  uint64_t rows = (uint64_t)(product->layer.images * product->layer.size[0] * product->layer.size[1]);
  uint64_t channels = (uint64_t)product->layer.channels, filters = (uint64_t)product->layer.filters;
  bool is_made = lt.describe(&own->description, LT_COMPUTE_32F, 0) == 0
                 && lt.describe_set(own->description, LT_TRANSPOSE_A, &turned, sizeof turned) == 0
                 && lt.describe_set(own->description, LT_EPILOGUE, &epilogue, sizeof epilogue) == 0
                 && lt.layout(&own->weight, type, channels, filters, (int64_t)channels) == 0
                 && lt.layout(&own->x, type, channels, rows, (int64_t)channels) == 0
                 && lt.layout(&own->y, type, filters, rows, (int64_t)filters) == 0;
  if (is_made && own->has_epilogue) {
    is_made = lt.describe_set(own->description, LT_BIAS, &product->bias, sizeof product->bias) == 0
              && lt.describe_set(own->description, LT_BIAS_TYPE, &type, sizeof type) == 0;
  }
  if (is_made) return own;
  destroy(&own->algorithm);
  return NULL;
}

size_t cublas_algorithms(const product *product, algorithm **algorithms, size_t count) {
  if (!is_pointwise(product) || !is_there()) return count;
  int epilogue = LT_EPILOGUE_NONE;
  switch (product->layer.activation) {
  case ACTIVATION_NONE: epilogue = LT_EPILOGUE_BIAS; break;
  case ACTIVATION_RELU: epilogue = LT_EPILOGUE_RELU_BIAS; break;
  case ACTIVATION_GELU_TANH: epilogue = LT_EPILOGUE_GELU_BIAS; break;
  }
  void *preference = NULL;
  size_t most = MOST_WORKSPACE;
  lt_choice choices[LT_ALGORITHMS];
  int found = 0;
  lt_algorithm *first = make(product, epilogue);
  if (first && lt.preference(&preference) == 0
      && lt.preference_set(preference, LT_WORKSPACE, &most, sizeof most) == 0
      && lt.choose(
           lt.handle, first->description, first->weight, first->x, first->y, first->y, preference, LT_ALGORITHMS,
           choices, &found)
           != 0)
    found = 0;
  for (int i = 0; i < found && count < MOST_ALGORITHMS; i++) {
    if (choices[i].state != 0) continue;
    lt_algorithm *own = make(product, epilogue);
    if (!own) break;
    own->choice = choices[i];
    own->algorithm.bytes = choices[i].workspace;
    algorithms[count++] = &own->algorithm;
  }
  if (preference) lt.preference_destroy(preference);
  if (first) destroy(&first->algorithm);
  return count;
}
