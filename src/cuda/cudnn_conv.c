/* Convolutions by cuDNN's graphs of operations. A graph of one convolution is made for each kind of it; the
   heuristics name engines, the best first, and the first that computes as exactly as we promise makes the
   plan, which is kept. What cuDNN can't do, or can't do exactly, is remembered too, and others compute it. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/lru.h"
#include "cuda/context.h"
#include "cuda/conv.h"
#include "cuda/cudnn.h"
#include <string.h>

/* ---- Kinds of convolution: what a plan is made for ---- */
enum { MOST_AXES = MXI_CUDA_CONV_AXES };
struct conv_kind {
  int64_t dtype, batch, groups, channels, outputs;
  struct mxi_cuda_window window;
  int32_t high[MOST_AXES], unused;
};
_Static_assert(sizeof(struct conv_kind) == 5 * 8 + 24 * 4 + 4 * 4, "no holes");

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

/* ---- The graph ---- */
/* Two spatial axes where the first is idle, as most engines want it. */
static int axes_of(const struct conv_kind *kind) {
  const struct mxi_cuda_window *w = &kind->window;
  bool idle = w->in[0] == 1 && w->taps[0] == 1 && w->low[0] == 0 && kind->high[0] == 0;
  return idle ? MOST_AXES - 1 : MOST_AXES;
}

/* By channels, as cuDNN names axes; it lies with the channels last. */
static struct mxi_cudnn_tensor describe_tensor(struct mxi_cudnn_graph *g, const struct conv_kind *kind,
                                               int64_t batch, int64_t channels, const int32_t *lengths) {
  int type = kind->dtype == MX_FLOAT32   ? CUDNN_DATA_FLOAT
             : kind->dtype == MX_FLOAT16 ? CUDNN_DATA_HALF
                                         : CUDNN_DATA_BFLOAT16;
  int axes = axes_of(kind), missing = MOST_AXES - axes;
  int64_t stride = channels;
  struct mxi_cudnn_shape s = {.naxes = 2 + axes, .dims = {batch, channels}, .strides = {0, 1}};
  for (int i = axes - 1; i >= 0; i--) {
    s.dims[2 + i] = lengths[missing + i];
    s.strides[2 + i] = stride;
    stride *= s.dims[2 + i];
  }
  s.strides[0] = stride;
  return mxi_cudnn_in_memory(g, type, &s);
}

static void describe_conv(struct mxi_cudnn_graph *g, const struct conv_kind *kind) {
  const struct mxi_cuda_window *window = &kind->window;
  struct mxi_cudnn_convolution c = {.mode = window->flip ? CUDNN_CONVOLUTION : CUDNN_CROSS_CORRELATION,
                                    .naxes = axes_of(kind)};
  for (int i = 0; i < c.naxes; i++) {
    int axis = MOST_AXES - (int)c.naxes + i;
    c.low[i] = window->low[axis];
    c.high[i] = kind->high[axis];
    c.dilations[i] = window->kernel_dilation[axis];
    c.strides[i] = window->stride[axis];
  }
  struct mxi_cudnn_tensor x = describe_tensor(g, kind, kind->batch, kind->groups * kind->channels,
                                              window->in),
                          w = describe_tensor(g, kind, kind->groups * kind->outputs, kind->channels,
                                              window->taps),
                          y = describe_tensor(g, kind, kind->batch, kind->groups * kind->outputs,
                                              window->out);
  mxi_cudnn_convolve(g, &c, x, w, y);
}

/* Sums in float, of the elements as they are, in one order. */
static bool is_exact(const int *notes, int64_t n, const void *kind) {
  for (int64_t i = 0; i < n; i++) switch (notes[i]) {
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE: /* which round float32 to 10 bits */
      if (((const struct conv_kind *)kind)->dtype == MX_FLOAT32) return false;
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

/* ---- Plans, with MXI_LOCK_CUDA_GRAPHS held ---- */
struct conv_plan {
  struct mxi_lru_entry entry;
  struct conv_kind kind;
  struct mxi_cudnn_graph graph; /* refused: cuDNN can't do it, or can't do it exactly */
};
static struct mxi_lru conv_plans;

static uint64_t hash_conv_kind(const struct conv_kind *kind) { return mxi_mix_bytes(0, kind, sizeof *kind); }
static bool same_conv_kind(const struct mxi_lru_entry *e, const void *key) {
  return memcmp(&((const struct conv_plan *)e)->kind, key, sizeof(struct conv_kind)) == 0;
}

static void drop_conv_plan(struct conv_plan *p) {
  mxi_cudnn_drop(&p->graph);
  mxi_free(p);
}

static struct conv_plan *conv_plan_of(const struct conv_kind *kind) {
  enum { MOST_PLANS = 512, MOST_BYTES = 1 << 30 };
  const struct mxi_cudnn_wish wish = {.configurations = MXI_CUDNN_MOST_CONFIGURATIONS,
                                      .workspace_bytes = MOST_BYTES,
                                      .suits = is_exact,
                                      .context = kind};
  uint64_t hash = hash_conv_kind(kind);
  struct conv_plan *p = (struct conv_plan *)mxi_lru_find(&conv_plans, hash, same_conv_kind, kind);
  if (p || !(p = mxi_calloc(1, sizeof *p))) return p;
  p->kind = *kind;
  describe_conv(&p->graph, kind);
  if (!mxi_cudnn_plan(&p->graph, &wish)) mxi_cudnn_drop(&p->graph);
  if (mxi_lru_put(&conv_plans, &p->entry, hash) < 0) {
    drop_conv_plan(p);
    return NULL;
  }
  if (conv_plans.n > MOST_PLANS) drop_conv_plan((struct conv_plan *)mxi_lru_take_oldest(&conv_plans));
  return p;
}

/* ---- Running one ---- */
int mxi_cuda_cudnn_run(mx_stream s, const struct mxi_cuda_conv *c, bool *served) {
  *served = false;
  if (!can_be_asked_for(c)) return 0;
  MXI_TRY(mxi_cuda_enter());
  struct conv_kind kind = conv_kind_of(c);
  void *const addresses[] = {(void *)c->x, (void *)c->w, c->y};
  int result = 0;
  mxi_lock(MXI_LOCK_CUDA_GRAPHS);
  if (mxi_cudnn_begin()) {
    struct conv_plan *p = conv_plan_of(&kind);
    *served = p && !p->graph.refused;
    result = !p ? -1 : *served ? mxi_cudnn_execute("conv", s, &p->graph, 3, addresses) : 0;
  }
  mxi_unlock(MXI_LOCK_CUDA_GRAPHS);
  return result;
}
