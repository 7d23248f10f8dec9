/* Derivatives of linear algebra. With <g, d> the sum of products, a rule finds the matrix that stands for the
   map from the input's change dA to <g, dY>. Giles, "Collected matrix derivative results for forward and
   reverse mode algorithmic differentiation" (2008), has them for the inverse, systems, Cholesky and symmetric
   eigenvalues; other sources stand at their rules. */
#include "ops/linalg.h"
#include "ops/rules.h"

static mx_array product_of_three(mx_array a, mx_array b, mx_array c) { return mx_matmul(mx_matmul(a, b), c); }
static mx_array halved(mx_array a) { return mx_ok(a) ? mx_multiply(a, mx_like(a, 0.5)) : MX_BAD; }
static mx_array symmetric_part(mx_array a) { return halved(mx_add(a, mxi_adjoint(a))); }
static mx_array triangle(mx_array a, bool upper) { return upper ? mx_triu(a, 0) : mx_tril(a, 0); }
/* x with x a = b for a triangular a. */
static mx_array solve_right(mx_array b, mx_array a, bool upper) {
  return mxi_transposed(mx_linalg_solve_triangular(mxi_transposed(a), mxi_transposed(b), !upper));
}

/* Absent cotangents are zeros. */
static mx_array or_zeros(mx_array g, mx_array like) { return g ? g : mxi_zeros_like(like); }

/* The outputs of a node of several. A sibling that nobody kept is computed again: the rules need its
 * elements. */
static int all_outputs(const mx_node *n, const mx_array *outputs, mx_array *all) {
  bool whole = true;
  for (int i = 0; i < n->noutputs; i++) {
    all[i] = outputs[i];
    whole = whole && outputs[i] && outputs[i]->node == n;
  }
  if (whole) return 0;
  struct mxi_output specs[3];
  for (int i = 0; i < n->noutputs; i++)
    specs[i] = (struct mxi_output){n->outputs[i].dtype, n->outputs[i].shape};
  return mxi_apply_multi(n->prim->id, n->params ? n->params->fields : NULL, n->ninputs, n->inputs,
                         n->noutputs, specs, all);
}

/* ---- Systems ---- */
static mx_array inverse_gradient(mx_array y, mx_array g) {
  mx_array t = mxi_transposed(y);
  return mx_negative(product_of_three(t, g, t));
}
MXI_VJP(INVERSE) {
  return mxi_only_grad(n, MXI_COMPOSED(inverse_gradient(outputs[0], cotangents[0])), grads);
}

/* x = A^-1 b: the gradient with respect to b solves the transposed system; that of A is -gb x^T. */
MXI_VJP(SOLVE) {
  mxi_no_grads(n, grads);
  mx_array gb = mx_linalg_solve(mxi_transposed(n->inputs[0]), cotangents[0]);
  if (want[1] || !mx_ok(gb)) grads[1] = gb;
  if (want[0]) grads[0] = MXI_COMPOSED(mx_negative(mx_matmul(gb, mxi_transposed(outputs[0]))));
  return mxi_grads_done(n, grads);
}
MXI_VJP(SOLVE_TRIANGULAR) {
  bool upper = MXI_PARAMS(SOLVE_TRIANGULAR, n)->upper;
  mxi_no_grads(n, grads);
  mx_array gb = mx_linalg_solve_triangular(mxi_transposed(n->inputs[0]), cotangents[0], !upper);
  if (want[1] || !mx_ok(gb)) grads[1] = gb;
  if (want[0])
    grads[0] = MXI_COMPOSED(mx_negative(triangle(mx_matmul(gb, mxi_transposed(outputs[0])), upper)));
  return mxi_grads_done(n, grads);
}

static mx_array complement(mx_array a) { return mx_ok(a) ? mx_subtract(mxi_identity(a), a) : MX_BAD; }
/* dP = -P dA P + P P^T dA^T (I - A P) + (I - P A) dA^T P^T P (Golub & Pereyra 1973), for a rank that stays.
 */
static mx_array pinv_gradient(mx_array a, mx_array p, mx_array g) {
  mx_array pt = mxi_transposed(p), gt = mxi_transposed(g);
  mx_array rows = complement(mx_matmul(a, p)), columns = complement(mx_matmul(p, a));
  mx_array first = product_of_three(rows, gt, mx_matmul(p, pt));
  mx_array second = product_of_three(mx_matmul(pt, p), gt, columns);
  return mx_subtract(mx_add(first, second), product_of_three(pt, g, pt));
}
MXI_VJP(PINV) {
  return mxi_only_grad(n, MXI_COMPOSED(pinv_gradient(n->inputs[0], outputs[0], cotangents[0])), grads);
}

/* ---- Factorisations ---- */
/* With S = L^-T F(L^T g) L^-1, where F takes the lower triangle and half of the diagonal, the symmetric part
 * of S. */
static mx_array cholesky_gradient(mx_array l, mx_array g) {
  mx_array middle = mx_matmul(mxi_transposed(l), g);
  if (!mx_ok(middle)) return MX_BAD;
  middle = halved(mx_add(mx_tril(middle, 0), mx_tril(middle, -1)));
  mx_array left = mx_linalg_solve_triangular(mxi_transposed(l), middle, true);
  return symmetric_part(solve_right(left, l, false));
}
MXI_VJP(CHOLESKY) {
  bool upper = MXI_PARAMS(CHOLESKY, n)->upper;
  mx_array l = outputs[0], g = cotangents[0];
  mx_array gradient =
      MXI_COMPOSED(upper ? cholesky_gradient(mxi_transposed(l), mxi_transposed(g)) : cholesky_gradient(l, g));
  return mxi_only_grad(n, gradient, grads);
}

/* P A = L U moves by L^-1 P dA U^-1 = L^-1 dL + dU U^-1, strictly lower and upper: the gradient of P A is
   L^-T (lower(L^T gL) + upper(gU U^T)) U^-T (de Hoog, Anderssen & Lukas 2011). */
static mx_array lu_gradient(mx_array a, mx_array lu, mx_array rows, mx_array g) {
  mx_array l = mx_add(mx_tril(lu, -1), mxi_identity(a)), u = mx_triu(lu, 0);
  mx_array lower = mx_tril(mx_matmul(mxi_transposed(l), mx_tril(g, -1)), -1);
  mx_array upper = mx_triu(mx_matmul(mx_triu(g, 0), mxi_transposed(u)), 0);
  mx_array left = mx_linalg_solve_triangular(mxi_transposed(l), mx_add(lower, upper), true);
  mx_array gradient = solve_right(left, mxi_transposed(u), false);
  if (!mx_ok(gradient)) return MX_BAD;
  mx_array order = mx_broadcast_to(mx_expand_dims(rows, MX_AXES(-1)), mxi_shape_of(gradient));
  return mx_take_along_axis(gradient, order, -2);
}
MXI_VJP(LU) {
  mx_array a = n->inputs[0], out[3];
  mxi_no_grads(n, grads);
  if (!cotangents[0]) return 0;
  if (mx_dim(a, -1) != mx_dim(a, -2))
    return mxi_fail(MX_NOT_SUPPORTED, "[vjp] expected square matrices for lu_factor, got shape %s",
                    MXI_SHAPE_TEXT(a));
  MXI_TRY(all_outputs(n, outputs, out));
  return mxi_only_grad(n, MXI_COMPOSED(lu_gradient(a, out[0], out[2], cotangents[0])), grads);
}

/* Of tall A = Q R, with M = R gR^T - gQ^T Q: (gQ + Q sym(M)) R^-T, where sym mirrors the lower triangle
   (Walter & Lehmann 2010). */
static mx_array tall_qr_gradient(mx_array q, mx_array r, mx_array gq, mx_array gr) {
  mx_array m = mx_subtract(mx_matmul(r, mxi_transposed(gr)), mx_matmul(mxi_transposed(gq), q));
  if (!mx_ok(m)) return MX_BAD;
  mx_array mirrored = mx_add(mx_tril(m, 0), mxi_transposed(mx_tril(m, -1)));
  return solve_right(mx_add(gq, mx_matmul(q, mirrored)), mxi_transposed(r), false);
}
/* A wide A = (X Y) = Q (U V) is the factorisation of X, and V = Q^T Y (Roberts & Roberts 2020). */
static mx_array wide_qr_gradient(mx_array a, mx_array q, mx_array r, mx_array gq, mx_array gr) {
  int64_t m = mx_dim(a, -2), rest = mx_dim(a, -1) - m;
  mx_array y = mxi_block(a, 0, m, m, rest), gv = mxi_block(gr, 0, m, m, rest);
  gq = mx_add(gq, mx_matmul(y, mxi_transposed(gv)));
  mx_array gx = tall_qr_gradient(q, mxi_block(r, 0, m, 0, m), gq, mxi_block(gr, 0, m, 0, m));
  return mx_concatenate(2, (mx_array[]){gx, mx_matmul(q, gv)}, -1);
}
static mx_array qr_gradient(mx_array a, const mx_array *out, const mx_array *g) {
  mx_array gq = or_zeros(g[0], out[0]), gr = or_zeros(g[1], out[1]);
  if (mx_dim(a, -2) >= mx_dim(a, -1)) return tall_qr_gradient(out[0], out[1], gq, gr);
  return wide_qr_gradient(a, out[0], out[1], gq, gr);
}
MXI_VJP(QR) {
  mx_array out[2];
  MXI_TRY(all_outputs(n, outputs, out));
  return mxi_only_grad(n, MXI_COMPOSED(qr_gradient(n->inputs[0], out, cotangents)), grads);
}

/* ---- Spectra ---- */
/* 1 / (x_j - x_i) off the diagonal of (..., N, N), 0 on it. */
static mx_array inverse_gaps(mx_array x) {
  mx_array gaps = mx_subtract(mx_expand_dims(x, MX_AXES(-2)), mx_expand_dims(x, MX_AXES(-1)));
  if (!mx_ok(gaps)) return MX_BAD;
  mx_array eye = mxi_identity(gaps);
  return mx_subtract(mx_reciprocal(mx_add(gaps, eye)), eye);
}
static mx_array on_diagonal(mx_array x) {
  mx_array column = mx_expand_dims(x, MX_AXES(-1));
  if (!mx_ok(column)) return MX_BAD;
  return mx_multiply(column, mx_eye(mx_dim(x, -1), mx_dim(x, -1), 0, mxi_dtype(x)));
}

/* V (diag(gw) + V^H gV / (w_j - w_i)) V^H, made symmetric. */
static mx_array eigh_gradient(mx_array w, mx_array v, mx_array gw, mx_array gv) {
  mx_array inner = gw ? on_diagonal(gw) : NULL;
  if (gv) inner = mxi_add_tangents(inner, mx_multiply(mx_matmul(mxi_adjoint(v), gv), inverse_gaps(w)));
  return symmetric_part(product_of_three(v, mx_astype(inner, mxi_dtype(v)), mxi_adjoint(v)));
}
MXI_VJP(EIGH) {
  mx_array a = n->inputs[0], out[2];
  if (n->noutputs == 2) {
    MXI_TRY(all_outputs(n, outputs, out));
    return mxi_only_grad(n, MXI_COMPOSED(eigh_gradient(out[0], out[1], cotangents[0], cotangents[1])), grads);
  }
  MXI_TRY(mx_linalg_eigh(a, MXI_PARAMS(EIGH, n)->upper, &out[0], &out[1]));
  return mxi_only_grad(n, MXI_COMPOSED(eigh_gradient(out[0], out[1], cotangents[0], NULL)), grads);
}

/* A (..., M, N) = U S V^T with square U and V. With dP = U^T dA V: ds = diag(dP); dU = U W and dV = V Z with
   antisymmetric W and Z that solve dP = W S + dS - S Z, and no turn among the columns beyond the first K,
   which the matrix does not determine (Townsend, "Differentiating the singular value decomposition", 2016).
   What follows is the gradient of dP, block by block: the first K rows and columns, then the rest of the
   longer side. */
struct svd {
  mx_array u, s, vt;
  int64_t m, n, k;
};
static mx_array antisymmetric_gradient(mx_array basis, mx_array g) {
  mx_array w = mx_matmul(mxi_transposed(basis), g);
  return mx_subtract(w, mxi_transposed(w));
}
static mx_array svd_core(const struct svd *d, mx_array gs, mx_array w, mx_array z) {
  mx_array row = mx_expand_dims(d->s, MX_AXES(-2)), column = mx_expand_dims(d->s, MX_AXES(-1));
  mx_array core = gs ? on_diagonal(gs) : NULL, gaps = w || z ? inverse_gaps(mx_square(d->s)) : NULL;
  if (w) core = mxi_add_tangents(core, mx_multiply(mx_multiply(mxi_block(w, 0, d->k, 0, d->k), gaps), row));
  if (z)
    core = mxi_add_tangents(core, mx_multiply(mx_multiply(mxi_block(z, 0, d->k, 0, d->k), gaps), column));
  return core;
}
static mx_array svd_gradient(const struct svd *d, mx_array gu, mx_array gs, mx_array gvt) {
  mx_array w = gu ? antisymmetric_gradient(d->u, gu) : NULL;
  mx_array z = gvt ? antisymmetric_gradient(mxi_transposed(d->vt), mxi_transposed(gvt)) : NULL;
  mx_array core = svd_core(d, gs, w, z);
  mx_array u = mxi_block(d->u, 0, d->m, 0, d->k), vt = mxi_block(d->vt, 0, d->k, 0, d->n);
  if (gu && d->m > d->k) {
    mx_array below = mx_divide(mxi_block(w, d->k, d->m - d->k, 0, d->k), mx_expand_dims(d->s, MX_AXES(-2)));
    core = mx_concatenate(2, (mx_array[]){core, below}, -2);
    u = d->u;
  }
  if (gvt && d->n > d->k) {
    mx_array beside = mxi_transposed(
        mx_divide(mxi_block(z, d->k, d->n - d->k, 0, d->k), mx_expand_dims(d->s, MX_AXES(-2))));
    core = mx_concatenate(2, (mx_array[]){core, beside}, -1);
    vt = d->vt;
  }
  return product_of_three(u, core, vt);
}
/* U diag(gs) V^H: all there is where the vectors have no gradient. */
static mx_array singular_values_gradient(const struct svd *d, mx_array gs) {
  mx_array u = mxi_block(d->u, 0, d->m, 0, d->k), vt = mxi_block(d->vt, 0, d->k, 0, d->n);
  return mx_matmul(mx_multiply(u, mx_expand_dims(mx_astype(gs, mxi_dtype(d->u)), MX_AXES(-2))), vt);
}
MXI_VJP(SVD) {
  mx_array a = n->inputs[0], out[3], gu = NULL, gs = cotangents[0], gvt = NULL;
  if (n->noutputs == 3) {
    MXI_TRY(all_outputs(n, outputs, out));
    gu = cotangents[0];
    gs = cotangents[1];
    gvt = cotangents[2];
  } else
    MXI_TRY(mx_linalg_svd(a, &out[0], &out[1], &out[2]));
  struct svd d = {.u = out[0], .s = out[1], .vt = out[2], .m = mx_dim(a, -2), .n = mx_dim(a, -1)};
  d.k = mxi_min(d.m, d.n);
  if (!gu && !gvt) return mxi_only_grad(n, MXI_COMPOSED(singular_values_gradient(&d, gs)), grads);
  if (a->dtype == MX_COMPLEX64)
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[vjp] expected a gradient of singular values alone for svd of complex64, got "
                    "one of singular vectors");
  return mxi_only_grad(n, MXI_COMPOSED(svd_gradient(&d, gu, gs, gvt)), grads);
}
