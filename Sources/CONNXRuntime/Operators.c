#include "Attention.h"
#include "KernelContext.h"
#include "Product.h"

#include <pthread.h>

// Custom operators, in the domain `zoetrope`, that fuse what would be several passes over memory:
//
//   Epilogue   x [.., channels], bias [channels], residual like x (may be missing) → activation(x + bias + residual)
//   Normalize  x, bias, weight, shift [channels], residual → layer normalisation of x + bias + residual, and that sum
//   Scale      x [batch, .., channels], factors [batch, .., channels], one per image and channel → their product
//   Pixels     bytes [.., 3], scale [3], offset [3] → bytes · scale + offset [.., width], zeros after the third
//   Product    x, weight, bias [filters], residual (may be missing) → activation(x ∗ weight + bias + residual); weight
//              is [filters, channels] for x [.., channels]; for images [batch, height, width, channels] it is [filters,
//              rows, columns, channels of a group], or [rows, columns, channels] if depthwise
//   Attention  rows [batch, token, query | key | value] → softmax(query · keyᵀ / √width) · value [batch, token, ..]
//   Pool       x [batch, height, width, channels] → the maximum of each window, or its mean
//
// Their names end with the element type, which the library cannot infer.

/// Operators other than passes.
enum { PRODUCT = PASS_SCALE + 1, POOL, ATTENTION };

typedef struct {
  OrtCustomOp interface;
  const char *name;
  int kind, type;
  bool is_cuda;
} operator;

/// Integer attributes; operators without one leave it zero.
enum { ACTIVATION, CHANNELS, REVERSED, GROUPS, KERNEL, STRIDE = KERNEL + 2, DILATION = STRIDE + 2,
       LEADING = DILATION + 2, TRAILING = LEADING + 2, IS_MEAN = TRAILING + 2, COUNTS_PADDING, HEADS, INTEGERS };

static const char *const integer_names[INTEGERS] = {
  "activation", "width", "reversed", "groups", "kernel_height", "kernel_width", "stride_height", "stride_width",
  "dilation_height", "dilation_width", "top", "left", "bottom", "right", "is_mean", "counts_padding", "heads"};

typedef struct {
  int kind, type;
  bool is_cuda;
  int64_t integers[INTEGERS];
  float epsilon;
} kernel;

// MARK: - Signatures

static const operator *own(const OrtCustomOp *interface) { return (const operator *)interface; }

static const char *name_of(const OrtCustomOp *interface) { return own(interface)->name; }

static const char *provider_of(const OrtCustomOp *interface) {
  return own(interface)->is_cuda ? "CUDAExecutionProvider" : "CPUExecutionProvider";
}

static size_t count_inputs(const OrtCustomOp *interface) {
  static const size_t counts[] = {[PASS_EPILOGUE] = 3, [PASS_NORMALIZE] = 5, [PASS_PIXELS] = 3, [PASS_SCALE] = 2,
                                  [PRODUCT] = 4, [POOL] = 1, [ATTENTION] = 1};
  return counts[own(interface)->kind];
}

static size_t count_outputs(const OrtCustomOp *interface) {
  return own(interface)->kind == PASS_NORMALIZE ? 2 : 1;
}

static int input_type(const OrtCustomOp *interface, size_t index) {
  if (own(interface)->kind == PASS_PIXELS) return index == 0 ? UINT8 : FLOAT32;
  return own(interface)->type;
}

static int output_type(const OrtCustomOp *interface, size_t index) {
  (void)index;
  return own(interface)->type;
}

static int input_kind(const OrtCustomOp *interface, size_t index) {
  int kind = own(interface)->kind;
  bool has_residual = kind == PASS_EPILOGUE || kind == PASS_NORMALIZE || kind == PRODUCT;
  bool is_residual = has_residual && index + 1 == count_inputs(interface);
  return is_residual ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
}

static int output_kind(const OrtCustomOp *interface, size_t index) {
  (void)interface;
  return index > 0 ? INPUT_OUTPUT_OPTIONAL : INPUT_OUTPUT_REQUIRED;
}

// MARK: - Execution

static void *create(const OrtCustomOp *interface, const OrtApi *api, const OrtKernelInfo *info) {
  (void)api;
  kernel *made = calloc(1, sizeof *made);
  if (!made) return NULL;
  const operator *it = own(interface);
  made->kind = it->kind;
  made->type = it->type;
  made->is_cuda = it->is_cuda;
  for (int i = 0; i < INTEGERS; i++) {
    free(onnxruntime_outcome(ort->KernelInfoGetAttribute_int64(info, integer_names[i], &made->integers[i])));
  }
  free(onnxruntime_outcome(ort->KernelInfoGetAttribute_float(info, "epsilon", &made->epsilon)));
  return made;
}

static void compute_pass(const kernel *it, OrtKernelContext *context, int64_t *shape, size_t rank) {
  pass own = {
    .kind = it->kind, .type = it->type, .rows = 1, .channels = (size_t)shape[rank - 1],
    .activation = (int)it->integers[ACTIVATION], .epsilon = it->epsilon, .width = (int)it->integers[CHANNELS],
    .reversed = (int)it->integers[REVERSED], .x = context_input(context, 0), .first = context_input(context, 1),
  };
  for (size_t axis = 0; axis + 1 < rank; axis++) own.rows *= (size_t)shape[axis];
  own.alike = shape[0] > 0 ? own.rows / (size_t)shape[0] : 1;
  switch (it->kind) {
  case PASS_SCALE: break;
  case PASS_EPILOGUE: own.residual = context_input(context, 2); break;
  case PASS_NORMALIZE:
    own.second = context_input(context, 2);
    own.third = context_input(context, 3);
    own.residual = context_input(context, 4);
    break;
  default:
    own.second = context_input(context, 2);
    shape[rank - 1] = it->integers[CHANNELS];
  }
  own.y = context_output(context, 0, shape, rank);
  if (it->kind == PASS_NORMALIZE) own.sum = context_output(context, 1, shape, rank);
  if (context_has_failed() || own.rows == 0) return;
  if (!it->is_cuda) return pass_on_cpu(&own);
  void *stream = context_stream(context);
  if (!context_has_failed()) context_fail(pass_on_gpu(&own, stream));
}

/// Number of window positions along an axis.
static int64_t places(const kernel *it, int axis, int64_t size, int64_t kernel, int64_t dilation) {
  int64_t reach = dilation * (kernel - 1) + 1;
  int64_t whole = size + it->integers[LEADING + axis] + it->integers[TRAILING + axis];
  int64_t stride = it->integers[STRIDE + axis];
  return stride > 0 && whole >= reach ? (whole - reach) / stride + 1 : 0;
}

static void compute_pool(const kernel *it, OrtKernelContext *context, int64_t *shape, size_t rank) {
  if (rank != 4) return context_fail(strdup("Pool takes images"));
  pooling own = {
    .type = it->type, .is_mean = it->integers[IS_MEAN], .counts_padding = it->integers[COUNTS_PADDING],
    .images = shape[0], .channels = shape[3], .x = context_input(context, 0)};
  for (int axis = 0; axis < 2; axis++) {
    own.size[axis] = shape[1 + axis];
    own.kernel[axis] = it->integers[KERNEL + axis];
    own.stride[axis] = it->integers[STRIDE + axis];
    own.leading[axis] = it->integers[LEADING + axis];
    own.result[axis] = shape[1 + axis] = places(it, axis, shape[1 + axis], own.kernel[axis], 1);
  }
  own.y = context_output(context, 0, shape, rank);
  if (context_has_failed() || own.images == 0) return;
  if (!it->is_cuda) return pooling_on_cpu(&own);
  void *stream = context_stream(context);
  if (!context_has_failed()) context_fail(pooling_on_gpu(&own, stream));
}

static void compute_product(const kernel *it, OrtKernelContext *context, int64_t *shape, size_t rank) {
  int64_t weight[MOST_DIMENSIONS];
  size_t weight_rank = context_shape(context, 1, weight);
  bool is_linear = weight_rank == 2, is_depthwise = weight_rank == 3;
  if (weight_rank < 2 || weight_rank > 4 || (!is_linear && rank != 4))
    return context_fail(strdup("Product takes images or rows"));
  product own = {
    .x = context_input(context, 0), .weight = context_input(context, 1), .bias = context_input(context, 2),
    .residual = context_input(context, 3)};
  own.layer.type = it->type;
  own.layer.channels = shape[rank - 1];
  own.layer.filters = weight[is_depthwise ? 2 : 0];
  own.layer.groups = is_depthwise ? own.layer.channels : is_linear ? 1 : it->integers[GROUPS];
  own.layer.activation = it->integers[ACTIVATION];
  own.layer.has_residual = own.residual != NULL;
  own.layer.images = is_linear ? 1 : shape[0];
  for (size_t axis = 0; is_linear && axis + 1 < rank; axis++) own.layer.images *= shape[axis];
  for (int axis = 0; axis < 2; axis++) {
    own.layer.size[axis] = is_linear ? 1 : shape[1 + axis];
    own.layer.kernel[axis] = is_linear ? 1 : weight[axis + (is_depthwise ? 0 : 1)];
    own.layer.stride[axis] = is_linear ? 1 : it->integers[STRIDE + axis];
    own.layer.dilation[axis] = is_linear ? 1 : it->integers[DILATION + axis];
    own.layer.leading[axis] = is_linear ? 0 : it->integers[LEADING + axis];
    own.layer.trailing[axis] = is_linear ? 0 : it->integers[TRAILING + axis];
    own.layer.result[axis] =
      is_linear ? 1 : places(it, axis, own.layer.size[axis], own.layer.kernel[axis], own.layer.dilation[axis]);
    if (!is_linear) shape[1 + axis] = own.layer.result[axis];
  }
  shape[rank - 1] = own.layer.filters;
  own.y = context_output(context, 0, shape, rank);
  if (context_has_failed() || own.layer.images == 0) return;
  if (!it->is_cuda) return product_on_cpu(&own);
  void *stream = context_stream(context);
  if (!context_has_failed()) context_fail(product_on_gpu(&own, stream));
}

static void compute_attention(const kernel *it, OrtKernelContext *context, int64_t *shape, size_t rank) {
  int64_t heads = it->integers[HEADS], size = rank == 3 ? shape[2] / 3 : 0;
  if (heads < 1 || size < 1 || size % heads != 0)
    return context_fail(strdup("Attention takes query, key and value in one matrix"));
  attention own = {{it->type, shape[0], shape[1], heads, size / heads}, context_input(context, 0), NULL};
  shape[2] = size;
  own.y = context_output(context, 0, shape, rank);
  if (context_has_failed() || own.layer.batch == 0) return;
  if (!it->is_cuda) return attention_on_cpu(&own);
  void *stream = context_stream(context);
  if (!context_has_failed()) context_fail(attention_on_gpu(&own, stream));
}

static void compute(void *opaque, OrtKernelContext *context) {
  const kernel *it = opaque;
  int64_t shape[MOST_DIMENSIONS];
  size_t rank = context_shape(context, 0, shape);
  if (rank == 0) return context_fail(strdup("an operator's input has no shape"));
  switch (it->kind) {
  case PRODUCT: return compute_product(it, context, shape, rank);
  case POOL: return compute_pool(it, context, shape, rank);
  case ATTENTION: return compute_attention(it, context, shape, rank);
  default: return compute_pass(it, context, shape, rank);
  }
}

// MARK: - Registration

#define OPERATOR(text, what, numbers, cuda) \
  {{ORT_API_VERSION, create, name_of, provider_of, input_type, count_inputs, output_type, count_outputs, compute, \
    free, input_kind, output_kind}, text, what, numbers, cuda}

#define HALVES(text, what) \
  OPERATOR(text "_float16", what, FLOAT16, true), OPERATOR(text "_bfloat16", what, BFLOAT16, true)

#define ALL(text, what) OPERATOR(text "_float32", what, FLOAT32, true), HALVES(text, what)

static operator gpu_operators[] = {
  ALL("Epilogue", PASS_EPILOGUE), ALL("Normalize", PASS_NORMALIZE), ALL("Scale", PASS_SCALE),
  ALL("Pixels", PASS_PIXELS), ALL("Product", PRODUCT), HALVES("Attention", ATTENTION), ALL("Pool", POOL)};

static operator cpu_operators[] = {
  OPERATOR("Epilogue_float32", PASS_EPILOGUE, FLOAT32, false),
  OPERATOR("Normalize_float32", PASS_NORMALIZE, FLOAT32, false),
  OPERATOR("Scale_float32", PASS_SCALE, FLOAT32, false),
  OPERATOR("Pixels_float32", PASS_PIXELS, FLOAT32, false),
  OPERATOR("Product_float32", PRODUCT, FLOAT32, false),
  OPERATOR("Pool_float32", POOL, FLOAT32, false),
  OPERATOR("Attention_float32", ATTENTION, FLOAT32, false),
};

/// A domain with all operators of one device; NULL and an error message on failure.
static OrtCustomOpDomain *make_domain(bool cuda, char **failure) {
  operator *operators = cuda ? gpu_operators : cpu_operators;
  size_t count = (cuda ? sizeof gpu_operators : sizeof cpu_operators) / sizeof *operators;
  OrtCustomOpDomain *domain = NULL;
  *failure = onnxruntime_outcome(ort->CreateCustomOpDomain("zoetrope", &domain));
  for (size_t i = 0; i < count && !*failure; i++) {
    *failure = onnxruntime_outcome(ort->CustomOpDomain_Add(domain, &operators[i].interface));
  }
  return *failure ? NULL : domain;
}

char *onnxruntime_add_operators(OrtSessionOptions *options, bool cuda) {
  // The library refers to them while sessions exist. Sessions may be created by several threads.
  static OrtCustomOpDomain *domains[2];
  static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
  char *failure = NULL;
  pthread_mutex_lock(&lock);
  if (!domains[cuda]) domains[cuda] = make_domain(cuda, &failure);
  OrtCustomOpDomain *domain = domains[cuda];
  pthread_mutex_unlock(&lock);
  if (failure) return failure;
  return onnxruntime_outcome(ort->AddCustomOpDomain(options, domain));
}
