#include "transforms/trace.h"
#include "base/error.h"
#include "core/node.h"

int mxi_tracers(int n, const mx_array *in, mx_array *tracers) {
  for (int i = 0; i < n; i++) {
    if (!in[i]) return mxi_fail(MX_TYPE_ERROR, "[transform] expected %d input arrays, got NULL", n);
    tracers[i] = mxi_apply(MXI_IDENTITY, NULL, 1, &in[i], (mx_dtype)in[i]->dtype, mxi_shape_of(in[i]));
    if (!mx_ok(tracers[i])) return -1;
    tracers[i]->session = mxi_session();
  }
  return 0;
}

/* The number of outputs that came back, or -1. */
static int check_outputs(const char *transform, int nout, int max_out, const mx_array *out) {
  if (nout < 0) {
    if (mx_error_code() == MX_OK)
      mxi_fail(MX_CALLBACK_ERROR, "[%s] expected the function to succeed, got a failure without an error",
               transform);
    return -1;
  }
  if (nout > max_out)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at most %d outputs, got %d", transform, max_out,
                    nout);
  for (int i = 0; i < nout; i++) {
    if (out[i] == MX_BAD) return -1;
    if (!out[i])
      return mxi_fail(MX_TYPE_ERROR, "[%s] expected arrays from the function, got NULL", transform);
  }
  return nout;
}

int mxi_call_function(const char *transform, mx_function f, void *context, int n, const mx_array *in,
                      int max_out, mx_array *out) {
  mx_scope scope = mx_scope_open(); // what f drains: its inputs lie in the caller's
  int nout = check_outputs(transform, f(context, n, in, max_out, out), max_out, out);
  if (nout >= 0) return mxi_move_out(&scope, nout, out) < 0 ? -1 : nout;
  mx_scope_close(&scope);
  return -1;
}

int mxi_move_out(mx_scope *scope, int n, mx_array *arrays) {
  for (int i = 0; i < n; i++) arrays[i] = arrays[i] ? mx_keep(arrays[i]) : NULL;
  mx_scope_close(scope);
  int result = 0;
  for (int i = 0; i < n; i++)
    if (arrays[i] && mxi_own(arrays[i]) == MX_BAD) result = -1;
  return result;
}
