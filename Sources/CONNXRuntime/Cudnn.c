#include "Cudnn.h"
#include "GPU.h"

#include <dlfcn.h>

struct cudnn_library cudnn;

bool cudnn_is_there(void) {
  if (cudnn.handle) return true;
  void *library = dlopen("libcudnn.so.9", RTLD_LAZY);
  if (!library) library = dlopen("libcudnn.so.8", RTLD_LAZY);
  return gpu_find(library, (void **)&cudnn.create, "cudnnCreate")
         && gpu_find(library, (void **)&cudnn.set_stream, "cudnnSetStream")
         && gpu_find(library, (void **)&cudnn.describe, "cudnnBackendCreateDescriptor")
         && gpu_find(library, (void **)&cudnn.destroy, "cudnnBackendDestroyDescriptor")
         && gpu_find(library, (void **)&cudnn.set, "cudnnBackendSetAttribute")
         && gpu_find(library, (void **)&cudnn.get, "cudnnBackendGetAttribute")
         && gpu_find(library, (void **)&cudnn.finish, "cudnnBackendFinalize")
         && gpu_find(library, (void **)&cudnn.execute, "cudnnBackendExecute") && cudnn.create(&cudnn.handle) == 0;
}

// MARK: - Graphs

void *cudnn_part(cudnn_builder *it, int kind) {
  void *made = NULL;
  if (it->code == 0 && it->count == MOST_PARTS) it->code = -1;
  if (it->code == 0) it->code = cudnn.describe(kind, &made);
  if (made) it->parts[it->count++] = made;
  return made;
}

void cudnn_set(cudnn_builder *it, void *descriptor, int attribute, int type, int64_t count, const void *value) {
  if (it->code == 0) it->code = cudnn.set(descriptor, attribute, type, count, value);
}

void cudnn_finish(cudnn_builder *it, void *descriptor) {
  if (it->code == 0) it->code = cudnn.finish(descriptor);
}

void cudnn_take_apart(cudnn_builder *it) {
  while (it->count > 0) cudnn.destroy(it->parts[--it->count]);
}

void cudnn_add(cudnn_builder *it, void *operation) {
  if (it->code == 0 && it->operation_count == MOST_OPERATIONS) it->code = -1;
  if (it->code == 0) it->operations[it->operation_count++] = operation;
}

int cudnn_type(int64_t type) { return type == FLOAT16 ? 2 : type == BFLOAT16 ? 9 : 0; }

void *cudnn_tensor(
  cudnn_builder *it, int64_t name, int type, bool is_virtual, int64_t rank, const int64_t *shape,
  const int64_t *strides) {
  void *made = cudnn_part(it, TENSOR);
  int64_t alignment = 16;
  if (is_virtual) type = WIDE;
  cudnn_set(it, made, TENSOR_TYPE, OF_DATA_TYPE, 1, &type);
  cudnn_set(it, made, TENSOR_SHAPE, OF_INTEGER, rank, shape);
  cudnn_set(it, made, TENSOR_STRIDES, OF_INTEGER, rank, strides);
  cudnn_set(it, made, TENSOR_NAME, OF_INTEGER, 1, &name);
  cudnn_set(it, made, TENSOR_ALIGNMENT, OF_INTEGER, 1, &alignment);
  if (is_virtual) cudnn_set(it, made, TENSOR_IS_VIRTUAL, OF_BOOLEAN, 1, &is_virtual);
  cudnn_finish(it, made);
  return made;
}

// MARK: - Plans

/// Returns false if cuDNN does not support the configuration, or not with the given workspace.
static bool make_plan(void *configuration, cudnn_plan *made) {
  *made = (cudnn_plan){NULL, configuration, 0};
  int64_t bytes = 0, given = 0;
  int code = cudnn.describe(PLAN, &made->plan);
  if (code == 0) code = cudnn.set(made->plan, PLAN_HANDLE, OF_HANDLE, 1, &cudnn.handle);
  if (code == 0) code = cudnn.set(made->plan, PLAN_CONFIGURATION, OF_DESCRIPTOR, 1, &configuration);
  if (code == 0) code = cudnn.finish(made->plan);
  if (code == 0) code = cudnn.get(made->plan, PLAN_WORKSPACE, OF_INTEGER, 1, &given, &bytes);
  made->bytes = (size_t)bytes;
  if (code == 0 && bytes <= MOST_WORKSPACE) return true;
  cudnn_forget(*made);
  return false;
}

void cudnn_forget(cudnn_plan plan) {
  if (plan.plan) cudnn.destroy(plan.plan);
  if (plan.configuration) cudnn.destroy(plan.configuration);
}

size_t cudnn_search(cudnn_builder *it, size_t most, cudnn_plan *plans) {
  void *graph = cudnn_part(it, GRAPH), *search;
  cudnn_set(it, graph, GRAPH_HANDLE, OF_HANDLE, 1, &cudnn.handle);
  cudnn_set(it, graph, GRAPH_OPERATIONS, OF_DESCRIPTOR, it->operation_count, it->operations);
  cudnn_finish(it, graph);
  search = cudnn_part(it, SEARCH);
  int mode = SEARCH_BEST;
  cudnn_set(it, search, SEARCH_GRAPH, OF_DESCRIPTOR, 1, &graph);
  cudnn_set(it, search, SEARCH_MODE, OF_SEARCH, 1, &mode);
  cudnn_finish(it, search);
  void *found[MOST_RESULTS] = {NULL};
  int64_t given = 0;
  for (int i = 0; i < MOST_RESULTS && it->code == 0; i++) it->code = cudnn.describe(CONFIGURATION, &found[i]);
  if (it->code == 0) it->code = cudnn.get(search, SEARCH_RESULTS, OF_DESCRIPTOR, MOST_RESULTS, &given, found);
  size_t made = 0;
  for (int i = 0; i < MOST_RESULTS; i++) {
    if (!found[i]) continue;
    bool is_wanted = it->code == 0 && i < given && made < most;
    if (is_wanted && make_plan(found[i], &plans[made])) made++;
    else if (!is_wanted) cudnn.destroy(found[i]);
  }
  return made;
}

char *cudnn_run(
  const cudnn_plan *plan, int64_t count, const int64_t *names, const void *const *pointers, void *workspace,
  void *stream) {
  cudnn_builder parts = {0};
  void *arguments = cudnn_part(&parts, ARGUMENTS);
  cudnn_set(&parts, arguments, ARGUMENTS_NAMES, OF_INTEGER, count, names);
  cudnn_set(&parts, arguments, ARGUMENTS_POINTERS, OF_POINTER, count, pointers);
  cudnn_set(&parts, arguments, ARGUMENTS_WORKSPACE, OF_POINTER, 1, &workspace);
  cudnn_finish(&parts, arguments);
  if (parts.code == 0) parts.code = cudnn.set_stream(cudnn.handle, stream);
  if (parts.code == 0) parts.code = cudnn.execute(cudnn.handle, plan->plan, arguments);
  cudnn_take_apart(&parts);
  return parts.code ? gpu_failed("cuDNN's kernel", parts.code) : NULL;
}
