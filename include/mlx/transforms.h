/* Functions of functions: derivatives and compilation. A function is a callback over arrays. */
#ifndef MLX_TRANSFORMS_H
#define MLX_TRANSFORMS_H
#include "mlx/array.h"
MX_BEGIN

/* Computes up to max_out results from n inputs; returns their number, or -1 with the error set. Runs inside a
   scope of its own that the library opens; results need no mx_pass. */
typedef int (*mx_function)(void *context, int n, const mx_array *in, int max_out, mx_array *out);

/* Cotangents pulled back: for outputs y = f(x), grads[i] = sum_j cotangents[j] dy_j/dx_i. values (may be
   NULL) receives the outputs. Returns the number of outputs, or -1. */
MX_API int mx_vjp(mx_function f, void *context, int n, const mx_array *in, int ncotangents,
                  const mx_array *cotangents, int max_out, mx_array *values, mx_array *grads);
/* Tangents pushed forward: tangents_out[j] = sum_i dy_j/dx_i tangents[i]. Returns the number of outputs. */
MX_API int mx_jvp(mx_function f, void *context, int n, const mx_array *in, const mx_array *tangents,
                  int max_out, mx_array *values, mx_array *tangents_out);
/* Value and gradient of the first output, a scalar, with respect to inputs argnums (indices into in). grads
   receives argnums.n arrays. Returns the number of outputs. */
MX_API int mx_value_and_grad(mx_function f, void *context, int n, const mx_array *in, mx_ints argnums,
                             int max_out, mx_array *values, mx_array *grads);

/* A compiled function: traced once for each set of input shapes and dtypes, then run from its cached plan. */
typedef struct mxi_compiled *mx_compiled;
/* `release(context)` is called when the compiled function and all its plans are gone. shapeless: traced once
   for each set of dtypes and ndims. NULL with the error set when memory is short. */
MX_API mx_compiled mx_compile(mx_function f, void *context, bool shapeless, void (*release)(void *context));
/* Calls it; out are owned by the scope. Returns the number of outputs, or -1. key: what else the trace
   depends on (hash of constants); calls with different keys are traced apart. */
MX_API int mx_compiled_call(mx_compiled f, uint64_t key, int n, const mx_array *in, int max_out,
                            mx_array *out);
MX_API void mx_compiled_free(mx_compiled f);
MX_API void mx_set_compile_enabled(bool enabled);

/* f with a derivative of your own: outputs[j] is returned as it is; pulling back calls
   vjp(context, n_in + n_out + n_cotangents ...) with in = primals, outputs, cotangents, giving n_in
   cotangents. */
MX_API int mx_custom_vjp(int n, const mx_array *in, int nout, const mx_array *outputs, mx_function vjp,
                         void *context, void (*release)(void *context), mx_array *out);
MX_END
#endif
