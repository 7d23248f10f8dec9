/* What the builders of ops share: argument checks with worded errors, axes, broadcasting, casts. */
#ifndef MXI_OPS_COMMON_H
#define MXI_OPS_COMMON_H
#include "base/checked.h"
#include "base/error.h"
#include "core/node.h"
#include "core/thread.h"
#include "mlx/ops.h"
#include <string.h>

/* ---- Arguments ---- */
/* Are all usable? NULL sets MX_TYPE_ERROR; MX_BAD leaves the error as it is. */
bool mxi_usable(const char *op, int n, const mx_array *arrays);
static inline bool mxi_usable1(const char *op, mx_array a) { return mx_ok(a) || mxi_usable(op, 1, &a); }
static inline bool mxi_usable2(const char *op, mx_array a, mx_array b) {
  return (mx_ok(a) && mx_ok(b)) || mxi_usable(op, 2, (mx_array[]){a, b});
}
/* Is an argument that must be there (a text, a list, a place for results) there? Else MX_TYPE_ERROR. */
bool mxi_given(const char *op, const char *what, const void *argument);
static inline bool mxi_has_place(const char *op, const void *out) {
  return mxi_given(op, "a place for the results", out);
}
/* The same of a function's list of at most max_out results, which may be empty. */
static inline bool mxi_has_places(const char *op, int max_out, const mx_array *out) {
  if (max_out > 0) return mxi_has_place(op, out);
  if (max_out < 0)
    mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a number of results >= 0, got %d", op, max_out);
  return max_out == 0;
}
/* A list of integers has its elements. */
int mxi_check_list(const char *op, mx_ints list);
/* Sets the error and gives MX_BAD: `return mxi_bad(MX_INVALID_ARGUMENT, "[op] expected ..., got ...")`. */
#define mxi_bad(...) (mxi_fail(__VA_ARGS__), MX_BAD)

/* A shape as text, "(2,3)", cut with "..." when long. */
struct mxi_text {
  char s[120];
};
struct mxi_text mxi_shape_text(mx_ints shape);
#define MXI_SHAPE_TEXT(a) (mxi_shape_text(mxi_shape_of(a)).s)

static inline mx_dtype mxi_dtype(mx_array a) { return (mx_dtype)a->dtype; }
/* The result is the input itself. */
static inline mx_array mxi_itself(mx_array a) { return mxi_own(mxi_ref(a)); }

/* ---- Axes and shapes ---- */
/* axis in [0, ndim), or -1 with MX_AXIS_ERROR. */
int mxi_axis(const char *op, int64_t axis, int ndim);
/* Axes normalised, sorted and distinct, in out[MX_MAX_NDIM]; MX_ALL_AXES gives them all. Their number, or -1.
 */
int mxi_axes(const char *op, mx_ints axes, int ndim, int64_t *out);
/* Dims non-negative, product in range: its size in *size. */
int mxi_check_shape(const char *op, mx_ints shape, int64_t *size);
/* Indices are integers; update modes those of the enum. */
int mxi_check_indices(const char *op, mx_array indices);
bool mxi_update_mode_ok(const char *op, mx_update_mode mode);
/* The common shape of a and b in out[MX_MAX_NDIM]; its ndim, or -1 with an error that names op. */
int mxi_broadcast_shape(const char *op, mx_ints a, mx_ints b, int64_t *out);
/* Makes n arrays one shape with BROADCAST views. */
int mxi_broadcast_all(const char *op, int n, const mx_array *arrays, mx_array *out);
/* A list of `n` identity axes or steps in out. */
static inline mx_ints mxi_fill_ints(int64_t *out, int n, int64_t value) {
  for (int i = 0; i < n; i++) out[i] = value;
  return (mx_ints){out, n};
}
/* The copy of a shape that a builder goes on to change. */
static inline mx_ints mxi_copy_ints(int64_t *out, mx_ints from) {
  if (from.n > 0) memcpy(out, from.v, (size_t)from.n * sizeof(int64_t));
  return (mx_ints){out, from.n};
}

/* ---- Values ---- */
/* An array made as one element, repeated: it can be recast or reshaped at once, without a node. One that an
   eval made so is none: what a builder does must not depend on what has been evaluated. */
static inline bool mxi_is_constant(mx_array a) { return a->constant; }
/* `value` in every element. */
mx_array mxi_constant(double value, mx_dtype t, mx_ints shape);
/* ---- Shapes that follow others (follow.c) ---- in a trace for all sizes they are recorded as such ---- */
/* Is the array one of a trace for all sizes, so that its shape there is one of many? */
static inline bool mxi_follows(const struct mxi_array *a) {
  return mxi_thread.shapeless_level && a->level == mxi_thread.shapeless_level;
}
/* a in a shape of ndim dims: sizes >= 0; -1 for what is left, once at most; or MXI_AXES_OF, the product of
   some axes of like (NULL: of a). */
mx_array mxi_reshape_as(mx_array a, mx_array like, const int64_t *dims, int ndim);
#define MXI_AXES_OF(first, count) (-2 - (int64_t)((first)*64 + (count)))
mx_array mxi_reshape_like(mx_array a, mx_array like);
/* a, usable, in a shape of as many elements, which has been checked. */
mx_array mxi_reshape_to(mx_array a, mx_ints shape);
mx_array mxi_broadcast_like(mx_array a, mx_array like);
/* value in every element of an array of this dtype and like's shape. */
mx_array mxi_filled_like(double value, mx_dtype t, mx_array like);
static inline mx_array mxi_zeros_like(mx_array a) { return mxi_filled_like(0, mxi_dtype(a), a); }
/* 1 / (the number of elements along sorted axes - ddof), or infinity for none, as a scalar of a's dtype. */
mx_array mxi_inverse_count(mx_array a, mx_ints axes, double ddof);

/* The gradient of a broadcast: g summed over the axes along which `like` was repeated, with like's shape and
 * dtype. */
mx_array mxi_unbroadcast(mx_array g, mx_array like);
/* n elements, start + i * step; both are rounded to the dtype, a number's, first. */
mx_array mxi_arange(double start, double step, int64_t n, mx_dtype t);
/* a moved so that `axes` (sorted) come last, in their order. `order` receives the permutation. */
mx_array mxi_axes_last(mx_array a, int n, const int64_t *axes, int64_t *order);

/* The value of an expression of many ops, computed in a scope of its own so that its intermediates die with
   it and the engine is free to fuse them away. */
#define MXI_COMPOSED(expression)            \
  __extension__({                           \
    mx_scope scope_ = mx_scope_open();      \
    mx_array result_ = mx_pass(expression); \
    mx_scope_close(&scope_);                \
    result_;                                \
  })
/* The same of usable arrays; its error names op, and not the op inside that found it. */
#define MXI_NAMED(op, expression)               \
  __extension__({                               \
    mx_array named_ = MXI_COMPOSED(expression); \
    if (named_ == MX_BAD) mx_error_name(op);    \
    named_;                                     \
  })
#endif
