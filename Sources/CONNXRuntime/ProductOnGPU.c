#include "GPU.h"
#include "Product.h"

/// The fastest algorithm for a layer's shapes.
typedef struct plan {
  struct plan *next;
  product like;
  algorithm *algorithm;
} plan;

static plan *plans;

char *finish_on_gpu(const product *it, void *stream) {
  pass own = {
    .kind = PASS_EPILOGUE, .type = (int)it->layer.type, .x = it->y, .first = it->bias, .residual = it->residual,
    .y = it->y, .rows = (size_t)(it->layer.images * it->layer.result[0] * it->layer.result[1]),
    .channels = (size_t)it->layer.filters, .activation = (int)it->layer.activation};
  return pass_on_gpu(&own, stream);
}

// MARK: - Plans

typedef struct {
  const algorithm *algorithm;
  const product *product;
  void *workspace, *stream;
} attempt;

static char *try_once(void *argument) {
  const attempt *it = argument;
  return it->algorithm->run(it->algorithm, it->product, it->workspace, it->stream);
}

/// Multiply-adds that a GPU computes within about a microsecond.
enum { FEW_OPERATIONS = 500 * 1000 * 1000 };

static double operations(const product *it) {
  return (double)it->layer.images * (double)(it->layer.result[0] * it->layer.result[1]) * (double)it->layer.filters
         * (double)(it->layer.kernel[0] * it->layer.kernel[1] * it->layer.channels / it->layer.groups);
}

/// Benchmarks all algorithms and selects the fastest.
static char *choose(const product *it, void *stream, algorithm **chosen) {
  algorithm *algorithms[MOST_ALGORITHMS];
  size_t count = cublas_algorithms(it, algorithms, 0);
  count = own_algorithms(it, algorithms, count);
  // cuDNN compiles each kernel separately, which pays off for large layers only, and none supports the layout of
  // depthwise weights.
  if (!is_depthwise(it) && (count == 0 || operations(it) > FEW_OPERATIONS))
    count = cudnn_algorithms(it, algorithms, count);
  char *failure = NULL;
  float least = 0;
  *chosen = NULL;
  for (size_t i = 0; i < count; i++) {
    attempt own = {algorithms[i], it, NULL, stream};
    float milliseconds = 0;
    char *trouble = gpu_reserve(algorithms[i]->bytes, &own.workspace);
    if (!trouble) trouble = gpu_time(try_once, &own, stream, &milliseconds);
    if (!trouble && (!*chosen || milliseconds < least)) {
      if (*chosen) (*chosen)->destroy(*chosen);
      *chosen = algorithms[i];
      least = milliseconds;
    } else {
      algorithms[i]->destroy(algorithms[i]);
    }
    if (trouble && !failure) failure = trouble;
    else free(trouble);
  }
  if (*chosen) {
    free(failure);
    return NULL;
  }
  return failure ? failure : strdup("NVIDIA's libraries have no kernel for a layer");
}

static char *plan_for(const product *it, void *stream, algorithm **chosen) {
  for (plan *known = plans; known; known = known->next) {
    if (memcmp(&known->like.layer, &it->layer, sizeof it->layer) == 0) {
      *chosen = known->algorithm;
      return NULL;
    }
  }
  char *failure = choose(it, stream, chosen);
  if (failure) return failure;
  plan *made = calloc(1, sizeof *made);
  if (!made) return strdup("failed to allocate memory");
  *made = (plan){plans, *it, *chosen};
  plans = made;
  return NULL;
}

char *product_on_gpu(const product *it, void *stream) {
  pthread_mutex_lock(&gpu_planning);
  algorithm *algorithm = NULL;
  void *workspace = NULL;
  char *failure = plan_for(it, stream, &algorithm);
  if (!failure) failure = gpu_reserve(algorithm->bytes, &workspace);
  if (!failure) failure = algorithm->run(algorithm, it, workspace, stream);
  pthread_mutex_unlock(&gpu_planning);
  return failure;
}
