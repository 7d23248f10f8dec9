/* Convolutions by cuDNN's graphs of operations. A graph of one convolution is made for each kind of it; the
   heuristics name engines, the best first, and the first that computes as exactly as we promise makes the
   plan, which is kept. What cuDNN can't do, or can't do exactly, is remembered too, and others compute it. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/lru.h"
#include "cuda/api/cudnn.h"
#include "cuda/context.h"
#include "cuda/conv.h"
#include "cuda/library.h"
#include "cuda/memory.h"
#include <string.h>

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

/* Returns early when cuDNN refuses, which is no error: there is another way. */
#define DNN_TRY(call)                                   \
  do {                                                  \
    if (dnn.call != CUDNN_STATUS_SUCCESS) return false; \
  } while (0)

/* ---- Kinds of convolution: what a plan is made for ---- */
enum { MOST_AXES = MXI_CUDA_CONV_AXES };
struct conv_kind {
  int64_t dtype, batch, groups, channels, outputs;
  struct mxi_cuda_window window;
  int32_t high[MOST_AXES], unused;
};
_Static_assert(sizeof(struct conv_kind) == 5 * 8 + 24 * 4 + 4 * 4, "no holes");

/* Tensors by channels, as cuDNN names axes, that lie with the channels last. */
enum { X, W, Y, TENSORS };

static bool is_row_major(const struct mxi_cuda_conv *c) {
  int64_t stride = c->groups * c->channels;
  if (c->x_channel != 1 && stride != 1) return false;
  for (int axis = MOST_AXES - 1; axis >= 0; axis--) {
    if (c->window.in[axis] != 1 && c->x_axis[axis] != stride) return false;
    stride *= c->window.in[axis];
  }
  return c->batch == 1 || c->x_batch == stride;
}

static bool is_aligned(const void *address) { return (size_t)address % 16 == 0; }

static bool can_be_asked_for(const struct mxi_cuda_conv *c) {
  bool dtype = c->dtype == MX_FLOAT16 || c->dtype == MX_BFLOAT16 || c->dtype == MX_FLOAT32;
  if (!dtype || !is_row_major(c) || !is_aligned(c->x) || !is_aligned(c->w) || !is_aligned(c->y)) return false;
  for (int axis = 0; axis < MOST_AXES; axis++)
    if (c->window.input_dilation[axis] != 1 || c->window.low[axis] < 0 || c->high[axis] < 0) return false;
  return true;
}

static struct conv_kind conv_kind_of(const struct mxi_cuda_conv *c) {
  struct conv_kind kind = {.dtype = c->dtype,
                           .batch = c->batch,
                           .groups = c->groups,
                           .channels = c->channels,
                           .outputs = c->outputs,
                           .window = c->window};
  memcpy(kind.high, c->high, sizeof kind.high);
  return kind;
}

/* ---- Plans ---- */
enum { MOST_DESCRIPTORS = 48, MOST_CONFIGURATIONS = 16 };
struct conv_plan {
  struct mxi_lru_entry entry;
  struct conv_kind kind;
  /* All that were made for it, the plan's own among them. */
  cudnnBackendDescriptor_t descriptors[MOST_DESCRIPTORS];
  int n;
  cudnnBackendDescriptor_t plan; /* NULL: cuDNN has none */
  size_t workspace_bytes;
};

/* With MXI_LOCK_CUDA_PRODUCTS held. */
static cudnnHandle_t handle;
static struct mxi_lru plans;
static bool absent; /* the library is not there, or doesn't start */

static uint64_t hash_conv_kind(const struct conv_kind *kind) { return mxi_mix_bytes(0, kind, sizeof *kind); }
static bool same_conv_kind(const struct mxi_lru_entry *e, const void *key) {
  return memcmp(&((const struct conv_plan *)e)->kind, key, sizeof(struct conv_kind)) == 0;
}

static void drop_descriptors(struct conv_plan *p) {
  while (p->n) dnn.cudnnBackendDestroyDescriptor(p->descriptors[--p->n]);
}
static void drop_conv_plan(struct conv_plan *p) {
  drop_descriptors(p);
  mxi_free(p);
}

/* A new descriptor, which goes with the plan. NULL when cuDNN refuses. */
static cudnnBackendDescriptor_t new_descriptor(struct conv_plan *p, int type) {
  cudnnBackendDescriptor_t made = NULL;
  if (p->n == MOST_DESCRIPTORS || dnn.cudnnBackendCreateDescriptor(type, &made) != CUDNN_STATUS_SUCCESS)
    return NULL;
  return p->descriptors[p->n++] = made;
}

static bool set_int64s(cudnnBackendDescriptor_t d, int attribute, int n, const int64_t *values) {
  DNN_TRY(cudnnBackendSetAttribute(d, attribute, CUDNN_TYPE_INT64, n, values));
  return true;
}
static bool set_descriptor(cudnnBackendDescriptor_t d, int attribute, cudnnBackendDescriptor_t value) {
  DNN_TRY(cudnnBackendSetAttribute(d, attribute, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value));
  return true;
}
static bool set_enum(cudnnBackendDescriptor_t d, int attribute, int type, int value) {
  DNN_TRY(cudnnBackendSetAttribute(d, attribute, type, 1, &value));
  return true;
}
static bool set_handle(cudnnBackendDescriptor_t d, int attribute) {
  DNN_TRY(cudnnBackendSetAttribute(d, attribute, CUDNN_TYPE_HANDLE, 1, &handle));
  return true;
}
static cudnnBackendDescriptor_t finalized(cudnnBackendDescriptor_t d, bool filled) {
  return filled && dnn.cudnnBackendFinalize(d) == CUDNN_STATUS_SUCCESS ? d : NULL;
}

/* ---- The graph ---- */
/* Two spatial axes where the first is idle, as most engines want it. */
static int axes_of(const struct conv_kind *kind) {
  const struct mxi_cuda_window *w = &kind->window;
  bool idle = w->in[0] == 1 && w->taps[0] == 1 && w->low[0] == 0 && kind->high[0] == 0;
  return idle ? MOST_AXES - 1 : MOST_AXES;
}

static cudnnBackendDescriptor_t describe_tensor(struct conv_plan *p, int64_t id, int64_t batch,
                                                int64_t channels, const int32_t *lengths) {
  int type = p->kind.dtype == MX_FLOAT32   ? CUDNN_DATA_FLOAT
             : p->kind.dtype == MX_FLOAT16 ? CUDNN_DATA_HALF
                                           : CUDNN_DATA_BFLOAT16;
  int axes = axes_of(&p->kind), missing = MOST_AXES - axes;
  int64_t dims[2 + MOST_AXES] = {batch, channels}, strides[2 + MOST_AXES] = {0, 1}, stride = channels;
  int64_t alignment = 16;
  for (int i = axes - 1; i >= 0; i--) {
    dims[2 + i] = lengths[missing + i];
    strides[2 + i] = stride;
    stride *= dims[2 + i];
  }
  strides[0] = stride;
  cudnnBackendDescriptor_t d = new_descriptor(p, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  return d ? finalized(d, set_enum(d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type) &&
                              set_int64s(d, CUDNN_ATTR_TENSOR_DIMENSIONS, 2 + axes, dims) &&
                              set_int64s(d, CUDNN_ATTR_TENSOR_STRIDES, 2 + axes, strides) &&
                              set_int64s(d, CUDNN_ATTR_TENSOR_UNIQUE_ID, 1, &id) &&
                              set_int64s(d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1, &alignment))
           : NULL;
}

static bool set_lengths(cudnnBackendDescriptor_t d, int attribute, int axes, const int32_t *lengths) {
  int64_t values[MOST_AXES];
  for (int i = 0; i < axes; i++) values[i] = lengths[MOST_AXES - axes + i];
  return set_int64s(d, attribute, axes, values);
}

static cudnnBackendDescriptor_t describe_convolution(struct conv_plan *p) {
  const struct mxi_cuda_window *w = &p->kind.window;
  int axes = axes_of(&p->kind);
  int64_t naxes = axes;
  cudnnBackendDescriptor_t d = new_descriptor(p, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  return d ? finalized(d, set_int64s(d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 1, &naxes) &&
                              set_enum(d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE,
                                       CUDNN_DATA_FLOAT) &&
                              set_enum(d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
                                       w->flip ? CUDNN_CONVOLUTION : CUDNN_CROSS_CORRELATION) &&
                              set_lengths(d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, axes, w->low) &&
                              set_lengths(d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, axes, p->kind.high) &&
                              set_lengths(d, CUDNN_ATTR_CONVOLUTION_DILATIONS, axes, w->kernel_dilation) &&
                              set_lengths(d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, axes, w->stride))
           : NULL;
}

static cudnnBackendDescriptor_t describe_operation(struct conv_plan *p) {
  const struct conv_kind *k = &p->kind;
  const float one = 1, zero = 0;
  cudnnBackendDescriptor_t x = describe_tensor(p, X, k->batch, k->groups * k->channels, k->window.in),
                           w = describe_tensor(p, W, k->groups * k->outputs, k->channels, k->window.taps),
                           y = describe_tensor(p, Y, k->batch, k->groups * k->outputs, k->window.out),
                           how = describe_convolution(p),
                           d = new_descriptor(p, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
  if (!x || !w || !y || !how || !d) return NULL;
  if (dnn.cudnnBackendSetAttribute(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1,
                                   &one) ||
      dnn.cudnnBackendSetAttribute(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 1,
                                   &zero))
    return NULL;
  return finalized(d, set_descriptor(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, how) &&
                          set_descriptor(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x) &&
                          set_descriptor(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w) &&
                          set_descriptor(d, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y));
}

static cudnnBackendDescriptor_t describe_graph(struct conv_plan *p) {
  cudnnBackendDescriptor_t operation = describe_operation(p),
                           d = operation ? new_descriptor(p, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR) : NULL;
  return d ? finalized(d, set_handle(d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE) &&
                              set_descriptor(d, CUDNN_ATTR_OPERATIONGRAPH_OPS, operation))
           : NULL;
}

/* ---- Engines ---- */
/* Sums in float, of the elements as they are, in one order. */
static bool is_exact(const struct conv_plan *p, const int *notes, int64_t n) {
  for (int64_t i = 0; i < n; i++) switch (notes[i]) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: /* which round float32 to 10 bits */
      if (p->kind.dtype == MX_FLOAT32) return false;
      break;
    case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
    case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
    case CUDNN_NUMERICAL_NOTE_FFT:
    case CUDNN_NUMERICAL_NOTE_WINOGRAD: return false;
    default: break;
    }
  return true;
}

static bool has_exact_engine(struct conv_plan *p, cudnnBackendDescriptor_t configuration) {
  enum { MOST_NOTES = 32 };
  int notes[MOST_NOTES];
  int64_t n = 0;
  cudnnBackendDescriptor_t engine = new_descriptor(p, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  if (!engine) return false;
  DNN_TRY(cudnnBackendGetAttribute(configuration, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                   1, &n, &engine));
  DNN_TRY(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   MOST_NOTES, &n, notes));
  return is_exact(p, notes, n < MOST_NOTES ? n : MOST_NOTES);
}

static bool make_plan(struct conv_plan *p, cudnnBackendDescriptor_t configuration) {
  const int64_t most_bytes = (int64_t)1 << 30;
  int64_t bytes = 0, n = 0;
  cudnnBackendDescriptor_t d = new_descriptor(p, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (!d || !finalized(d, set_handle(d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE) &&
                              set_descriptor(d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration)))
    return false;
  DNN_TRY(
      cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &n, &bytes));
  if (bytes > most_bytes) return false;
  p->plan = d;
  p->workspace_bytes = bytes > 0 ? (size_t)bytes : 0;
  return true;
}

static bool ask_heuristics(struct conv_plan *p, cudnnBackendDescriptor_t *configurations, int64_t *n) {
  cudnnBackendDescriptor_t graph = describe_graph(p),
                           d = graph ? new_descriptor(p, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) : NULL;
  if (!d ||
      !finalized(d, set_descriptor(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph) &&
                        set_enum(d, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, CUDNN_HEUR_MODE_A)))
    return false;
  for (int i = 0; i < MOST_CONFIGURATIONS; i++)
    if (!(configurations[i] = new_descriptor(p, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR))) return false;
  DNN_TRY(cudnnBackendGetAttribute(d, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                   MOST_CONFIGURATIONS, n, configurations));
  return true;
}

static void fill_conv_plan(struct conv_plan *p) {
  cudnnBackendDescriptor_t configurations[MOST_CONFIGURATIONS];
  int64_t n = 0;
  if (!ask_heuristics(p, configurations, &n)) return;
  for (int64_t i = 0; i < n && i < MOST_CONFIGURATIONS; i++) {
    int before = p->n;
    if (has_exact_engine(p, configurations[i]) && make_plan(p, configurations[i])) return;
    while (p->n > before) dnn.cudnnBackendDestroyDescriptor(p->descriptors[--p->n]);
  }
}

static struct conv_plan *conv_plan_of(const struct conv_kind *kind) {
  enum { MOST_PLANS = 512 };
  uint64_t hash = hash_conv_kind(kind);
  struct conv_plan *p = (struct conv_plan *)mxi_lru_find(&plans, hash, same_conv_kind, kind);
  if (p || !(p = mxi_calloc(1, sizeof *p))) return p;
  p->kind = *kind;
  fill_conv_plan(p);
  if (!p->plan) drop_descriptors(p);
  if (mxi_lru_put(&plans, &p->entry, hash) < 0) {
    drop_conv_plan(p);
    return NULL;
  }
  if (plans.n > MOST_PLANS) drop_conv_plan((struct conv_plan *)mxi_lru_take_oldest(&plans));
  return p;
}

/* ---- Running one ---- */
static bool begin_cudnn(void) {
  if (handle || absent) return handle;
  struct mxi_error unimportant;
  if (mxi_cuda_library_open(&library, (void **)&dnn) < 0)
    mxi_error_take(&unimportant);
  else if (dnn.cudnnCreate(&handle) != CUDNN_STATUS_SUCCESS)
    handle = NULL;
  absent = !handle;
  return handle;
}

static bool execute(const struct conv_plan *p, const struct mxi_cuda_conv *c, CUstream stream,
                    void *workspace, cudnnBackendDescriptor_t pack) {
  const int64_t ids[TENSORS] = {X, W, Y};
  const void *const addresses[TENSORS] = {c->x, c->w, c->y};
  DNN_TRY(cudnnSetStream(handle, stream));
  DNN_TRY(cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, TENSORS, ids));
  DNN_TRY(cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, TENSORS,
                                   addresses));
  DNN_TRY(
      cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace));
  DNN_TRY(cudnnBackendFinalize(pack));
  DNN_TRY(cudnnBackendExecute(handle, p->plan, pack));
  return true;
}

static int run_plan(mx_stream s, const struct conv_plan *p, const struct mxi_cuda_conv *c) {
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(s);
  struct mxi_cuda_scratch workspace = {0};
  cudnnBackendDescriptor_t pack;
  if (!stream) return -1;
  if (p->workspace_bytes) MXI_TRY(mxi_cuda_scratch_take(s, p->workspace_bytes, &workspace));
  bool done =
      dnn.cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack) == CUDNN_STATUS_SUCCESS;
  if (done) {
    done = execute(p, c, stream->handle, workspace.address, pack);
    dnn.cudnnBackendDestroyDescriptor(pack);
  }
  mxi_cuda_count(stream);
  mxi_cuda_scratch_free(&workspace);
  return done ? 0 : mxi_fail(MX_DEVICE_ERROR, "[conv] expected cuDNN's plan to run, got an error from it");
}

int mxi_cuda_cudnn_run(mx_stream s, const struct mxi_cuda_conv *c, bool *served) {
  *served = false;
  if (!can_be_asked_for(c)) return 0;
  MXI_TRY(mxi_cuda_enter());
  struct conv_kind kind = conv_kind_of(c);
  int result = 0;
  mxi_lock(MXI_LOCK_CUDA_PRODUCTS);
  if (begin_cudnn()) {
    struct conv_plan *p = conv_plan_of(&kind);
    *served = p && p->plan;
    result = !p ? -1 : p->plan ? run_plan(s, p, c) : 0;
  }
  mxi_unlock(MXI_LOCK_CUDA_PRODUCTS);
  return result;
}
