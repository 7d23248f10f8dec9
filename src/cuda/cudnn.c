#include "cuda/cudnn.h"
#include "cuda/context.h"
#include "cuda/gemm.h"
#include "cuda/library.h"
#include "cuda/memory.h"

/* ---- The library ---- */
static const char *const symbols[] = {
#define MX_CUDA_FN(name, ...) #name,
#include "cuda/api/cudnn.def"
#undef MX_CUDA_FN
};
static struct mxi_cudnn dnn;
_Static_assert(sizeof dnn == sizeof(void *) * (sizeof symbols / sizeof *symbols), "one symbol a function");
static struct mxi_cuda_library library = {.name = "cuDNN",
                                          .soname = "libcudnn.so.9",
                                          .folder = "cudnn/lib",
                                          .wheel = "nvidia-cudnn-cu13",
                                          .nsymbols = sizeof symbols / sizeof *symbols,
                                          .symbols = symbols};

/* With MXI_LOCK_CUDA_GRAPHS held. */
static bool tried;
static cudnnHandle_t handle;
static int version;

static int property(int which) {
  int value = 0;
  return dnn.cudnnGetProperty(which, &value) == CUDNN_STATUS_SUCCESS ? value : 0;
}

/* Where cuDNN finds no cuBLASLt it ends the process: ours is opened first, and found by its name. */
static void open_cudnn(void) {
  struct mxi_error missing;
  if (!mxi_cuda_cublaslt_available()) return;
  if (mxi_cuda_library_open(&library, (void **)&dnn) < 0) {
    mxi_error_take(&missing);
    return;
  }
  version = property(CUDNN_MAJOR_VERSION) * 10000 + property(CUDNN_MINOR_VERSION) * 100 +
            property(CUDNN_PATCH_LEVEL);
  if (dnn.cudnnCreate(&handle) != CUDNN_STATUS_SUCCESS) handle = NULL;
}

bool mxi_cudnn_begin(void) {
  struct mxi_error no_device;
  if (mxi_cuda_enter() < 0) {
    mxi_error_take(&no_device);
    return false;
  }
  if (!tried) open_cudnn();
  tried = true;
  return handle;
}

int mxi_cudnn_version(void) { return version; }

/* ---- Descriptors ---- */
static cudnnBackendDescriptor_t new_descriptor(struct mxi_cudnn_graph *g, int type) {
  cudnnBackendDescriptor_t d = NULL;
  if (g->refused || g->ndescriptors == MXI_CUDNN_MOST_DESCRIPTORS ||
      dnn.cudnnBackendCreateDescriptor(type, &d) != CUDNN_STATUS_SUCCESS) {
    g->refused = true;
    return NULL;
  }
  return g->descriptors[g->ndescriptors++] = d;
}

static void set_attribute(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t d, int attribute, int type,
                          int64_t count, const void *values) {
  if (g->refused) return;
  g->refused = dnn.cudnnBackendSetAttribute(d, attribute, type, count, values) != CUDNN_STATUS_SUCCESS;
}
static void set_type(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t d, int attribute, int data_type) {
  set_attribute(g, d, attribute, CUDNN_TYPE_DATA_TYPE, 1, &data_type);
}
static void set_descriptor(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t d, int attribute,
                           cudnnBackendDescriptor_t value) {
  set_attribute(g, d, attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}
static void finalize(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t d) {
  if (!g->refused) g->refused = dnn.cudnnBackendFinalize(d) != CUDNN_STATUS_SUCCESS;
}

/* ---- Tensors ---- */
/* flag: what kind it is, by an attribute that is true of it; -1: in memory. */
enum { IN_MEMORY = -1 };
static struct mxi_cudnn_tensor new_tensor(struct mxi_cudnn_graph *g, int type,
                                          const struct mxi_cudnn_shape *s, int flag) {
  enum { ALIGNMENT = 16, FIRST_INTERMEDIATE = 1000 };
  int64_t alignment = ALIGNMENT,
          id = flag == CUDNN_ATTR_TENSOR_IS_VIRTUAL ? FIRST_INTERMEDIATE + g->ndescriptors : ++g->last_id;
  bool yes = true;
  cudnnBackendDescriptor_t d = new_descriptor(g, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  set_type(g, d, CUDNN_ATTR_TENSOR_DATA_TYPE, type);
  set_attribute(g, d, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, s->naxes, s->dims);
  set_attribute(g, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, s->naxes, s->strides);
  set_attribute(g, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
  set_attribute(g, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
  if (flag != IN_MEMORY) set_attribute(g, d, flag, CUDNN_TYPE_BOOLEAN, 1, &yes);
  finalize(g, d);
  return (struct mxi_cudnn_tensor){id, d};
}

struct mxi_cudnn_tensor mxi_cudnn_in_memory(struct mxi_cudnn_graph *g, int type,
                                            const struct mxi_cudnn_shape *s) {
  return new_tensor(g, type, s, IN_MEMORY);
}
struct mxi_cudnn_tensor mxi_cudnn_scalar(struct mxi_cudnn_graph *g, int type) {
  struct mxi_cudnn_shape one = {4, {1, 1, 1, 1}, {1, 1, 1, 1}};
  return new_tensor(g, type, &one, CUDNN_ATTR_TENSOR_IS_BY_VALUE);
}
struct mxi_cudnn_tensor mxi_cudnn_intermediate(struct mxi_cudnn_graph *g, int type, const int64_t dims[4]) {
  struct mxi_cudnn_shape s = {.naxes = 4};
  int64_t stride = 1;
  for (int64_t i = s.naxes; i--; stride *= dims[i]) s.dims[i] = dims[i], s.strides[i] = stride;
  return new_tensor(g, type, &s, CUDNN_ATTR_TENSOR_IS_VIRTUAL);
}

/* ---- Operations ---- */
static cudnnBackendDescriptor_t new_operation(struct mxi_cudnn_graph *g, int type) {
  cudnnBackendDescriptor_t d = new_descriptor(g, type);
  if (g->noperations == MXI_CUDNN_MOST_OPERATIONS) g->refused = true;
  if (!g->refused) g->operations[g->noperations++] = d;
  return d;
}

void mxi_cudnn_multiply(struct mxi_cudnn_graph *g, struct mxi_cudnn_tensor a, struct mxi_cudnn_tensor b,
                        struct mxi_cudnn_tensor c) {
  cudnnBackendDescriptor_t how = new_descriptor(g, CUDNN_BACKEND_MATMUL_DESCRIPTOR);
  set_type(g, how, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_DATA_FLOAT);
  finalize(g, how);
  cudnnBackendDescriptor_t d = new_operation(g, CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_MATMUL_DESC, how);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_MATMUL_ADESC, a.descriptor);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_MATMUL_BDESC, b.descriptor);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_MATMUL_CDESC, c.descriptor);
  finalize(g, d);
}

void mxi_cudnn_reduce(struct mxi_cudnn_graph *g, int operator, struct mxi_cudnn_tensor x,
                      struct mxi_cudnn_tensor y) {
  cudnnBackendDescriptor_t how = new_descriptor(g, CUDNN_BACKEND_REDUCTION_DESCRIPTOR);
  set_type(g, how, CUDNN_ATTR_REDUCTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  set_attribute(g, how, CUDNN_ATTR_REDUCTION_OPERATOR, CUDNN_TYPE_REDUCTION_OPERATOR_TYPE, 1, &operator);
  finalize(g, how);
  cudnnBackendDescriptor_t d = new_operation(g, CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_REDUCTION_DESC, how);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_REDUCTION_XDESC, x.descriptor);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_REDUCTION_YDESC, y.descriptor);
  finalize(g, d);
}

/* An operation that is finalized once its other operands are set. */
static cudnnBackendDescriptor_t begin_pointwise(struct mxi_cudnn_graph *g, int mode, int computed,
                                                const int64_t *axis) {
  cudnnBackendDescriptor_t how = new_descriptor(g, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  set_attribute(g, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1, &mode);
  set_type(g, how, CUDNN_ATTR_POINTWISE_MATH_PREC, computed);
  if (axis) set_attribute(g, how, CUDNN_ATTR_POINTWISE_AXIS, CUDNN_TYPE_INT64, 1, axis);
  finalize(g, how);
  cudnnBackendDescriptor_t d = new_operation(g, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
  return d;
}
static void end_pointwise(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t d, struct mxi_cudnn_tensor x,
                          struct mxi_cudnn_tensor b, struct mxi_cudnn_tensor y) {
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x.descriptor);
  if (b.descriptor) set_descriptor(g, d, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b.descriptor);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y.descriptor);
  finalize(g, d);
}

void mxi_cudnn_pointwise(struct mxi_cudnn_graph *g, int mode, int computed, struct mxi_cudnn_tensor x,
                         struct mxi_cudnn_tensor b, struct mxi_cudnn_tensor y) {
  end_pointwise(g, begin_pointwise(g, mode, computed, NULL), x, b, y);
}
void mxi_cudnn_index(struct mxi_cudnn_graph *g, int64_t axis, struct mxi_cudnn_tensor x,
                     struct mxi_cudnn_tensor y) {
  end_pointwise(g, begin_pointwise(g, CUDNN_POINTWISE_GEN_INDEX, CUDNN_DATA_FLOAT, &axis), x,
                (struct mxi_cudnn_tensor){0}, y);
}
void mxi_cudnn_select(struct mxi_cudnn_graph *g, struct mxi_cudnn_tensor condition, struct mxi_cudnn_tensor x,
                      struct mxi_cudnn_tensor b, struct mxi_cudnn_tensor y) {
  cudnnBackendDescriptor_t d = begin_pointwise(g, CUDNN_POINTWISE_BINARY_SELECT, CUDNN_DATA_FLOAT, NULL);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_POINTWISE_TDESC, condition.descriptor);
  end_pointwise(g, d, x, b, y);
}

void mxi_cudnn_convolve(struct mxi_cudnn_graph *g, const struct mxi_cudnn_convolution *c,
                        struct mxi_cudnn_tensor x, struct mxi_cudnn_tensor w, struct mxi_cudnn_tensor y) {
  const float one = 1, zero = 0;
  cudnnBackendDescriptor_t how = new_descriptor(g, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  set_attribute(g, how, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &c->naxes);
  set_type(g, how, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  set_attribute(g, how, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &c->mode);
  set_attribute(g, how, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, c->naxes, c->low);
  set_attribute(g, how, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, c->naxes, c->high);
  set_attribute(g, how, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, c->naxes, c->dilations);
  set_attribute(g, how, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, c->naxes, c->strides);
  finalize(g, how);
  cudnnBackendDescriptor_t d = new_operation(g, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  set_attribute(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1, &one);
  set_attribute(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1, &zero);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, how);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x.descriptor);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w.descriptor);
  set_descriptor(g, d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y.descriptor);
  finalize(g, d);
}

/* ---- Plans ---- */
static cudnnBackendDescriptor_t describe_graph(struct mxi_cudnn_graph *g) {
  cudnnBackendDescriptor_t d = new_descriptor(g, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  set_attribute(g, d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  set_attribute(g, d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, g->noperations,
                g->operations);
  finalize(g, d);
  return d;
}

/* The configurations of engines that it would choose, best first. */
static int64_t ask_heuristics(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t of, int64_t most,
                              cudnnBackendDescriptor_t *configurations) {
  int mode = CUDNN_HEUR_MODE_A;
  int64_t found = 0;
  cudnnBackendDescriptor_t d = new_descriptor(g, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  set_descriptor(g, d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, of);
  set_attribute(g, d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
  finalize(g, d);
  for (int64_t i = 0; i < most; i++)
    configurations[i] = new_descriptor(g, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  if (g->refused ||
      dnn.cudnnBackendGetAttribute(d, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, most,
                                   &found, configurations) != CUDNN_STATUS_SUCCESS)
    return 0;
  return found < most ? found : most;
}

static bool has_suitable_engine(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t configuration,
                                const struct mxi_cudnn_wish *wish) {
  enum { MOST_NOTES = 32 };
  int notes[MOST_NOTES];
  int64_t n = 0;
  if (!wish->suits) return true;
  cudnnBackendDescriptor_t engine = new_descriptor(g, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  if (!engine ||
      dnn.cudnnBackendGetAttribute(configuration, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                   1, &n, &engine) != CUDNN_STATUS_SUCCESS ||
      dnn.cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   MOST_NOTES, &n, notes) != CUDNN_STATUS_SUCCESS)
    return false;
  return wish->suits(notes, n < MOST_NOTES ? n : MOST_NOTES, wish->context);
}

static bool plan_by(struct mxi_cudnn_graph *g, cudnnBackendDescriptor_t configuration,
                    const struct mxi_cudnn_wish *wish) {
  int64_t count = 0, bytes = 0;
  if (!has_suitable_engine(g, configuration, wish)) return false;
  cudnnBackendDescriptor_t d = new_descriptor(g, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  set_attribute(g, d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
  set_descriptor(g, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
  if (g->refused || dnn.cudnnBackendFinalize(d) != CUDNN_STATUS_SUCCESS ||
      dnn.cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count,
                                   &bytes) != CUDNN_STATUS_SUCCESS ||
      bytes > wish->workspace_bytes)
    return false;
  g->plan = d;
  g->workspace_bytes = bytes > 0 ? bytes : 0;
  return true;
}

static void drop_descriptors(struct mxi_cudnn_graph *g, int keep) {
  while (g->ndescriptors > keep) dnn.cudnnBackendDestroyDescriptor(g->descriptors[--g->ndescriptors]);
}

bool mxi_cudnn_plan(struct mxi_cudnn_graph *g, const struct mxi_cudnn_wish *wish) {
  cudnnBackendDescriptor_t configurations[MXI_CUDNN_MOST_CONFIGURATIONS];
  int64_t found = ask_heuristics(g, describe_graph(g), wish->configurations, configurations);
  for (int64_t i = 0; i < found; i++) { // one may be refused where another is taken
    int before = g->ndescriptors;
    if (plan_by(g, configurations[i], wish)) return true;
    drop_descriptors(g, before);
    g->refused = false;
  }
  g->refused = true;
  return false;
}

void mxi_cudnn_drop(struct mxi_cudnn_graph *g) {
  drop_descriptors(g, 0);
  *g = (struct mxi_cudnn_graph){.refused = true};
}

/* ---- Executions ---- */
static bool execute_pack(struct mxi_cuda_stream *s, const struct mxi_cudnn_graph *g,
                         struct mxi_cudnn_graph *own, int64_t n, void *const *addresses, void *workspace) {
  int64_t ids[MXI_CUDNN_MOST_DESCRIPTORS];
  for (int64_t i = 0; i < n; i++) ids[i] = i + 1;
  cudnnBackendDescriptor_t d = new_descriptor(own, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  set_attribute(own, d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, n, addresses);
  set_attribute(own, d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n, ids);
  set_attribute(own, d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
  finalize(own, d);
  if (own->refused || dnn.cudnnSetStream(handle, s->handle) != CUDNN_STATUS_SUCCESS) return false;
  cudnnStatus_t status = dnn.cudnnBackendExecute(handle, g->plan, d);
  mxi_cuda_count(s);
  return status == CUDNN_STATUS_SUCCESS;
}

int mxi_cudnn_execute(const char *op, mx_stream stream, const struct mxi_cudnn_graph *g, int64_t n,
                      void *const *addresses) {
  struct mxi_cudnn_graph own = {0};
  struct mxi_cuda_scratch workspace = {0};
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  if (!s) return -1;
  if (g->workspace_bytes) MXI_TRY(mxi_cuda_scratch_take(stream, (size_t)g->workspace_bytes, &workspace));
  bool done = execute_pack(s, g, &own, n, addresses, workspace.address);
  mxi_cuda_scratch_free(&workspace);
  mxi_cudnn_drop(&own);
  return done ? 0 : mxi_fail(MX_DEVICE_ERROR, "[%s] expected cuDNN's plan to run, got an error from it", op);
}
