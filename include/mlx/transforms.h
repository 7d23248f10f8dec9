/* Functions of functions: derivatives, compilation, batching. A function is a callback over arrays. */
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
/* Value and gradient of the first output, a scalar, with respect to inputs argnums (indices into in, at most
   n of them). grads receives argnums.n arrays. Returns the number of outputs. */
MX_API int mx_value_and_grad(mx_function f, void *context, int n, const mx_array *in, mx_ints argnums,
                             int max_out, mx_array *values, mx_array *grads);

/* A compiled function: traced once for each set of input shapes and dtypes, then run from the plan of that
   trace. It keeps the MX_TRACES_KEPT traces used last; a call that needs another one traces again. */
typedef struct mxi_compiled *mx_compiled;
enum { MX_TRACES_KEPT = 1024 };
/* `release(context)` is called by mx_compiled_free; not on failure. shapeless: f is traced once for all
   sizes of a rank and dtype, and not called for others; sizes that it read stay as they were, and what can't
   follow is MX_INVALID_ARGUMENT at the call, which names the op. f is called by whichever threads make
   traces, by several at once if they do so at once. NULL with the error set when memory is short. */
MX_API mx_compiled mx_compile(mx_function f, void *context, bool shapeless, void (*release)(void *context));
/* Calls it; out are owned by the scope. Returns the number of outputs, or -1. key: what else the trace
   depends on (hash of constants); calls with different keys are traced apart. */
MX_API int mx_compiled_call(mx_compiled f, uint64_t key, int n, const mx_array *in, int max_out,
                            mx_array *out);
/* Results of its calls may outlive it, and so may its traces. NULL is fine. */
MX_API void mx_compiled_free(mx_compiled f);
/* false: compiled functions are called plainly, in all threads. */
MX_API void mx_set_compile_enabled(bool enabled);
/* True when compiled functions are called plainly: while compile is disabled, and inside a trace over
   placeholders (of compile or vmap), which they become part of. */
MX_API bool mx_compile_is_plain(void);

/* One trace of a compiled function, for callers that learn from it how many results to expect: a call of
   mx_compiled_call in two steps, for where functions aren't called plainly. A trace stays whole for who has
   it, also when the function no longer keeps it. */
typedef struct mxi_trace *mx_trace;
/* What a caller adds to a trace that it makes, for all who find that trace. */
typedef struct mx_trace_note {
  void *data;
  void (*release)(void *data); /* called in the thread that lets go of the trace last, unless data is NULL */
} mx_trace_note;
/* The trace that serves such a call; the caller releases it. NULL when there is none, without an error unless
 * the arguments are wrong. */
MX_API mx_trace mx_compiled_find(mx_compiled f, uint64_t key, int n, const mx_array *in);
/* The same, and where there is none, makes one; f gives at most max_out results. note may be NULL, and may be
   filled by f: its data is released with the trace, or at once when it gets none. NULL with the error set. */
MX_API mx_trace mx_compiled_trace(mx_compiled f, uint64_t key, int n, const mx_array *in, int max_out,
                                  const mx_trace_note *note);
/* The number of its results, -1 for NULL; the data of its note, NULL if it has none. */
MX_API int mx_trace_outputs(mx_trace t);
MX_API void *mx_trace_data(mx_trace t);
/* Calls it with inputs of the shapes and dtypes that it is for: out[mx_trace_outputs(t)] are owned by the
   scope. 0 or -1. */
MX_API int mx_trace_call(mx_trace t, int n, const mx_array *in, mx_array *out);
MX_API void mx_trace_release(mx_trace t);

/* f applied to every element along an axis of its inputs, all at once: in_axes[i] is the axis of input i
   (negative counts from the end), or MX_UNMAPPED for an input that is given whole each time; NULL means 0 for
   all. Mapped axes have one size, and f sees inputs without them. out_axes[j] says where output j, of all
   elements, has that axis (NULL: 0), or MX_UNMAPPED for an output that doesn't depend on mapped inputs; it is
   read after f has returned. f must not evaluate what depends on mapped inputs. Returns the number of
   outputs. */
enum { MX_UNMAPPED = INT32_MIN };
MX_API int mx_vmap(mx_function f, void *context, int n, const mx_array *in, const int *in_axes, int max_out,
                   mx_array *out, const int *out_axes);

/* Rules of your own for outputs that were computed from inputs; each may be NULL. Without a vjp or jvp the
   derivative is that of the outputs as they were computed; without a vmap, the graph of the outputs is
   batched, and so are the other rules.

   vjp: in = inputs, outputs, cotangents of the outputs; gives cotangents of the inputs.

   jvp: in = inputs, tangents of the inputs; gives tangents of the outputs.

   vmap: in = inputs, in_axes = their mapped axes (0, or MX_UNMAPPED); gives the outputs, and in out_axes
   where they have the mapped axis (or MX_UNMAPPED). */
typedef int (*mx_vmap_function)(void *context, int n, const mx_array *in, const int *in_axes, int max_out,
                                mx_array *out, int *out_axes);
typedef struct mx_custom_rules {
  mx_function vjp, jvp;
  mx_vmap_function vmap;
  void *context;                  /* given to each rule */
  void (*release)(void *context); /* called when no graph needs the rules any more; not on failure */
} mx_custom_rules;
/* outputs[j] as it is, with these rules: out[j]. 0 or -1. */
MX_API int mx_custom(int n, const mx_array *in, int nout, const mx_array *outputs, mx_custom_rules rules,
                     mx_array *out);
MX_END
#endif
