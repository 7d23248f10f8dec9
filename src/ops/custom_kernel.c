/* Kernels of the user's, from their source or compiled already: what they are called with is checked, and
   goes into one node. They have no derivative and no batching rule. */
#include "base/alloc.h"
#include "base/hash.h"
#include "core/kernel_code.h"
#include "core/stream.h"
#include "ops/common.h"
#include "ops/custom_source.h"
#include "base/text.h"

/* The addresses of so many fill the parameters of a launch. */
enum { MOST_OPERANDS = 512 };
static const char source_op[] = "cuda_kernel", code_op[] = "precompiled_cuda_kernel";

/* ---- Checks ---- */
static int check_count(const char *op, const char *what, int n, int least, int most) {
  if (n >= least && n <= most) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected %d to %d %s, got %d", op, least, most, what, n);
}

static int check_geometry(const char *op, const mx_kernel_launch *l) {
  enum { MOST_THREADS = 1024, MOST_DEEP = 64 };
  static const int64_t most_blocks[] = {INT32_MAX, 65535, 65535};
  const int64_t *g = l->grid, *t = l->threadgroup;
  int64_t most[] = {MOST_THREADS, MOST_THREADS, MOST_DEEP};
  bool fits = true;
  for (int i = 0; i < 3; i++) fits &= t[i] >= 1 && t[i] <= most[i];
  if (!fits || t[0] * t[1] * t[2] > MOST_THREADS)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected a threadgroup of 1 to %d threads, at most %d along its last axis, got "
                    "(%lld,%lld,%lld)",
                    op, MOST_THREADS, MOST_DEEP, (long long)t[0], (long long)t[1], (long long)t[2]);
  for (int i = 0; i < 3; i++) fits &= g[i] >= 0 && (g[i] == 0 || (g[i] - 1) / t[i] < most_blocks[i]);
  if (!fits)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected a grid of threads >= 0, of fewer than 2^31 threadgroups and 65536 along "
                    "other axes, got "
                    "(%lld,%lld,%lld)",
                    op, (long long)g[0], (long long)g[1], (long long)g[2]);
  if (l->shared_memory < 0 || l->shared_memory > INT32_MAX)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected shared memory of 0 to 2^31 - 1 bytes, got %lld", op,
                    (long long)l->shared_memory);
  return 0;
}

static int check_outputs(const char *op, const mx_kernel_launch *l) {
  MXI_TRY(check_count(op, "outputs", l->noutputs, 1, MOST_OPERANDS));
  if (!mxi_given(op, "the outputs' shapes", l->output_shapes) ||
      !mxi_given(op, "the outputs' dtypes", l->output_dtypes))
    return -1;
  for (int i = 0; i < l->noutputs; i++) {
    if ((unsigned)l->output_dtypes[i] >= MX_DTYPE_COUNT)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a dtype for output %d, got %d", op, i,
                      (int)l->output_dtypes[i]);
    MXI_TRY(mxi_check_shape(op, l->output_shapes[i], NULL));
  }
  return 0;
}

static int check_inputs(const char *op, int n, const mx_array *inputs) {
  MXI_TRY(check_count(op, "inputs", n, 0, MOST_OPERANDS));
  if (n && !mxi_given(op, "a list of inputs", inputs)) return -1;
  if (!mxi_usable(op, n, inputs)) return -1;
  for (int i = 0; i < n; i++)
    for (int k = 0; k < inputs[i]->ndim; k++)
      if (mxi_shape(inputs[i])[k] > INT32_MAX)
        return mxi_fail(MX_INVALID_ARGUMENT,
                        "[%s] expected inputs of fewer than 2^31 elements along each axis, got shape %s", op,
                        MXI_SHAPE_TEXT(inputs[i]));
  return 0;
}

static int check_stream(const char *op) {
  mx_stream s = mxi_ambient_stream();
  if (s && s->device.type == MX_GPU_DEVICE) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a stream on a GPU, got %s", op,
                  s ? "one on the CPU" : "none");
}

/* ---- The code ---- */
static void release_code(mxi_object *o) { mxi_free(o); }

/* A copy of all that is given; one reference. */
static struct mxi_kernel_code *code_new(const struct mxi_kernel_code *given) {
  size_t scalars = (size_t)given->nscalars * sizeof *given->scalars, uses = (size_t)given->ninputs,
         entry = strlen(given->entry) + 1;
  struct mxi_kernel_code *k = mxi_malloc(sizeof *k + scalars + uses + entry + given->bytes + 1);
  if (!k) return NULL;
  *k = *given;
  atomic_init(&k->object.refs, 1);
  k->object.release = release_code;
  char *at = (char *)(k + 1);
  if (scalars) k->scalars = memcpy(at, given->scalars, scalars);
  at += scalars;
  if (uses) k->uses = memcpy(at, given->uses, uses);
  at += uses;
  k->entry = memcpy(at, given->entry, entry);
  at += entry;
  k->code = memcpy(at, given->code, given->bytes);
  at[given->bytes] = 0;
  for (const char *c = k->entry; c < k->code + k->bytes;) { /* they lie in a row */
    uint64_t word = 0;
    size_t left = (size_t)(k->code + k->bytes - c), n = left < sizeof word ? left : sizeof word;
    memcpy(&word, c, n);
    k->hash = mxi_mix(k->hash, word);
    c += n;
  }
  return k;
}

/* ---- The node ---- */
static int apply(struct mxi_kernel_code *code, const mx_kernel_launch *l, const mx_array *inputs,
                 mx_array *out) {
  int n = code->ninputs, nfills = l->initialized ? l->noutputs : 0;
  int64_t geometry[] = {l->grid[0],        l->grid[1],        l->grid[2],
                        l->threadgroup[0], l->threadgroup[1], l->threadgroup[2]};
  struct mxi_p_CUSTOM_KERNEL p = {
      .code = &code->object, .geometry = {geometry, 6}, .shared = l->shared_memory};
  mx_array *in = mxi_malloc((size_t)(n + nfills + 1) * sizeof *in);
  struct mxi_output *outputs = mxi_malloc((size_t)l->noutputs * sizeof *outputs);
  int result = in && outputs ? 0 : -1;
  for (int i = 0; i < n && result == 0; i++) in[i] = inputs[i];
  for (int i = 0; i < l->noutputs && result == 0; i++) {
    outputs[i] = (struct mxi_output){l->output_dtypes[i], l->output_shapes[i]};
    if (nfills) in[n + i] = mxi_constant(l->init_value, l->output_dtypes[i], MX_NO_SHAPE);
  }
  if (result == 0) result = mxi_apply_multi(MXI_CUSTOM_KERNEL, &p, n + nfills, in, l->noutputs, outputs, out);
  mxi_free(in);
  mxi_free(outputs);
  return result;
}

static int apply_new(struct mxi_kernel_code *code, const mx_kernel_launch *l, const mx_array *inputs,
                     mx_array *out) {
  if (!code) return -1;
  int result = apply(code, l, inputs, out);
  if (atomic_fetch_sub(&code->object.refs, 1) == 1) code->object.release(&code->object);
  return result;
}

/* ---- From source ---- */
static int check_source(const mx_cuda_kernel_opts *k, const mx_array *inputs) {
  MXI_TRY(check_inputs(source_op, k->ninputs, inputs));
  MXI_TRY(check_outputs(source_op, &k->launch));
  MXI_TRY(check_geometry(source_op, &k->launch));
  MXI_TRY(check_count(source_op, "template arguments", k->nconstants, 0, MOST_OPERANDS));
  bool given = mxi_given(source_op, "a source", k->source) &&
               mxi_given(source_op, "the outputs' names", k->output_names) &&
               (!k->ninputs || mxi_given(source_op, "the inputs' names", k->input_names)) &&
               (!k->nconstants || mxi_given(source_op, "the template arguments", k->constants));
  return given ? 0 : -1;
}

char *mx_fast_cuda_kernel_text(mx_cuda_kernel_opts kernel, const mx_array *inputs) {
  uint8_t uses[MOST_OPERANDS];
  return check_source(&kernel, inputs) < 0 ? NULL : mxi_custom_source(&kernel, inputs, uses);
}

static struct mxi_kernel_code *code_of_text(const mx_cuda_kernel_opts *k, const char *text,
                                            const uint8_t *uses) {
  struct mxi_string entry = {0};
  mxi_string_print(&entry, MXI_CUSTOM_ENTRY "%s", k->name);
  char *name = mxi_string_take(&entry);
  struct mxi_kernel_code *code = !name
                                     ? NULL
                                     : code_new(&(struct mxi_kernel_code){.op = source_op,
                                                                          .is_source = true,
                                                                          .row_major = !k->launch.any_strides,
                                                                          .bytes = strlen(text),
                                                                          .code = text,
                                                                          .entry = name,
                                                                          .ninputs = k->ninputs,
                                                                          .uses = uses});
  mxi_free(name);
  return code;
}

int mx_fast_cuda_kernel(mx_cuda_kernel_opts kernel, const mx_array *inputs, mx_array *out) {
  uint8_t uses[MOST_OPERANDS];
  if (!mxi_has_place(source_op, out) || check_source(&kernel, inputs) < 0) return -1;
  char *text = mxi_custom_source(&kernel, inputs, uses);
  int result = !text || check_stream(source_op) < 0
                   ? -1
                   : apply_new(code_of_text(&kernel, text, uses), &kernel.launch, inputs, out);
  mxi_free(text);
  return result;
}

/* ---- Compiled ---- */
static int scalar_of(const mx_kernel_scalar *given, struct mxi_kernel_scalar *s) {
  float single = (float)given->number;
  int32_t integer = (int32_t)given->integer;
  bool truth = given->integer != 0;
  s->bits = 0;
  switch (given->dtype) {
  case MX_BOOL: s->bytes = sizeof truth, memcpy(&s->bits, &truth, sizeof truth); return 0;
  case MX_INT64: s->bytes = sizeof given->integer, s->bits = (uint64_t)given->integer; return 0;
  case MX_FLOAT32: s->bytes = sizeof single, memcpy(&s->bits, &single, sizeof single); return 0;
  case MX_FLOAT64:
    s->bytes = sizeof given->number, memcpy(&s->bits, &given->number, sizeof given->number);
    return 0;
  case MX_INT32:
    s->bytes = sizeof integer, memcpy(&s->bits, &integer, sizeof integer);
    if (integer == given->integer) return 0;
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected an int of 32 bits for a scalar, got %lld", code_op,
                    (long long)given->integer);
  default:
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected scalars of bool, int32, int64, float32 or float64, got dtype %d", code_op,
                    (int)given->dtype);
  }
}

static int check_code(const mx_cuda_code_opts *k, const mx_array *inputs) {
  MXI_TRY(check_inputs(code_op, k->ninputs, inputs));
  MXI_TRY(check_outputs(code_op, &k->launch));
  MXI_TRY(check_geometry(code_op, &k->launch));
  MXI_TRY(check_count(code_op, "scalars", k->nscalars, 0, MOST_OPERANDS));
  if (!mxi_given(code_op, "a name", k->name) || !mxi_given(code_op, "compiled code", k->code) ||
      (k->nscalars && !mxi_given(code_op, "the scalars", k->scalars)))
    return -1;
  if (k->bytes) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected compiled code, got 0 bytes", code_op);
}

int mx_fast_precompiled_cuda_kernel(mx_cuda_code_opts kernel, const mx_array *inputs, mx_array *out) {
  static const uint8_t no_uses[MOST_OPERANDS];
  struct mxi_kernel_scalar scalars[MOST_OPERANDS];
  if (!mxi_has_place(code_op, out) || check_code(&kernel, inputs) < 0) return -1;
  for (int i = 0; i < kernel.nscalars; i++) MXI_TRY(scalar_of(&kernel.scalars[i], &scalars[i]));
  MXI_TRY(check_stream(code_op));
  struct mxi_kernel_code *code = code_new(&(struct mxi_kernel_code){.op = code_op,
                                                                    .row_major = !kernel.launch.any_strides,
                                                                    .bytes = kernel.bytes,
                                                                    .code = kernel.code,
                                                                    .entry = kernel.name,
                                                                    .ninputs = kernel.ninputs,
                                                                    .nscalars = kernel.nscalars,
                                                                    .scalars = scalars,
                                                                    .uses = no_uses});
  return apply_new(code, &kernel.launch, inputs, out);
}
