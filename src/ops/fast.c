/* The layers of language models: norms, rotary position embedding, attention. One node each; their
   derivatives are ordinary ops, computed in float32 for half types. */
#include "mlx/fast.h"
#include "ops/common.h"
#include "ops/rules.h"
#include <float.h>

static mx_dtype computed_dtype(mx_dtype t) { return mxi_is_half(t) ? MX_FLOAT32 : t; }
static mx_array widened(mx_array a) { return mx_ok(a) ? mx_astype(a, computed_dtype(mxi_dtype(a))) : a; }

/* ---- Norms ---- */
/* weight and bias are NULL or of the size of the last axis; the common dtype, or -1. */
static int norm_dtype(const char *op, mx_array x, mx_array weight, mx_array bias) {
  if (!mxi_usable1(op, x) || weight == MX_BAD || bias == MX_BAD) return -1;
  if (x->ndim == 0)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at least 1 dimension, got shape ()", op);
  mx_dtype t = mxi_dtype(x);
  mx_array optional[] = {weight, bias};
  for (int i = 0; i < 2; i++) {
    mx_array v = optional[i];
    if (!v) continue;
    if (v->ndim != 1 || v->size != mx_dim(x, -1))
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a %s of shape (%lld), got %s", op,
                      i ? "bias" : "weight", (long long)mx_dim(x, -1), MXI_SHAPE_TEXT(v));
    t = mx_promote_types(t, mxi_dtype(v));
  }
  if (!mxi_is_float(t))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a real floating point dtype, got %s", op,
                    mx_dtype_name(t));
  return (int)t;
}

static mx_array rms_norm(mx_array x, mx_array weight, double eps, mx_dtype t) {
  mx_array in[] = {mx_astype(x, t), weight ? mx_astype(weight, t) : NULL};
  struct mxi_p_RMS_NORM p = {.eps = eps};
  return mxi_apply(MXI_RMS_NORM, &p, weight ? 2 : 1, in, t, mxi_shape_of(x));
}
mx_array mx_fast_rms_norm(mx_array x, mx_array weight, double eps) {
  int t = norm_dtype("rms_norm", x, weight, NULL);
  return t < 0 ? MX_BAD : MXI_COMPOSED(rms_norm(x, weight, eps, (mx_dtype)t));
}

static mx_array layer_norm(mx_array x, mx_array weight, mx_array bias, double eps, mx_dtype t) {
  mx_array in[3] = {mx_astype(x, t)};
  int n = 1;
  if (weight) in[n++] = mx_astype(weight, t);
  if (bias) in[n++] = mx_astype(bias, t);
  struct mxi_p_LAYER_NORM p = {.eps = eps, .has_weight = weight != NULL, .has_bias = bias != NULL};
  return mxi_apply(MXI_LAYER_NORM, &p, n, in, t, mxi_shape_of(x));
}
mx_array mx_fast_layer_norm(mx_array x, mx_array weight, mx_array bias, double eps) {
  int t = norm_dtype("layer_norm", x, weight, bias);
  return t < 0 ? MX_BAD : MXI_COMPOSED(layer_norm(x, weight, bias, eps, (mx_dtype)t));
}

static mx_array row_mean(mx_array a) { return mx_mean(a, MX_AXES(-1), true); }

/* y = u w + b, where u = r (x - mean) (layer) or r x (rms) and r = 1 / sqrt(mean square + eps). With v = g w,
     dx = r (v - u mean(v u) [- mean(v) for layer]),  dw = sum of g u,  db = sum of g. */
static int norm_gradients(const mx_node *n, mx_array g, double eps, bool centred, int weight_at, int bias_at,
                          const bool *want, mx_array *grads) {
  mx_array input = n->inputs[0], x = widened(input), wide_g = widened(g);
  if (centred) x = mx_subtract(x, row_mean(x));
  mx_array r = mx_rsqrt(mx_add(row_mean(mx_square(x)), mx_like(x, eps))), u = mx_multiply(x, r);
  mxi_no_grads(n, grads);
  if (want[0]) {
    mx_array v = weight_at ? mx_multiply(wide_g, widened(n->inputs[weight_at])) : wide_g;
    mx_array rest = mx_subtract(v, mx_multiply(u, row_mean(mx_multiply(v, u))));
    if (centred) rest = mx_subtract(rest, row_mean(v));
    grads[0] = mx_astype(mx_multiply(r, rest), mxi_dtype(input));
  }
  if (weight_at && want[weight_at])
    grads[weight_at] = mxi_unbroadcast(mx_multiply(wide_g, u), n->inputs[weight_at]);
  if (bias_at && want[bias_at]) grads[bias_at] = mxi_unbroadcast(wide_g, n->inputs[bias_at]);
  return mxi_grads_done(n, grads);
}

MXI_VJP(RMS_NORM) {
  return norm_gradients(n, cotangents[0], MXI_PARAMS(RMS_NORM, n)->eps, false, n->ninputs - 1, 0, want,
                        grads);
}
MXI_VJP(LAYER_NORM) {
  const struct mxi_p_LAYER_NORM *p = MXI_PARAMS(LAYER_NORM, n);
  int weight_at = p->has_weight ? 1 : 0, bias_at = p->has_bias ? n->ninputs - 1 : 0;
  return norm_gradients(n, cotangents[0], p->eps, true, weight_at, bias_at, want, grads);
}

/* A weight or bias for each element of the batch: the norm without it, then the plain ops, rounded once. */
static mx_array scaled_norm(const mx_node *n, const struct mxi_batch *b, mx_array norm, int weight_at,
                            int bias_at) {
  int ndim = n->inputs[0]->ndim;
  if (weight_at) norm = mx_multiply(norm, widened(mxi_batch_aligned(b, weight_at, ndim)));
  if (bias_at) norm = mx_add(norm, widened(mxi_batch_aligned(b, bias_at, ndim)));
  return mx_astype(norm, b->outputs[0].dtype);
}
static int norm_batched(const mx_node *n, struct mxi_batch *b, int weight_at, int bias_at, mx_array norm) {
  int64_t shape[MXI_BATCH_NDIM];
  mx_array y = MXI_COMPOSED(scaled_norm(n, b, norm, weight_at, bias_at));
  return mxi_batch_done(b, mx_broadcast_to(y, mxi_batch_shape(b, b->outputs[0].shape, shape)));
}
MXI_VMAP(RMS_NORM) {
  const struct mxi_p_RMS_NORM *p = MXI_PARAMS(RMS_NORM, n);
  if (n->ninputs == 1 || !b->batched[1]) return mxi_batch_apply(n, b, p, b->in);
  return norm_batched(n, b, 1, 0, mx_fast_rms_norm(widened(b->in[0]), NULL, p->eps));
}
MXI_VMAP(LAYER_NORM) {
  const struct mxi_p_LAYER_NORM *p = MXI_PARAMS(LAYER_NORM, n);
  bool parameters = false;
  for (int i = 1; i < n->ninputs; i++) parameters |= b->batched[i];
  if (!parameters) return mxi_batch_apply(n, b, p, b->in);
  mx_array norm = mx_fast_layer_norm(widened(b->in[0]), NULL, NULL, p->eps);
  return norm_batched(n, b, p->has_weight ? 1 : 0, p->has_bias ? n->ninputs - 1 : 0, norm);
}

/* ---- Rotary position embedding ---- */
static int check_rope(mx_array x, const mx_rope_opts *o, mx_array offset, mx_array freqs) {
  mx_array in[] = {x, offset};
  if (!mxi_usable("rope", 2, in) || freqs == MX_BAD) return -1;
  if (x->ndim < 3)
    return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected at least 3 dimensions, got shape %s",
                    MXI_SHAPE_TEXT(x));
  if (!mxi_is_float(mxi_dtype(x)))
    return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected a real floating point dtype, got %s",
                    mx_dtype_name(mxi_dtype(x)));
  if (o->dims <= 0 || o->dims % 2 || o->dims > mx_dim(x, -1))
    return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected dims even, positive and at most %lld, got %d",
                    (long long)mx_dim(x, -1), o->dims);
  if (!mxi_is_integer(mxi_dtype(offset)))
    return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected an integer offset, got %s",
                    mx_dtype_name(mxi_dtype(offset)));
  if (offset->ndim > 1 || (offset->size != 1 && offset->size != x->dims[0]))
    return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected a scalar offset or one of shape (%lld), got %s",
                    (long long)x->dims[0], MXI_SHAPE_TEXT(offset));
  if (freqs && o->base != 0) return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected base or freqs, got both");
  if (!freqs && o->base == 0)
    return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected base or freqs, got neither");
  if (freqs && (freqs->ndim != 1 || freqs->size != o->dims / 2))
    return mxi_fail(MX_INVALID_ARGUMENT, "[rope] expected freqs of shape (%d), got %s", o->dims / 2,
                    MXI_SHAPE_TEXT(freqs));
  return 0;
}

static mx_array rope(mx_array x, mx_rope_opts o, mx_array offset, mx_array freqs) {
  mx_array in[] = {x, offset, freqs ? mx_astype(freqs, MX_FLOAT32) : NULL};
  struct mxi_p_ROPE p = {.dims = o.dims, .traditional = o.traditional, .base = o.base, .scale = o.scale};
  return mxi_apply(MXI_ROPE, &p, freqs ? 3 : 2, in, mxi_dtype(x), mxi_shape_of(x));
}
mx_array mx_fast_rope(mx_array x, mx_rope_opts opts, mx_array offset, mx_array freqs) {
  return check_rope(x, &opts, offset, freqs) < 0 ? MX_BAD : MXI_COMPOSED(rope(x, opts, offset, freqs));
}

MXI_BUILD(ROPE) {
  const struct mxi_p_ROPE *p = MXI_BUILD_PARAMS(ROPE, b);
  mx_rope_opts o = {.traditional = p->traditional != 0, .base = p->base, .scale = p->scale};
  bool freqs = b->ninputs == 3;
  if (!mxi_build_takes(b, 2 + freqs, 1) || !mxi_build_int(b, p->dims, &o.dims) ||
      check_rope(b->in[0], &o, b->in[1], freqs ? b->in[2] : NULL) < 0)
    return -1;
  mx_array in[] = {b->in[0], b->in[1], freqs ? mx_astype(b->in[2], MX_FLOAT32) : NULL};
  return mxi_build_done(b, mxi_apply(MXI_ROPE, p, b->ninputs, in, mxi_dtype(in[0]), mxi_shape_of(in[0])));
}

/* The same rotation of v, or its inverse: a rotation's transpose. */
static mx_array rotated(const mx_node *n, mx_array v, bool inverse) {
  struct mxi_p_ROPE p = *MXI_PARAMS(ROPE, n);
  p.inverse = (p.inverse != 0) != inverse;
  mx_array in[3] = {v};
  for (int i = 1; i < n->ninputs; i++) in[i] = n->inputs[i];
  return mxi_apply(MXI_ROPE, &p, n->ninputs, in, mxi_dtype(v), mxi_shape_of(v));
}

/* The features of v (..., T, D) that turn, as the first and the second of each pair, (..., T, pairs), and the
   others. Not in half precision. */
struct pairs {
  mx_array of[2], rest;
};
static int pairs_of(const struct mxi_p_ROPE *p, mx_array v, struct pairs *f) {
  mx_array parts[2];
  v = widened(v);
  if (!mx_ok(v) || mx_split_at(v, MX_SHAPE(p->dims), -1, parts) < 0) return -1;
  f->rest = parts[1];
  mx_array pairs =
      mx_unflatten(parts[0], -1, p->traditional ? MX_SHAPE(p->dims / 2, 2) : MX_SHAPE(2, p->dims / 2));
  return mx_ok(pairs) ? mx_unstack(pairs, p->traditional ? -1 : -2, f->of) : -1;
}
static mx_array from_pairs(const struct mxi_p_ROPE *p, struct pairs f, mx_dtype t) {
  mx_array turned = mx_flatten(mx_stack(2, f.of, p->traditional ? -1 : -2), -2, -1);
  return mx_astype(mx_concatenate(2, (mx_array[]){turned, f.rest}, -1), t);
}

/* offset + t for offsets that lie in `shape`, over T positions: (..., T, 1) in float64. */
static mx_array rope_positions(mx_array offset, mx_ints shape, int64_t t) {
  mx_array steps = mx_reshape(mx_arange(0, (double)t, 1, MX_FLOAT64), MX_SHAPE(t, 1));
  return mx_add(mx_reshape(mx_astype(offset, MX_FLOAT64), shape), steps);
}
static double angle_factor(const struct mxi_p_ROPE *p) { return p->inverse ? -p->scale : p->scale; }

/* The angle of a pair is factor * position / freq: its derivative, (B or 1, 1..., T, pairs). A pair (y0, y1)
   turns towards (-y1, y0). */
static mx_array angle_slope(const mx_node *n) {
  int64_t shape[MX_MAX_NDIM];
  mx_array x = n->inputs[0], offset = n->inputs[1];
  mx_ints at = mxi_fill_ints(shape, x->ndim, 1);
  shape[0] = offset->size;
  mx_array per_freq = mx_divide(mx_scalar(-angle_factor(MXI_PARAMS(ROPE, n)), MX_FLOAT64),
                                mx_square(mx_astype(n->inputs[2], MX_FLOAT64)));
  return mx_astype(mx_multiply(rope_positions(offset, at, mx_dim(x, -2)), per_freq),
                   computed_dtype(mxi_dtype(x)));
}
static mx_array frequency_gradient(const mx_node *n, mx_array out, mx_array g) {
  struct pairs y, c;
  if (pairs_of(MXI_PARAMS(ROPE, n), out, &y) < 0 || pairs_of(MXI_PARAMS(ROPE, n), g, &c) < 0) return MX_BAD;
  mx_array turn = mx_subtract(mx_multiply(c.of[1], y.of[0]), mx_multiply(c.of[0], y.of[1]));
  return mxi_unbroadcast(mx_multiply(turn, angle_slope(n)), n->inputs[2]);
}
static mx_array frequency_tangent(const mx_node *n, mx_array out, mx_array t) {
  const struct mxi_p_ROPE *p = MXI_PARAMS(ROPE, n);
  struct pairs y;
  if (pairs_of(p, out, &y) < 0) return MX_BAD;
  mx_array turn = mx_multiply(angle_slope(n), t);
  struct pairs tangent = {{mx_negative(mx_multiply(y.of[1], turn)), mx_multiply(y.of[0], turn)},
                          mx_zeros_like(y.rest)};
  return from_pairs(p, tangent, mxi_dtype(out));
}
MXI_VJP(ROPE) {
  mxi_no_grads(n, grads);
  if (want[0]) grads[0] = rotated(n, cotangents[0], true);
  if (n->ninputs > 2 && want[2]) grads[2] = MXI_COMPOSED(frequency_gradient(n, outputs[0], cotangents[0]));
  return mxi_grads_done(n, grads);
}
MXI_JVP(ROPE) {
  mx_array of_x = tangents[0] ? rotated(n, tangents[0], false) : NULL;
  bool frequencies = n->ninputs > 2 && tangents[2];
  out[0] = mxi_add_tangents(of_x,
                            frequencies ? MXI_COMPOSED(frequency_tangent(n, outputs[0], tangents[2])) : NULL);
  return out[0] == MX_BAD ? -1 : 0;
}

/* The rotation in plain ops, for frequencies of each element's own: positions (B, B0 or 1, 1..., T, 1) over
   frequencies (B, 1, ..., 1, pairs). */
static mx_array plain_rope(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_ROPE *p = MXI_PARAMS(ROPE, n);
  int ndim = n->inputs[0]->ndim;
  int64_t shape[MXI_BATCH_NDIM];
  mx_dtype t = computed_dtype(mxi_dtype(n->inputs[0]));
  mx_ints at = mxi_fill_ints(shape, ndim + 1, 1);
  shape[0] = b->batched[1] ? b->size : 1;
  shape[1] = n->inputs[1]->size;
  mx_array position = rope_positions(b->in[1], at, mx_dim(n->inputs[0], -2));
  mx_array freqs = mx_astype(mxi_batch_aligned(b, 2, ndim), MX_FLOAT64);
  mx_array angle = mx_multiply(position, mx_divide(mx_scalar(angle_factor(p), MX_FLOAT64), freqs));
  mx_array c = mx_astype(mx_cos(angle), t), s = mx_astype(mx_sin(angle), t);
  struct pairs x;
  if (pairs_of(p, mxi_batch_repeated(b, 0), &x) < 0) return MX_BAD;
  struct pairs y = {{mx_subtract(mx_multiply(x.of[0], c), mx_multiply(x.of[1], s)),
                     mx_add(mx_multiply(x.of[1], c), mx_multiply(x.of[0], s))},
                    x.rest};
  return from_pairs(p, y, b->outputs[0].dtype);
}

/* Offsets of batch rows: the batch and the rows (B0) become one axis, unless one offset serves all B0. */
static mx_array rope_batched(const mx_node *n, const struct mxi_batch *b) {
  mx_array in[3] = {mxi_batch_repeated(b, 0), b->in[1], n->ninputs > 2 ? b->in[2] : NULL};
  int64_t rows = n->inputs[0]->dims[0], offsets = n->inputs[1]->size;
  bool merged = offsets > 1;
  if (!mx_ok(in[0])) return MX_BAD;
  if (merged) {
    mx_ints each = MX_SHAPE(b->batched[1] ? b->size : 1, offsets), all = MX_SHAPE(b->size, rows);
    in[0] = mx_flatten(in[0], 0, 1);
    in[1] = mx_flatten(mx_broadcast_to(mx_reshape(in[1], each), all), 0, 1);
  } else if (b->batched[1])
    in[1] = mx_reshape(in[1], MX_SHAPE(b->size));
  if (!mx_ok(in[0]) || !mx_ok(in[1])) return MX_BAD;
  mx_array y =
      mxi_apply(MXI_ROPE, MXI_PARAMS(ROPE, n), n->ninputs, in, mxi_dtype(in[0]), mxi_shape_of(in[0]));
  return merged ? mx_unflatten(y, 0, MX_SHAPE(b->size, rows)) : y;
}
MXI_VMAP(ROPE) {
  bool own_frequencies = n->ninputs > 2 && b->batched[2];
  return mxi_batch_done(b,
                        own_frequencies ? MXI_COMPOSED(plain_rope(n, b)) : MXI_COMPOSED(rope_batched(n, b)));
}

/* ---- Attention ---- */
static const char attention[] = "scaled_dot_product_attention";

static int check_heads(mx_array q, mx_array k, mx_array v) {
  mx_array in[] = {q, k, v};
  for (int i = 0; i < 3; i++)
    if (in[i]->ndim != 4)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected 4 dimensions, got shape %s", attention,
                      MXI_SHAPE_TEXT(in[i]));
  const int64_t *dq = q->dims, *dk = k->dims, *dv = v->dims;
  bool match = dq[0] == dk[0] && dq[0] == dv[0] && dk[1] == dv[1] && dk[2] == dv[2] && dq[3] == dk[3];
  if (!match || (dk[1] ? dq[1] % dk[1] : dq[1]))
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected q (B, H, Tq, D), k (B, Hkv, Tk, D), v (B, Hkv, Tk, Dv), H a multiple of "
                    "Hkv, got %s, %s and %s",
                    attention, MXI_SHAPE_TEXT(q), MXI_SHAPE_TEXT(k), MXI_SHAPE_TEXT(v));
  return 0;
}

static int check_mask(mx_array mask, mx_array q, mx_array k, mx_dtype t) {
  int64_t scores[] = {q->dims[0], q->dims[1], q->dims[2], k->dims[2]}, common[MX_MAX_NDIM];
  if (mx_promote_types(mxi_dtype(mask), t) != t)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a mask whose dtype promotes to %s, got %s", attention,
                    mx_dtype_name(t), mx_dtype_name(mxi_dtype(mask)));
  int ndim =
      mask->ndim > 4 ? 0 : mxi_broadcast_shape(attention, mxi_shape_of(mask), (mx_ints){scores, 4}, common);
  if (ndim < 0) return -1;
  if (!mxi_ints_equal((mx_ints){common, ndim}, (mx_ints){scores, 4}))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a mask that broadcasts to %s, got shape %s",
                    attention, mxi_shape_text((mx_ints){scores, 4}).s, MXI_SHAPE_TEXT(mask));
  return 0;
}

static mx_array attend(mx_array q, mx_array k, mx_array v, const struct mxi_p_SDPA *p, mx_array mask,
                       mx_array sinks, mx_dtype t) {
  mx_array in[5] = {mx_astype(q, t), mx_astype(k, t), mx_astype(v, t)};
  int n = 3;
  if (mask) { /* whole, as a view: the kernel reads it by its strides */
    mx_ints scores = MX_SHAPE(q->dims[0], q->dims[1], q->dims[2], k->dims[2]);
    in[n++] = mx_broadcast_to(mxi_dtype(mask) == MX_BOOL ? mask : mx_astype(mask, t), scores);
  }
  if (sinks) in[n++] = mx_astype(sinks, t);
  return mxi_apply(MXI_SDPA, p, n, in, t, MX_SHAPE(q->dims[0], q->dims[1], q->dims[2], v->dims[3]));
}

mx_array mx_fast_scaled_dot_product_attention(mx_array q, mx_array k, mx_array v, double scale, bool causal,
                                              mx_array mask, mx_array sinks) {
  mx_array in[] = {q, k, v};
  if (!mxi_usable(attention, 3, in) || mask == MX_BAD || sinks == MX_BAD || check_heads(q, k, v) < 0)
    return MX_BAD;
  mx_dtype t = mx_promote_types(mxi_dtype(q), mx_promote_types(mxi_dtype(k), mxi_dtype(v)));
  if (!mxi_is_float(t))
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected a real floating point dtype, got %s", attention,
                   mx_dtype_name(t));
  if (mask && check_mask(mask, q, k, t) < 0) return MX_BAD;
  if (sinks && (sinks->ndim != 1 || sinks->size != q->dims[1]))
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected sinks of shape (%lld), got %s", attention,
                   (long long)q->dims[1], MXI_SHAPE_TEXT(sinks));
  struct mxi_p_SDPA p = {
      .scale = scale, .causal = causal, .has_mask = mask != NULL, .has_sinks = sinks != NULL};
  return MXI_COMPOSED(attend(q, k, v, &p, mask, sinks, t));
}

/* ---- Attention's derivative ---- the plain form, heads in groups that share a key: q (B, G, R, Tq, D)
   against k and v (B, G, 1, Tk, D), H = G R. With s = scale q k^T + mask, p = softmax(s) (a sink is one more
   column), y = p v: dv = p^T g,  dp = g v^T,  ds = p (dp - rowsum(p dp)),  dq = scale ds k,  dk = scale ds^T
   q,  dmask = ds. */
struct grouped {
  mx_array q, k, v, g; /* grouped, widened */
  int64_t groups, repeats;
};
static mx_array grouped_heads(mx_array a, int64_t groups) {
  return mx_unflatten(widened(a), 1, MX_SHAPE(groups, groups ? a->dims[1] / groups : 0));
}
static mx_array transposed(mx_array a) { return mx_swapaxes(a, -1, -2); }

/* The mask (B, H, Tq, Tk) as (B, G, R, Tq, Tk). */
static mx_array grouped_mask(mx_array mask, const struct grouped *d) {
  return mx_unflatten(mask, 1, MX_SHAPE(d->groups, d->repeats));
}

/* v where a query may attend to a key, else `other`; v (B, G, R, Tq, Tk). */
static mx_array where_allowed(const mx_node *n, const struct grouped *d, mx_array v, double other) {
  const struct mxi_p_SDPA *p = MXI_PARAMS(SDPA, n);
  mx_array rest = mx_like(v, other);
  if (p->causal) {
    int64_t tq = mx_dim(d->q, -2), tk = mx_dim(d->k, -2);
    v = mx_where(mx_tri(tq, tk, tk - tq, MX_BOOL), v, rest);
  }
  if (p->has_mask && mxi_dtype(n->inputs[3]) == MX_BOOL) v = mx_where(grouped_mask(n->inputs[3], d), v, rest);
  return v;
}

/* Scores of pairs that may not attend become the lowest finite number, as in the kernel: a row without any
   key attends to all equally. */
static mx_array masked_scores(const mx_node *n, const struct grouped *d) {
  mx_array s = mx_multiply(mx_matmul(d->q, transposed(d->k)), mx_like(d->q, MXI_PARAMS(SDPA, n)->scale));
  s = where_allowed(n, d, s, -FLT_MAX);
  if (!MXI_PARAMS(SDPA, n)->has_mask || mxi_dtype(n->inputs[3]) == MX_BOOL) return s;
  return mx_add(s, widened(grouped_mask(n->inputs[3], d)));
}

/* One column more, the sink of each head; the sinks as (1, G, R, 1, 1). */
static mx_array with_sink(mx_array s, mx_array sinks, const struct grouped *d) {
  if (!mx_ok(s)) return MX_BAD;
  int64_t shape[] = {s->dims[0], s->dims[1], s->dims[2], s->dims[3], 1};
  mx_array column = mx_reshape(widened(sinks), MX_SHAPE(1, d->groups, d->repeats, 1, 1));
  return mx_concatenate(2, (mx_array[]){s, mx_broadcast_to(column, (mx_ints){shape, 5})}, -1);
}

static mx_array flat_heads(mx_array a, mx_array like) {
  return mx_astype(mx_flatten(a, 1, 2), mxi_dtype(like));
}
static mx_array key_gradient(mx_array a, mx_array like) {
  return mx_astype(mx_sum(a, MX_AXES(2), false), mxi_dtype(like));
}

static void attention_gradients(const mx_node *n, mx_array g, const bool *want, mx_array *grads) {
  const struct mxi_p_SDPA *params = MXI_PARAMS(SDPA, n);
  mx_array const *in = n->inputs;
  int sink_at = params->has_sinks ? n->ninputs - 1 : 0, mask_at = params->has_mask ? 3 : 0;
  int64_t groups = in[1]->dims[1], tk = in[1]->dims[2];
  struct grouped d = {grouped_heads(in[0], groups),
                      grouped_heads(in[1], groups),
                      grouped_heads(in[2], groups),
                      grouped_heads(g, groups),
                      groups,
                      groups ? in[0]->dims[1] / groups : 0};
  mx_array s = masked_scores(n, &d),
           all = mx_softmax(sink_at ? with_sink(s, in[sink_at], &d) : s, MX_AXES(-1), true), p = all;
  mx_array sink_part[2] = {NULL, NULL};
  if (sink_at && mx_split_at(all, MX_SHAPE(tk), -1, sink_part) == 0) p = sink_part[0];
  mx_array dp = mx_matmul(d.g, transposed(d.v)), row = mx_sum(mx_multiply(p, dp), MX_AXES(-1), true);
  mx_array ds = mx_multiply(p, mx_subtract(dp, row));
  mx_array scaled = mx_multiply(where_allowed(n, &d, ds, 0), mx_like(ds, params->scale));
  if (want[0]) grads[0] = flat_heads(mx_matmul(scaled, d.k), in[0]);
  if (want[1]) grads[1] = key_gradient(mx_matmul(transposed(scaled), d.q), in[1]);
  if (want[2]) grads[2] = key_gradient(mx_matmul(transposed(p), d.g), in[2]);
  if (mask_at && want[mask_at] && mxi_dtype(in[mask_at]) != MX_BOOL)
    grads[mask_at] = mxi_unbroadcast(mx_flatten(ds, 1, 2), in[mask_at]);
  if (sink_at && want[sink_at]) {
    mx_array dsink =
        mx_negative(mx_sum(mx_multiply(sink_part[1] ? sink_part[1] : MX_BAD, row), MX_AXES(0, 3, 4), false));
    grads[sink_at] = mx_astype(mx_flatten(dsink, 0, -1), mxi_dtype(in[sink_at]));
  }
}
MXI_VJP(SDPA) {
  mxi_no_grads(n, grads);
  attention_gradients(n, cotangents[0], want, grads);
  return mxi_grads_done(n, grads);
}

/* The batch merges with the node's own; with sinks of each element's own, with the heads. */
static mx_array attention_batched(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_SDPA *p = MXI_PARAMS(SDPA, n);
  int sink_at = p->has_sinks ? n->ninputs - 1 : -1;
  bool by_heads = p->has_sinks && b->batched[sink_at];
  mx_array in[5] = {NULL};
  for (int i = 0; i < n->ninputs; i++) {
    in[i] = i == sink_at && !by_heads ? b->in[i] : mxi_batch_repeated(b, i);
    if (i == sink_at)
      in[i] = mx_flatten(in[i], 0, -1);
    else
      in[i] = by_heads ? mx_flatten(mx_swapaxes(in[i], 0, 1), 1, 2) : mx_flatten(in[i], 0, 1);
  }
  mx_array y =
      mx_fast_scaled_dot_product_attention(in[0], in[1], in[2], p->scale, p->causal,
                                           p->has_mask ? in[3] : NULL, p->has_sinks ? in[sink_at] : NULL);
  if (!by_heads) return mx_unflatten(y, 0, MX_SHAPE(b->size, n->inputs[0]->dims[0]));
  return mx_swapaxes(mx_unflatten(y, 1, MX_SHAPE(b->size, n->inputs[0]->dims[1])), 0, 1);
}
MXI_VMAP(SDPA) { return mxi_batch_done(b, MXI_COMPOSED(attention_batched(n, b))); }
