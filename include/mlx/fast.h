/* Fused layers of language models, computed in float32 inside, whatever the dtype. And kernels of the
 * caller's. */
#ifndef MLX_FAST_H
#define MLX_FAST_H
#include "mlx/array.h"
MX_BEGIN
/* x / sqrt(mean(x^2) + eps) * weight, over the last axis. weight (D) or NULL. Zhang & Sennrich 2019. */
MX_API mx_array mx_fast_rms_norm(mx_array x, mx_array weight, double eps);
/* (x - mean) / sqrt(var + eps) * weight + bias, over the last axis. Ba et al. 2016. */
MX_API mx_array mx_fast_layer_norm(mx_array x, mx_array weight, mx_array bias, double eps);
typedef struct mx_rope_opts {
  int dims;         /* features that turn; even */
  bool traditional; /* pairs (0, 1), (2, 3) ...; else (i, i + dims/2) */
  double base;      /* 0 with freqs */
  double scale;     /* of positions */
} mx_rope_opts;
/* Rotary position embedding (Su et al. 2021) of x (B, ..., T, D). offset: int scalar or (B), the first
   position. freqs (dims / 2) or NULL: inverse frequencies' reciprocals, in place of base. */
MX_API mx_array mx_fast_rope(mx_array x, mx_rope_opts opts, mx_array offset, mx_array freqs);
/* softmax(scale q k^T + mask) v. q (B, H, Tq, D), k and v (B, Hkv, Tk, D); H a multiple of Hkv. causal aligns
   the last query with the last key. mask: NULL, bool (true = attend) or additive, broadcastable to (B, H, Tq,
   Tk). sinks (H) or NULL: one more logit a head in the denominator. */
MX_API mx_array mx_fast_scaled_dot_product_attention(mx_array q, mx_array k, mx_array v, double scale,
                                                     bool causal, mx_array mask, mx_array sinks);
/* The gated delta rule (Yang et al. 2024) over T steps: q and k (B, T, Hk, Dk), v (B, T, Hv, Dv), gamma (B,
   T, Hv) or (B, T, Hv, Dk), beta (B, T, Hv); Hv a multiple of Hk. state (B, Hv, Dv, Dk) or NULL for zeros;
   mask (B, T) or NULL: a false step gives zeros and leaves the state. out: the outputs (B, T, Hv, Dv), the
   last state. 0 or -1. */
MX_API int mx_fast_gated_delta_update(mx_array q, mx_array k, mx_array v, mx_array gamma, mx_array beta,
                                      mx_array state, mx_array mask, mx_array *out);

/* ---- Kernels of the caller's, for NVIDIA GPUs ---- */
/* How a kernel is launched, and what it gives. */
typedef struct mx_kernel_launch {
  int64_t grid[3];        /* threads, >= 0; the last blocks of an axis run whole */
  int64_t threadgroup[3]; /* threads of a block, 1024 at most; the grid's where that has fewer */
  int64_t shared_memory;  /* dynamic bytes of a block */
  bool any_strides;       /* inputs come as they lie, but for one element that is repeated; else row-major */
  bool initialized;       /* outputs are filled with init_value first; else they hold anything */
  double init_value;
  int noutputs;
  const mx_ints *output_shapes;
  const mx_dtype *output_dtypes;
} mx_kernel_launch;

typedef enum mx_kernel_constant_kind {
  MX_KERNEL_TYPE,
  MX_KERNEL_INT,
  MX_KERNEL_BOOL
} mx_kernel_constant_kind;
/* A name that the source uses as a type or as a number. */
typedef struct mx_kernel_constant {
  const char *name;
  mx_kernel_constant_kind kind;
  mx_dtype dtype; /* MX_KERNEL_TYPE */
  int64_t value;  /* the others */
} mx_kernel_constant;
typedef struct mx_cuda_kernel_opts {
  const char *name;
  const char *source; /* the body of a function in CUDA C++ */
  const char *header; /* what stands before it, or NULL */
  int ninputs;
  const char *const *input_names, *const *output_names; /* of the parameters */
  int nconstants;
  const mx_kernel_constant *constants;
  mx_kernel_launch launch;
} mx_cuda_kernel_opts;
/* Runs a kernel from its source. The function's parameters are `const T *NAME` of each input, with
   NAME_shape, NAME_strides and NAME_ndim where the source speaks of them, and `T *NAME` of each output. It is
   compiled when it first runs; what the compiler objects to is MX_DEVICE_ERROR then. Floats are float,
   double, __half and __nv_bfloat16. out: the launch's noutputs results. 0 or -1. */
MX_API int mx_fast_cuda_kernel(mx_cuda_kernel_opts kernel, const mx_array *inputs, mx_array *out);
/* The whole text that is compiled for inputs of these dtypes; the caller frees it by mx_free. NULL: failed.
 */
MX_API char *mx_fast_cuda_kernel_text(mx_cuda_kernel_opts kernel, const mx_array *inputs);

typedef struct mx_kernel_scalar {
  mx_dtype dtype; /* MX_BOOL, MX_INT32, MX_INT64, MX_FLOAT32 or MX_FLOAT64 */
  int64_t integer;
  double number; /* of floats */
} mx_kernel_scalar;
typedef struct mx_cuda_code_opts {
  const char *name; /* of the kernel in the code, as the linker sees it */
  const void *code; /* a cubin, a fat binary or PTX */
  size_t bytes;
  int ninputs, nscalars;
  const mx_kernel_scalar *scalars;
  mx_kernel_launch launch;
} mx_cuda_code_opts;
/* Runs a compiled kernel. Its parameters are the addresses of the inputs, those of the outputs, and the
 * scalars. */
MX_API int mx_fast_precompiled_cuda_kernel(mx_cuda_code_opts kernel, const mx_array *inputs, mx_array *out);
MX_END
#endif
