/* The gated delta rule (Yang et al., "Gated delta networks", 2024). A state S (Dv, Dk) for each head forgets
   by gamma and is corrected towards v at the key k: S' = gamma S_{t-1},  d = beta (v - S' k),  S_t = S' + d
   k^T,  y = S_t q = S' q + d (k . q). Step by step, of ordinary ops: one product of S with the two columns
   gamma k and gamma q, one update of S. */
#include "mlx/fast.h"
#include "base/alloc.h"
#include "ops/common.h"

static const char op[] = "gated_delta_update";

/* The arrays of all steps in the dtype of the sums, the step first; heads are those of v. */
struct steps {
  mx_array columns;     /* (T, B, Hv, Dk, 2): gamma k and gamma q */
  mx_array k;           /* (T, B, Hv, 1, Dk) */
  mx_array k_dot_q;     /* (T, B, Hv, 1) */
  mx_array v;           /* (T, B, Hv, Dv) */
  mx_array gamma, beta; /* (T, B, Hv, 1, 1 or Dk), (T, B, Hv, 1) */
  mx_array mask;        /* (T, B, 1, 1), or NULL */
  int64_t count;
};

static int check(mx_array q, mx_array k, mx_array v, mx_array gamma, mx_array beta) {
  bool ranks = q->ndim == 4 && k->ndim == 4 && v->ndim == 4;
  int64_t b = ranks ? v->dims[0] : 0, t = ranks ? v->dims[1] : 0, h = ranks ? v->dims[2] : 0;
  if (!ranks || !mxi_ints_equal(mxi_shape_of(q), mxi_shape_of(k)) || k->dims[0] != b || k->dims[1] != t ||
      (k->dims[2] ? h % k->dims[2] : h))
    return mxi_fail(
        MX_INVALID_ARGUMENT,
        "[%s] expected q and k (B, T, Hk, Dk) and v (B, T, Hv, Dv), Hv a multiple of Hk, got %s, %s and %s",
        op, MXI_SHAPE_TEXT(q), MXI_SHAPE_TEXT(k), MXI_SHAPE_TEXT(v));
  if (!mxi_ints_equal(mxi_shape_of(gamma), MX_SHAPE(b, t, h)) &&
      !mxi_ints_equal(mxi_shape_of(gamma), MX_SHAPE(b, t, h, k->dims[3])))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected gamma (B, T, Hv) or (B, T, Hv, Dk) for v %s, got %s",
                    op, MXI_SHAPE_TEXT(v), MXI_SHAPE_TEXT(gamma));
  if (!mxi_ints_equal(mxi_shape_of(beta), MX_SHAPE(b, t, h)))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected beta (B, T, Hv) for v %s, got %s", op,
                    MXI_SHAPE_TEXT(v), MXI_SHAPE_TEXT(beta));
  return 0;
}

static int check_states_and_mask(mx_array k, mx_array v, mx_array state, mx_array mask) {
  mx_ints states = MX_SHAPE(v->dims[0], v->dims[2], v->dims[3], k->dims[3]);
  if (state && !mxi_ints_equal(mxi_shape_of(state), states))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a state (B, Hv, Dv, Dk) = %s, got shape %s", op,
                    mxi_shape_text(states).s, MXI_SHAPE_TEXT(state));
  if (mask &&
      (mxi_dtype(mask) != MX_BOOL || !mxi_ints_equal(mxi_shape_of(mask), MX_SHAPE(v->dims[0], v->dims[1]))))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a bool mask (B, T) for v %s, got %s of shape %s", op,
                    MXI_SHAPE_TEXT(v), mx_dtype_name(mxi_dtype(mask)), MXI_SHAPE_TEXT(mask));
  return 0;
}

/* (B, T, ...) as (T, B, ...) of the dtype t. */
static mx_array step_first(mx_array a, mx_dtype t) { return mx_swapaxes(mx_astype(a, t), 0, 1); }

/* (T, B, Hk, ...) as (T, B, Hv, ...): each key head serves Hv / Hk heads in a row. */
static mx_array repeat_heads(mx_array a, int64_t repeats) {
  return repeats == 1 ? a : mx_repeat(a, repeats, 2);
}

static struct steps prepare(mx_array q, mx_array k, mx_array v, mx_array gamma, mx_array beta, mx_array mask,
                            mx_dtype t) {
  int64_t repeats = k->dims[2] ? v->dims[2] / k->dims[2] : 1;
  mx_array keys = step_first(k, t), queries = step_first(q, t), g = step_first(gamma, t);
  mx_array dot = mx_sum(mx_multiply(keys, queries), MX_AXES(-1), true);
  if (gamma->ndim == 3) g = mx_expand_dims(g, MX_AXES(-1));
  keys = repeat_heads(keys, repeats), queries = repeat_heads(queries, repeats);
  mx_array pair[] = {mx_multiply(keys, g), mx_multiply(queries, g)};
  return (struct steps){
      .columns = mx_stack(2, pair, -1),
      .k = mx_expand_dims(keys, MX_AXES(-2)),
      .k_dot_q = repeat_heads(dot, repeats),
      .v = step_first(v, t),
      .gamma = mx_expand_dims(g, MX_AXES(-2)),
      .beta = mx_expand_dims(step_first(beta, t), MX_AXES(-1)),
      .mask = mask ? mx_expand_dims(mx_swapaxes(mask, 0, 1), MX_AXES(-2, -1)) : NULL,
      .count = v->dims[1],
  };
}

/* The part of one step. */
static mx_array at(mx_array a, int64_t step) {
  if (!mx_ok(a)) return MX_BAD;
  int64_t start[MX_MAX_NDIM] = {step}, stop[MX_MAX_NDIM] = {step + 1}, strides[MX_MAX_NDIM] = {1};
  for (int i = 1; i < a->ndim; i++) stop[i] = a->dims[i], strides[i] = 1;
  mx_array part =
      mx_slice(a, (mx_ints){start, a->ndim}, (mx_ints){stop, a->ndim}, (mx_ints){strides, a->ndim});
  return mx_squeeze(part, MX_AXES(0));
}

/* The output of a step (B, Hv, Dv); *state (B, Hv, Dv, Dk) becomes the next. */
static mx_array advance(const struct steps *s, int64_t step, mx_array *state) {
  mx_array columns[2] = {MX_BAD, MX_BAD};
  mx_array product = mx_matmul(*state, at(s->columns, step)); /* (B, Hv, Dv, 2) */
  if (!mx_ok(product) || mx_unstack(product, -1, columns) < 0) return MX_BAD;
  mx_array d = mx_multiply(at(s->beta, step), mx_subtract(at(s->v, step), columns[0]));
  mx_array y = mx_add(columns[1], mx_multiply(d, at(s->k_dot_q, step)));
  mx_array next = mx_add(mx_multiply(*state, at(s->gamma, step)),
                         mx_multiply(mx_expand_dims(d, MX_AXES(-1)), at(s->k, step)));
  if (s->mask) {
    mx_array seen = at(s->mask, step); /* (B, 1, 1) */
    y = mx_where(seen, y, mx_like(y, 0));
    next = mx_where(mx_expand_dims(seen, MX_AXES(-1)), next, *state);
  }
  *state = next;
  return y;
}

static int update(const struct steps *s, mx_array v, mx_dtype t, mx_array *state, mx_array *out) {
  mx_array *rows = mxi_malloc((size_t)(s->count + 1) * sizeof *rows);
  if (!rows) return -1;
  for (int64_t i = 0; i < s->count; i++) rows[i] = advance(s, i, state);
  *out = s->count ? mx_astype(mx_stack((int)s->count, rows, 1), t) : mx_astype(v, t);
  mxi_free(rows);
  return mx_ok(*out) && mx_ok(*state) ? 0 : -1;
}

int mx_fast_gated_delta_update(mx_array q, mx_array k, mx_array v, mx_array gamma, mx_array beta,
                               mx_array state, mx_array mask, mx_array *out) {
  if (!mxi_has_place(op, out)) return -1;
  out[0] = out[1] = MX_BAD;
  mx_array in[] = {q, k, v, gamma, beta};
  if (!mxi_usable(op, 5, in) || state == MX_BAD || mask == MX_BAD) return -1;
  mx_dtype t = mx_promote_types(mxi_dtype(q), mx_promote_types(mxi_dtype(k), mxi_dtype(v)));
  for (int i = 0; i < 5; i++)
    if (!mxi_is_float(mxi_dtype(in[i])))
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected real floating point dtypes, got %s", op,
                      mx_dtype_name(mxi_dtype(in[i])));
  if (check(q, k, v, gamma, beta) < 0 || check_states_and_mask(k, v, state, mask) < 0) return -1;
  if (v->dims[1] > INT32_MAX - 1)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected fewer than 2^31 steps, got %lld", op,
                    (long long)v->dims[1]);
  mx_dtype wide = t == MX_FLOAT64 ? MX_FLOAT64 : MX_FLOAT32;
  mx_scope scope = mx_scope_open();
  struct steps s = prepare(q, k, v, gamma, beta, mask, wide);
  mx_array last = state ? mx_astype(state, wide)
                        : mx_zeros(MX_SHAPE(v->dims[0], v->dims[2], v->dims[3], k->dims[3]), wide);
  int status = update(&s, v, t, &last, &out[0]);
  out[0] = status < 0 ? MX_BAD : mx_pass(out[0]);
  out[1] = status < 0 ? MX_BAD : mx_pass(last);
  mx_scope_close(&scope);
  return status;
}
