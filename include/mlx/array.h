/* Arrays: making, keeping, evaluating and reading them; scopes; devices and streams; memory.

   Ownership. Inputs are borrowed. A result belongs to the innermost open scope of the thread; without one,
   the op fails. mx_keep gives a reference of your own, which mx_release gives back. Errors. A failed op
   returns MX_BAD, and every op on MX_BAD returns MX_BAD, so an expression is checked once: mx_ok(y). The text
   is mx_error(). */
#ifndef MLX_ARRAY_H
#define MLX_ARRAY_H
#include "mlx/types.h"
MX_BEGIN

/* ---- Scopes ---- */
typedef struct mx_scope {
  int open;
} mx_scope;
MX_API mx_scope mx_scope_open(void);
MX_API void mx_scope_close(mx_scope *scope); /* releases what was made inside; a second close does nothing */
/* MX_SCOPE { ... }: also closed by break, return and goto. */
#define MX_SCOPE                                                                                        \
  for (mx_scope mxi_scope_ __attribute__((cleanup(mx_scope_close))) = mx_scope_open(); mxi_scope_.open; \
       mx_scope_close(&mxi_scope_))
/* A reference that outlives the scope; release it with mx_release. MX_BAD and NULL pass through. */
MX_API mx_array mx_keep(mx_array a);
MX_API void mx_release(mx_array a);
/* Moves a result to the enclosing scope; returns it. */
MX_API mx_array mx_pass(mx_array a);
/* Frees what the innermost scope holds so far; for loops. In a callback: what the callback made, not its
 * inputs. */
MX_API void mx_scope_drain(void);

/* The failed result. */
MX_API extern struct mxi_array mxi_bad_array;
#define MX_BAD (&mxi_bad_array)
static inline bool mx_ok(mx_array a) { return a && a != MX_BAD; }

/* ---- Devices and streams ---- */
#define MX_CPU ((mx_device){MX_CPU_DEVICE, 0})
#define MX_GPU ((mx_device){MX_GPU_DEVICE, 0})
MX_API bool mx_is_available(mx_device d);
MX_API int mx_device_count(mx_device_type t);
MX_API mx_device mx_default_device(void);
MX_API int mx_set_default_device(mx_device d); /* of this thread and of threads started later */
/* The thread's default stream of a device; NULL with the error set when the device is absent. */
MX_API mx_stream mx_default_stream(mx_device d);
MX_API int mx_set_default_stream(mx_stream s);
MX_API mx_stream mx_stream_new(mx_device d);    /* lives as long as the process */
MX_API mx_device mx_stream_device(mx_stream s); /* NULL sets the error, and has index -1, as below */
MX_API int mx_stream_index(mx_stream s);
MX_API int
mx_synchronize(mx_stream s); /* waits for all work on s (NULL: the default stream); -1: some failed, untold */
/* MX_ON(stream) { ... }: ops inside go to that stream. A NULL stream fails the ops inside. */
#define mx_cpu mx_default_stream(MX_CPU)
#define mx_gpu mx_default_stream(MX_GPU)
typedef struct mx_stream_mark {
  mx_stream previous;
  int open;
} mx_stream_mark;
MX_API mx_stream_mark mx_stream_push(mx_stream s);
MX_API void mx_stream_pop(mx_stream_mark *mark);
#define MX_ON(stream)                                                                             \
  for (mx_stream_mark mxi_mark_ __attribute__((cleanup(mx_stream_pop))) = mx_stream_push(stream); \
       mxi_mark_.open; mx_stream_pop(&mxi_mark_))

/* ---- Making arrays ---- */
/* Copies row-major elements. Bools: any byte but 0 is true, also below. */
MX_API mx_array mx_array_from(const void *data, mx_ints shape, mx_dtype t);
/* Uses the caller's memory without copying until `release(owner)`; it must not change while arrays use it.
   data is the first element; strides, in elements, may be 0 or negative; NULL strides.v: row-major. Elements
   that don't lie at multiples of their size, and bools that are neither 0 nor 1, are copied, and the memory
   is let go. On failure `release` is not called. */
MX_API mx_array mx_array_foreign(void *data, mx_ints shape, mx_ints strides, mx_dtype t, bool read_only,
                                 void (*release)(void *owner), void *owner);
MX_API mx_array mx_scalar(double value, mx_dtype t);
MX_API mx_array mx_scalar_int(int64_t value, mx_dtype t);
MX_API mx_array mx_scalar_complex(double re, double im);
MX_API mx_array mx_float(double value); /* float32 */
MX_API mx_array mx_int(int64_t value);  /* int32 */
MX_API mx_array mx_bool(bool value);
/* A scalar of a's dtype, so that `mx_multiply(a, mx_like(a, 2))` keeps it. Integers stay exact below 2^53. */
MX_API mx_array mx_like(mx_array a, double value);

/* ---- Asking ---- all answer without evaluating; for MX_BAD as for a float32 array of size 0, and so for
   NULL, which sets the error ---- */
MX_API int mx_ndim(mx_array a);
MX_API const int64_t *mx_shape(mx_array a);
MX_API int64_t mx_dim(mx_array a, int axis); /* negative counts from the end; 0 if out of range */
MX_API int64_t mx_size(mx_array a);
MX_API size_t mx_nbytes(mx_array a);
MX_API mx_dtype mx_dtype_of(mx_array a);
MX_API mx_ints mx_shape_ints(mx_array a);
MX_API bool mx_is_ready(mx_array a); /* already evaluated? */

/* ---- Evaluating ---- */
MX_API int mx_eval(mx_array a); /* 0 or -1, as the next two. After a failure it can be tried again */
MX_API int mx_eval_all(int n, const mx_array *arrays);
MX_API int mx_async_eval(int n,
                         const mx_array *arrays); /* starts; a failure surfaces at the next eval or read */

/* ---- Interrupting ---- between two chunks of work; what an interrupted eval had not computed stays lazy
 * ---- */
/* From here to mx_interrupt_clear, every evaluation, save and load in any thread ends with MX_INTERRUPTED.
   Both may be called by any thread and by a signal handler. */
MX_API void mx_interrupt(void);
MX_API void mx_interrupt_clear(void);
/* From now on, while the calling thread evaluates, saves, loads, or waits for an evaluation, it calls
   check(context) about every 30 ms. What check answers is for this thread alone: 0 to go on, else the call
   ends with MX_INTERRUPTED. What was started by mx_async_eval goes on. NULL: no check, as at first. A check
   may evaluate arrays, but not those that the thread it interrupts is computing or waits for: they fail. */
MX_API void mx_set_interrupt_check(int (*check)(void *context), void *context);

/* ---- Reading ---- each evaluates first ---- */
/* Row-major elements, valid while the array lives. NULL on failure, or when the array is not row-major: then
   read mx_contiguous(a). Those of a mapped file are read from it, and change if the file is changed later. */
MX_API const void *mx_data(mx_array a);
MX_API const int64_t *mx_strides(mx_array a); /* in elements */
/* May a view of mx_data be written to? False for constants, mapped files, read-only foreign memory, and lazy
 * arrays. */
MX_API bool mx_is_writable(mx_array a);
/* One element as double or int64; the array must have one element. */
MX_API int mx_item(mx_array a, double *value);
MX_API int mx_item_int(mx_array a, int64_t *value);
MX_API int mx_item_complex(mx_array a, double *re, double *im); /* im may be NULL */
/* Text as Python prints it, NUL-terminated; free with mx_free. */
MX_API char *mx_to_string(mx_array a, int precision); /* precision < 0: the default, 6 significant digits */
MX_API void mx_free(void *p);

/* What is known of a device. */
typedef struct mx_device_info {
  char name[128];                   /* "" where nobody has named it */
  size_t memory_bytes, free_bytes;  /* all that it has; what nobody uses, 0 where that isn't known */
  int compute_major, compute_minor; /* of a GPU: its compute capability, 9.0 for instance */
  int multiprocessors;              /* of a GPU */
} mx_device_info;
/* -1 with the error set where there is no such device. */
MX_API int mx_device_describe(mx_device d, mx_device_info *info);

/* ---- Memory ---- bytes, of arrays on the host and on devices together; limits are those of the default
 * device's memory
 * ---- */
MX_API size_t mx_active_memory(void);
MX_API size_t mx_peak_memory(void);
MX_API void mx_reset_peak_memory(void);
MX_API size_t mx_cache_memory(void);
MX_API size_t mx_set_memory_limit(size_t bytes); /* returns the old limit; allocations beyond it fail */
MX_API size_t mx_memory_limit(void);
MX_API size_t mx_set_cache_limit(size_t bytes);
MX_API void mx_clear_cache(void);
/* Runs the destructors of foreign owners that were let go elsewhere; a binding calls it where its runtime's
 * lock is held. */
MX_API void mx_drain_foreign(void);
/* Calls `wake` whenever a foreign owner is queued; it may run on any thread and must not block. */
MX_API void mx_on_foreign(void (*wake)(void));
MX_END
#endif
