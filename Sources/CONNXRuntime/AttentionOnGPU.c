#include "Attention.h"
#include "Cudnn.h"
#include "GPU.h"

#include <math.h>
#include <pthread.h>

/// The fastest plan for a layer's shapes.
typedef struct known {
  struct known *next;
  attention like;
  cudnn_plan plan;
} known;

static known *plans;

enum { NAME_QUERY = 1, NAME_KEY, NAME_VALUE, NAME_RESULT, NAME_SCALE, MOST_PLANS = 3 };

/// A scalar that is passed by value to each run.
static void *value(cudnn_builder *it, int64_t name) {
  void *made = cudnn_part(it, TENSOR);
  const int64_t ones[4] = {1, 1, 1, 1};
  int64_t alignment = 16;
  int wide = WIDE;
  bool is_value = true;
  cudnn_set(it, made, TENSOR_TYPE, OF_DATA_TYPE, 1, &wide);
  cudnn_set(it, made, TENSOR_SHAPE, OF_INTEGER, 4, ones);
  cudnn_set(it, made, TENSOR_STRIDES, OF_INTEGER, 4, ones);
  cudnn_set(it, made, TENSOR_NAME, OF_INTEGER, 1, &name);
  cudnn_set(it, made, TENSOR_ALIGNMENT, OF_INTEGER, 1, &alignment);
  cudnn_set(it, made, TENSOR_IS_VALUE, OF_BOOLEAN, 1, &is_value);
  cudnn_finish(it, made);
  return made;
}

static void build(cudnn_builder *it, const attention *attention) {
  int64_t heads = attention->layer.heads, width = attention->layer.width, tokens = attention->layer.tokens;
  int64_t size = heads * width, type = cudnn_type(attention->layer.type);
  const int64_t shape[4] = {attention->layer.batch, heads, tokens, width};
  const int64_t packed[4] = {tokens * 3 * size, width, 3 * size, 1}, rows[4] = {tokens * size, width, size, 1};
  static const int parts[4] = {ATTEND_QUERY, ATTEND_KEY, ATTEND_VALUE, ATTEND_RESULT};
  void *operation = cudnn_part(it, ATTEND);
  for (int i = 0; i < 4; i++) {
    void *tensor = cudnn_tensor(it, NAME_QUERY + i, (int)type, false, 4, shape, i < 3 ? packed : rows);
    cudnn_set(it, operation, parts[i], OF_DESCRIPTOR, 1, &tensor);
  }
  void *scale = value(it, NAME_SCALE);
  cudnn_set(it, operation, ATTEND_SCALE, OF_DESCRIPTOR, 1, &scale);
  cudnn_finish(it, operation);
  cudnn_add(it, operation);
}

static char *run(const cudnn_plan *plan, const attention *it, void *stream) {
  const int64_t names[5] = {NAME_QUERY, NAME_KEY, NAME_VALUE, NAME_RESULT, NAME_SCALE};
  // Both half-precision types have two bytes.
  size_t part = (size_t)(it->layer.heads * it->layer.width) * 2;
  float scale = 1 / sqrtf((float)it->layer.width);
  const char *x = it->x;
  const void *pointers[5] = {x, x + part, x + 2 * part, it->y, &scale};
  void *workspace = NULL;
  char *failure = gpu_reserve(plan->bytes, &workspace);
  return failure ? failure : cudnn_run(plan, 5, names, pointers, workspace, stream);
}

typedef struct {
  const cudnn_plan *plan;
  const attention *attention;
  void *stream;
} attempt;

static char *try_once(void *argument) {
  const attempt *it = argument;
  return run(it->plan, it->attention, it->stream);
}

static char *choose(const attention *it, void *stream, cudnn_plan *chosen) {
  cudnn_builder graph = {0};
  cudnn_plan found[MOST_PLANS];
  size_t count = 0;
  if (it->layer.type != FLOAT32 && cudnn_is_there()) {
    build(&graph, it);
    count = cudnn_search(&graph, MOST_PLANS, found);
    cudnn_take_apart(&graph);
  }
  float least = INFINITY;
  *chosen = (cudnn_plan){NULL, NULL, 0};
  for (size_t i = 0; i < count; i++) {
    attempt own = {&found[i], it, stream};
    float milliseconds = INFINITY;
    free(gpu_time(try_once, &own, stream, &milliseconds));
    bool is_best = milliseconds < least;
    cudnn_forget(is_best ? *chosen : found[i]);
    if (!is_best) continue;
    least = milliseconds;
    *chosen = found[i];
  }
  return chosen->plan ? NULL : strdup("cuDNN has no kernel for the attention");
}

char *attention_on_gpu(const attention *it, void *stream) {
  pthread_mutex_lock(&gpu_planning);
  char *failure = NULL;
  known *plan = plans;
  while (plan && memcmp(&plan->like.layer, &it->layer, sizeof it->layer) != 0) plan = plan->next;
  if (!plan) {
    cudnn_plan chosen;
    failure = choose(it, stream, &chosen);
    if (!failure && !(plan = malloc(sizeof *plan))) failure = strdup("failed to allocate memory");
    if (!failure) {
      *plan = (known){plans, *it, chosen};
      plans = plan;
    }
  }
  if (!failure) failure = run(&plan->plan, it, stream);
  pthread_mutex_unlock(&gpu_planning);
  return failure;
}
