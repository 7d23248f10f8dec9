/* Convolutions of one to three spatial axes: shape rule, derivatives, and the ops that are convolutions of
   other options. */
#include "mlx/conv.h"
#include "ops/common.h"
#include "ops/rules.h"

/* Strides, dilations and paddings beyond this are refused, so that sums of a few of them can't overflow. */
static const int64_t largest_option = (int64_t)1 << 40;
enum { MOST_TAPS = 64 /* of a depthwise weight whose gradient is taken tap by tap */ };

/* ---- The options of a node ---- */
struct options {
  int n; /* spatial axes */
  int64_t stride[MX_CONV_AXES], low[MX_CONV_AXES], high[MX_CONV_AXES];
  int64_t kernel_dilation[MX_CONV_AXES], input_dilation[MX_CONV_AXES];
  int64_t groups;
  bool flip;
};

static struct options options_of(const struct mxi_p_CONVOLUTION *p) {
  struct options o = {.n = p->stride.n, .groups = p->groups, .flip = p->flip};
  for (int i = o.n; i < MX_CONV_AXES; i++) o.stride[i] = o.kernel_dilation[i] = o.input_dilation[i] = 1;
  mxi_copy_ints(o.stride, p->stride);
  mxi_copy_ints(o.low, p->padding_low);
  mxi_copy_ints(o.high, p->padding_high);
  mxi_copy_ints(o.kernel_dilation, p->kernel_dilation);
  mxi_copy_ints(o.input_dilation, p->input_dilation);
  return o;
}

static mx_array apply_convolution(mx_array x, mx_array w, const struct options *o, mx_dtype t,
                                  mx_ints shape) {
  struct mxi_p_CONVOLUTION p = {.stride = {o->stride, o->n},
                                .padding_low = {o->low, o->n},
                                .padding_high = {o->high, o->n},
                                .kernel_dilation = {o->kernel_dilation, o->n},
                                .input_dilation = {o->input_dilation, o->n},
                                .groups = o->groups,
                                .flip = o->flip};
  return mxi_apply(MXI_CONVOLUTION, &p, 2, (mx_array[]){mx_astype(x, t), mx_astype(w, t)}, t, shape);
}

/* ---- Shape rule ---- */
/* From the first to the last of n elements `dilation` apart; 0 for none. */
static bool dilated(int64_t n, int64_t dilation, int64_t *length) {
  if (n == 0) return *length = 0, true;
  return mxi_mul(n - 1, dilation, length) && mxi_add(*length, 1, length);
}

static int output_length(mx_array x, mx_array w, const struct options *o, int axis, int64_t *out) {
  int64_t input, kernel, k = w->dims[axis + 1];
  if (k == 0)
    return mxi_fail(MX_INVALID_ARGUMENT, "[conv] expected a weight with at least one tap, got shape %s",
                    MXI_SHAPE_TEXT(w));
  if (!dilated(x->dims[axis + 1], o->input_dilation[axis], &input) ||
      !mxi_add(input, o->low[axis] + o->high[axis], &input) || !dilated(k, o->kernel_dilation[axis], &kernel))
    return mxi_fail(MX_INVALID_ARGUMENT, "[conv] expected sizes below 2^63 on axis %d, got shapes %s and %s",
                    axis + 1, MXI_SHAPE_TEXT(x), MXI_SHAPE_TEXT(w));
  if (input < kernel)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[conv] expected an input no smaller than the weight on axis %d, got %lld (padded) and "
                    "%lld (dilated) from shapes %s and %s",
                    axis + 1, (long long)input, (long long)kernel, MXI_SHAPE_TEXT(x), MXI_SHAPE_TEXT(w));
  *out = (input - kernel) / o->stride[axis] + 1;
  return 0;
}

static int check_option(const char *what, const int64_t *values, int n, int64_t least) {
  for (int i = 0; i < MX_CONV_AXES; i++) {
    bool unused = i >= n && values[i] != least && values[i] != 0;
    if (values[i] >= least && values[i] <= largest_option && !unused) continue;
    return mxi_fail(MX_INVALID_ARGUMENT, "[conv] expected %s %s for %d spatial axes, got %lld for axis %d",
                    least == 1 ? "positive" : "moderate", what, n, (long long)values[i], i + 1);
  }
  return 0;
}

static int check_conv_options(const struct options *o) {
  MXI_TRY(check_option("strides", o->stride, o->n, 1));
  MXI_TRY(check_option("kernel dilations", o->kernel_dilation, o->n, 1));
  MXI_TRY(check_option("input dilations", o->input_dilation, o->n, 1));
  MXI_TRY(check_option("paddings", o->low, o->n, -largest_option));
  return check_option("paddings", o->high, o->n, -largest_option);
}

static int check_channels(mx_array x, mx_array w, int64_t groups) {
  int64_t channels = x->dims[x->ndim - 1], outputs = w->dims[0], of_group = w->dims[w->ndim - 1];
  if (groups < 1 || channels % groups || outputs % groups)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[conv] expected a number of groups that divides the %lld input channels and %lld output "
                    "channels, got %lld",
                    (long long)channels, (long long)outputs, (long long)groups);
  if (channels / groups == of_group) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT,
                  "[conv] expected a weight of %lld input channels a group, got shapes %s and %s and %lld "
                  "groups",
                  (long long)(channels / groups), MXI_SHAPE_TEXT(x), MXI_SHAPE_TEXT(w), (long long)groups);
}

static int check_conv_operands(mx_array x, mx_array w) {
  if (x->ndim < 3 || x->ndim > 2 + MX_CONV_AXES || w->ndim != x->ndim)
    return mxi_fail(
        MX_INVALID_ARGUMENT,
        "[conv] expected an input (N, spatial..., C) and a weight (O, spatial..., C / groups) with "
        "the same 1 to 3 spatial axes, got shapes %s and %s",
        MXI_SHAPE_TEXT(x), MXI_SHAPE_TEXT(w));
  mx_dtype t = mx_promote_types(mxi_dtype(x), mxi_dtype(w));
  if (!mxi_is_float(t))
    return mxi_fail(MX_INVALID_ARGUMENT, "[conv] expected floating point dtypes, got %s and %s",
                    mx_dtype_name(mxi_dtype(x)), mx_dtype_name(mxi_dtype(w)));
  return 0;
}

static mx_array convolution(mx_array x, mx_array w, const struct options *o) {
  int64_t shape[2 + MX_CONV_AXES];
  if (x == MX_BAD || w == MX_BAD) return MX_BAD;
  if (check_conv_operands(x, w) < 0 || check_conv_options(o) < 0 || check_channels(x, w, o->groups) < 0)
    return MX_BAD;
  shape[0] = x->dims[0];
  for (int axis = 0; axis < o->n; axis++)
    if (output_length(x, w, o, axis, &shape[axis + 1]) < 0) return MX_BAD;
  shape[o->n + 1] = w->dims[0];
  if (mxi_check_shape("conv", (mx_ints){shape, x->ndim}, NULL) < 0) return MX_BAD;
  mx_dtype t = mx_promote_types(mxi_dtype(x), mxi_dtype(w));
  return MXI_COMPOSED(apply_convolution(x, w, o, t, (mx_ints){shape, x->ndim}));
}

/* ---- Ops ---- */
static int64_t or_one(int64_t v) { return v == 0 ? 1 : v; }

mx_array mx_conv(mx_array x, mx_array w, mx_conv_opts opts) {
  if (!mxi_usable2("conv", x, w)) return MX_BAD;
  struct options o = {.n = x->ndim - 2, .groups = or_one(opts.groups), .flip = opts.flip};
  for (int i = 0; i < MX_CONV_AXES; i++) {
    o.stride[i] = or_one(opts.stride[i]);
    o.low[i] = opts.padding_low[i], o.high[i] = opts.padding_high[i];
    o.kernel_dilation[i] = or_one(opts.kernel_dilation[i]);
    o.input_dilation[i] = or_one(opts.input_dilation[i]);
  }
  return convolution(x, w, &o);
}

mx_array mx_conv_transpose(mx_array x, mx_array w, mx_conv_transpose_opts opts) {
  if (!mxi_usable2("conv_transpose", x, w)) return MX_BAD;
  if (check_conv_operands(x, w) < 0) return MX_BAD;
  struct options o = {.n = x->ndim - 2, .groups = or_one(opts.groups), .flip = true};
  for (int i = 0; i < MX_CONV_AXES; i++) {
    int64_t reach, dilation = or_one(opts.dilation[i]), taps = i < o.n ? w->dims[i + 1] : 1;
    o.stride[i] = 1;
    o.kernel_dilation[i] = dilation;
    o.input_dilation[i] = or_one(opts.stride[i]);
    if (!mxi_mul(taps - 1, dilation, &reach) || __builtin_sub_overflow(reach, opts.padding[i], &o.low[i]) ||
        !mxi_add(o.low[i], opts.output_padding[i], &o.high[i]))
      return mxi_bad(MX_INVALID_ARGUMENT, "[conv_transpose] expected sizes below 2^63, got shapes %s and %s",
                     MXI_SHAPE_TEXT(x), MXI_SHAPE_TEXT(w));
  }
  return convolution(x, w, &o);
}

/* The shorter vector is the weight. */
static mx_array convolve(mx_array a, mx_array v, mx_convolve_mode mode) {
  if (a->size < v->size) {
    mx_array longer = v;
    v = a;
    a = longer;
  }
  int64_t reach = v->size - 1;
  struct options o = {.n = 1, .groups = 1, .flip = true};
  for (int i = 0; i < MX_CONV_AXES; i++) o.stride[i] = o.kernel_dilation[i] = o.input_dilation[i] = 1;
  if (mode == MX_CONVOLVE_FULL)
    o.low[0] = o.high[0] = reach;
  else if (mode == MX_CONVOLVE_SAME)
    o.low[0] = reach - reach / 2, o.high[0] = reach / 2;
  mx_array x = mx_reshape(a, MX_SHAPE(1, a->size, 1)), w = mx_reshape(v, MX_SHAPE(1, v->size, 1));
  return mx_reshape(convolution(x, w, &o), MX_SHAPE(-1));
}

mx_array mx_convolve(mx_array a, mx_array v, mx_convolve_mode mode) {
  if (!mxi_usable2("convolve", a, v)) return MX_BAD;
  if (a->ndim != 1 || v->ndim != 1 || a->size == 0 || v->size == 0)
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[convolve] expected two vectors of at least one element, got shapes "
                   "%s and %s",
                   MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(v));
  if ((unsigned)mode > MX_CONVOLVE_VALID)
    return mxi_bad(MX_INVALID_ARGUMENT, "[convolve] expected mode full, same or valid, got %d", (int)mode);
  return MXI_COMPOSED(convolve(a, v, mode));
}

/* ---- Derivatives ---- Along an axis, with s the stride, d and e the dilations of kernel and input, p the
   low padding: y[m] = sum_k x'[m s + k d - p] w[k], where x'[l e] = x[l] and x' is 0 elsewhere. ---- */

/* (O, K..., C / G) -> (C, K..., O / G): each group's outputs and channels exchanged. */
static mx_array exchange_channels(mx_array w, int64_t groups) {
  int64_t shape[3 + MX_CONV_AXES], order[3 + MX_CONV_AXES], result[2 + MX_CONV_AXES];
  int n = w->ndim - 2;
  shape[0] = groups, shape[1] = w->dims[0] / groups;
  order[0] = 0, order[1] = n + 2, order[n + 2] = 1;
  for (int i = 0; i < n; i++) {
    shape[i + 2] = result[i + 1] = w->dims[i + 1];
    order[i + 2] = i + 2;
  }
  shape[n + 2] = w->dims[n + 1];
  result[0] = groups * shape[n + 2], result[n + 1] = shape[1];
  mx_array split = mx_reshape(w, (mx_ints){shape, n + 3});
  return mx_reshape(mx_transpose(split, (mx_ints){order, n + 3}), (mx_ints){result, n + 2});
}

/* gx[l] = sum_k g[m] w[k] over m s = l e + p - k d. With the taps in reverse, k' = K - 1 - k, that is m s =
   l e + k' d - ((K - 1) d - p): a convolution of g dilated by s, of stride e, with the weight flipped. */
static mx_array conv_input_gradient(mx_array g, mx_array x, mx_array w, const struct options *o) {
  struct options b = {.n = o->n, .groups = o->groups, .flip = !o->flip};
  if (x->size == 0 || g->size == 0) return mxi_zeros_like(x);
  for (int i = 0; i < MX_CONV_AXES; i++) {
    b.stride[i] = b.input_dilation[i] = b.kernel_dilation[i] = 1;
    if (i >= o->n) continue;
    int64_t reach = (w->dims[i + 1] - 1) * o->kernel_dilation[i];
    b.stride[i] = o->input_dilation[i];
    b.input_dilation[i] = o->stride[i];
    b.kernel_dilation[i] = o->kernel_dilation[i];
    b.low[i] = reach - o->low[i];
    b.high[i] = (x->dims[i + 1] - 1) * b.stride[i] - ((g->dims[i + 1] - 1) * b.input_dilation[i] - o->low[i]);
  }
  return convolution(g, exchange_channels(w, o->groups), &b);
}

/* a (N, L..., C) -> (C / G, L..., G N): every group's channels as batches, its batches as channels. */
static mx_array exchange_batches(mx_array a, int64_t groups) {
  int64_t shape[3 + MX_CONV_AXES], order[3 + MX_CONV_AXES], result[2 + MX_CONV_AXES];
  int n = a->ndim - 2;
  mxi_copy_ints(shape, mxi_shape_of(a));
  shape[n + 1] = groups, shape[n + 2] = a->dims[n + 1] / groups;
  for (int i = 0; i < n + 3; i++) order[i] = i;
  order[0] = n + 2, order[n + 2] = 0;
  mxi_copy_ints(result, mxi_shape_of(a));
  result[0] = shape[n + 2], result[n + 1] = groups * a->dims[0];
  mx_array split = mx_reshape(a, (mx_ints){shape, n + 3});
  return mx_reshape(mx_transpose(split, (mx_ints){order, n + 3}), (mx_ints){result, n + 2});
}

/* gw[k] = sum_m x'[k d + m s - p] g[m]: a convolution of x of stride d, with g as the weight, dilated by s;
   batches take the part of the channels. */
static mx_array weight_gradient(mx_array g, mx_array x, mx_array w, const struct options *o) {
  struct options b = {.n = o->n, .groups = o->groups};
  int64_t spatial[MX_CONV_AXES];
  if (w->size == 0 || x->size == 0 || g->size == 0) return mxi_zeros_like(w);
  for (int i = 0; i < MX_CONV_AXES; i++) {
    b.stride[i] = b.input_dilation[i] = b.kernel_dilation[i] = 1;
    if (i >= o->n) continue;
    spatial[i] = i + 1;
    b.stride[i] = o->kernel_dilation[i];
    b.kernel_dilation[i] = o->stride[i];
    b.input_dilation[i] = o->input_dilation[i];
    b.low[i] = o->low[i];
    b.high[i] = (w->dims[i + 1] - 1) * b.stride[i] + (g->dims[i + 1] - 1) * b.kernel_dilation[i] -
                (x->dims[i + 1] - 1) * b.input_dilation[i] - b.low[i];
  }
  mx_array gw = convolution(exchange_batches(x, o->groups), mx_swapaxes(g, 0, -1), &b);
  gw = mx_swapaxes(gw, 0, -1);
  return o->flip ? mx_flip(gw, (mx_ints){spatial, o->n}) : gw;
}

/* One channel and one output a group, few taps: the same sums, tap by tap, over elementwise products. */
static bool is_depthwise(mx_array x, mx_array w, const struct options *o) {
  int64_t taps = 1, channels = x->dims[x->ndim - 1];
  for (int i = 0; i < o->n; i++) {
    if (o->input_dilation[i] != 1 || o->low[i] < 0 || w->dims[i + 1] > MOST_TAPS) return false;
    taps *= w->dims[i + 1];
  }
  return taps <= MOST_TAPS && o->groups == channels && w->dims[0] == channels && x->size && w->size;
}

/* The elements of the padded input that one tap meets, (N, M..., C). */
static mx_array under_tap(mx_array padded, mx_array g, const struct options *o, const int64_t *tap) {
  int64_t start[2 + MX_CONV_AXES] = {0}, stop[2 + MX_CONV_AXES], step[2 + MX_CONV_AXES];
  mxi_copy_ints(stop, mxi_shape_of(padded));
  mx_ints steps = mxi_fill_ints(step, g->ndim, 1);
  for (int i = 0; i < o->n; i++) {
    start[i + 1] = tap[i] * o->kernel_dilation[i];
    stop[i + 1] = start[i + 1] + (g->dims[i + 1] - 1) * o->stride[i] + 1;
    step[i + 1] = o->stride[i];
  }
  return mx_slice(padded, (mx_ints){start, g->ndim}, (mx_ints){stop, g->ndim}, steps);
}

/* In float32 for halves, so that the sums are rounded once. */
static mx_array depthwise_weight_gradient(mx_array g, mx_array x, mx_array w, const struct options *o) {
  int64_t low[2 + MX_CONV_AXES] = {0}, high[2 + MX_CONV_AXES] = {0}, axes[1 + MX_CONV_AXES];
  int64_t spatial[MX_CONV_AXES], shape[2 + MX_CONV_AXES], taps = 1;
  for (int i = 0; i <= o->n; i++) axes[i] = i;
  for (int i = 0; i < o->n; i++) {
    low[i + 1] = o->low[i], high[i + 1] = mxi_max(o->high[i], 0);
    spatial[i] = i + 1;
    taps *= w->dims[i + 1];
  }
  mx_dtype t = mxi_is_half(mxi_dtype(g)) ? MX_FLOAT32 : mxi_dtype(g);
  x = mx_astype(x, t), g = mx_astype(g, t);
  mx_array padded = mx_pad(x, (mx_ints){low, x->ndim}, (mx_ints){high, x->ndim}, MX_PAD_CONSTANT, NULL);
  mx_array sums[MOST_TAPS];
  for (int64_t t = 0; t < taps; t++) {
    int64_t tap[MX_CONV_AXES], rest = t;
    for (int i = o->n - 1; i >= 0; rest /= w->dims[i + 1], i--) tap[i] = rest % w->dims[i + 1];
    sums[t] = mx_sum(mx_multiply(under_tap(padded, g, o, tap), g), (mx_ints){axes, o->n + 1}, false);
  }
  mxi_copy_ints(shape, mxi_shape_of(w));
  mx_array gw = mx_reshape(mx_stack((int)taps, sums, 1), (mx_ints){shape, w->ndim});
  gw = mx_astype(gw, mxi_dtype(w));
  return o->flip ? mx_flip(gw, (mx_ints){spatial, o->n}) : gw;
}

MXI_VJP(CONVOLUTION) {
  struct options o = options_of(MXI_PARAMS(CONVOLUTION, n));
  mx_array x = n->inputs[0], w = n->inputs[1], g = cotangents[0];
  mxi_no_grads(n, grads);
  if (want[0]) grads[0] = MXI_COMPOSED(conv_input_gradient(g, x, w, &o));
  if (want[1] && is_depthwise(x, w, &o))
    grads[1] = MXI_COMPOSED(depthwise_weight_gradient(g, x, w, &o));
  else if (want[1])
    grads[1] = MXI_COMPOSED(weight_gradient(g, x, w, &o));
  return mxi_grads_done(n, grads);
}

static mx_array tangent(const mx_node *n, mx_array out, const mx_array *t) {
  struct options o = options_of(MXI_PARAMS(CONVOLUTION, n));
  mx_dtype type = mxi_dtype(out);
  mx_array from_x = t[0] ? apply_convolution(t[0], n->inputs[1], &o, type, mxi_shape_of(out)) : NULL;
  return mxi_add_tangents(from_x,
                          t[1] ? apply_convolution(n->inputs[0], t[1], &o, type, mxi_shape_of(out)) : NULL);
}
MXI_JVP(CONVOLUTION) {
  out[0] = tangents[0] || tangents[1] ? MXI_COMPOSED(tangent(n, outputs[0], tangents)) : NULL;
  return out[0] == MX_BAD ? -1 : 0;
}

/* ---- Batching ---- B weights are groups of channels: with an input (or the same input) of each, groups of
   their own; with one input for all, more outputs in each group. ---- */
/* a cut into the shape `split`, its axes in another order, and merged. */
static mx_array reordered(mx_array a, mx_ints split, mx_ints order, mx_ints merged) {
  return mx_reshape(mx_transpose(mx_reshape(a, split), order), merged);
}

/* x (B, N, L..., C) -> (N, L..., B C) */
static mx_array batch_in_channels(mx_array x) {
  int64_t shape[2 + MX_CONV_AXES];
  int n = x->ndim - 1;
  mxi_copy_ints(shape, (mx_ints){x->dims + 1, n});
  shape[n - 1] *= x->dims[0];
  return mx_reshape(mx_moveaxis(x, 0, n - 1), (mx_ints){shape, n});
}
/* (N, M..., G B O / G) -> (B, N, M..., O), with groups outermost, or (groups 1) the batch. */
static mx_array batch_from_channels(mx_array y, int64_t size, int64_t groups, int64_t outputs) {
  int64_t split[4 + MX_CONV_AXES], order[4 + MX_CONV_AXES], shape[3 + MX_CONV_AXES];
  if (!mx_ok(y)) return MX_BAD;
  int n = y->ndim - 1; /* axes before the channels, then G, B, O / G */
  mxi_copy_ints(split, (mx_ints){y->dims, n});
  split[n] = groups, split[n + 1] = size, split[n + 2] = outputs / groups;
  order[0] = n + 1, order[n + 1] = n, order[n + 2] = n + 2;
  for (int i = 0; i < n; i++) order[i + 1] = i;
  shape[0] = size, shape[n + 1] = outputs;
  mxi_copy_ints(shape + 1, (mx_ints){y->dims, n});
  return reordered(y, (mx_ints){split, n + 3}, (mx_ints){order, n + 3}, (mx_ints){shape, n + 2});
}
/* w (B, O, K..., C / G) -> (G B O / G, K..., C / G) */
static mx_array batch_in_outputs(mx_array w, int64_t groups) {
  int64_t split[4 + MX_CONV_AXES], order[4 + MX_CONV_AXES], shape[2 + MX_CONV_AXES];
  int n = w->ndim - 2; /* axes after the outputs */
  split[0] = w->dims[0], split[1] = groups, split[2] = w->dims[1] / groups;
  mxi_copy_ints(split + 3, (mx_ints){w->dims + 2, n});
  for (int i = 0; i < n + 3; i++) order[i] = i;
  order[0] = 1, order[1] = 0;
  shape[0] = w->dims[0] * w->dims[1];
  mxi_copy_ints(shape + 1, (mx_ints){w->dims + 2, n});
  return reordered(w, (mx_ints){split, n + 3}, (mx_ints){order, n + 3}, (mx_ints){shape, n + 1});
}

static mx_array convolution_batched(const mx_node *n, const struct mxi_batch *b) {
  struct options o = options_of(MXI_PARAMS(CONVOLUTION, n));
  mx_array x = b->in[0], w = b->in[1];
  int64_t outputs = n->inputs[1]->dims[0], groups = o.groups;
  if (!b->batched[1]) { /* batches like any other */
    mx_array y = convolution(mx_flatten(x, 0, 1), w, &o);
    return mx_unflatten(y, 0, MX_SHAPE(b->size, n->inputs[0]->dims[0]));
  }
  if (!b->batched[0])
    return batch_from_channels(convolution(x, batch_in_outputs(w, groups), &o), b->size, groups, outputs);
  o.groups *= b->size;
  mx_array y = convolution(batch_in_channels(x), mx_flatten(w, 0, 1), &o);
  return batch_from_channels(y, b->size, 1, outputs);
}
MXI_VMAP(CONVOLUTION) { return mxi_batch_done(b, MXI_COMPOSED(convolution_batched(n, b))); }
