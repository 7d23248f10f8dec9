/* Operations. All are lazy, borrow their inputs and return a result owned by the innermost scope, or MX_BAD
   with the error set. Inputs of several dtypes are promoted (mx_promote_types) and shapes broadcast as in
   NumPy unless a function says otherwise. Negative axes count from the end. NULL is an absent optional
   argument. */
#ifndef MLX_OPS_H
#define MLX_OPS_H
#include "mlx/array.h"
MX_BEGIN

/* ---- Elementwise, one input ---- */
#define MXI_UNARY(name) MX_API mx_array mx_##name(mx_array a)
MXI_UNARY(abs); /* complex64 -> float32 */
MXI_UNARY(negative);
MXI_UNARY(sign); /* complex: z / |z| */
MXI_UNARY(square);
MXI_UNARY(sqrt); /* from here to radians: integers and bool give float32 */
MXI_UNARY(rsqrt);
MXI_UNARY(reciprocal);
MXI_UNARY(exp);
MXI_UNARY(expm1);
MXI_UNARY(log);
MXI_UNARY(log2);
MXI_UNARY(log10);
MXI_UNARY(log1p);
MXI_UNARY(sin);
MXI_UNARY(cos);
MXI_UNARY(tan);
MXI_UNARY(arcsin);
MXI_UNARY(arccos);
MXI_UNARY(arctan);
MXI_UNARY(sinh);
MXI_UNARY(cosh);
MXI_UNARY(tanh);
MXI_UNARY(arcsinh);
MXI_UNARY(arccosh);
MXI_UNARY(arctanh);
MXI_UNARY(erf);
MXI_UNARY(erfinv);
MXI_UNARY(sigmoid);
MXI_UNARY(degrees);
MXI_UNARY(radians);
MXI_UNARY(floor); /* integers stay, as with the next two */
MXI_UNARY(ceil);
MXI_UNARY(trunc);
MXI_UNARY(logical_not);    /* bool result */
MXI_UNARY(bitwise_invert); /* integers and bool */
MXI_UNARY(isnan);          /* bool result, as the next */
MXI_UNARY(isinf);
MXI_UNARY(isfinite);
MXI_UNARY(isposinf);
MXI_UNARY(isneginf);
MXI_UNARY(real); /* complex64 -> float32, as imag; others: themselves, and zeros */
MXI_UNARY(imag);
MXI_UNARY(conjugate);
MXI_UNARY(stop_gradient); /* a, constant to derivatives */
#undef MXI_UNARY
MX_API mx_array mx_round(mx_array a, int decimals); /* half to even */
/* Of dtype t. Integers wrap; anything but 0 is true; of complex numbers the real part stays; integers are
   rounded to floats once, by way of float32 to the types narrower than it. A float is truncated to a signed
   integer of 64 bits for 64-bit types and of 32 bits for the others, whose low bits are the result; one that
   doesn't fit, and NaN, is that integer's least value. uint32 and uint64 have their whole range. So -1 is 255
   as uint8; 3e9 and NaN are -2^31 as int32. */
MX_API mx_array mx_astype(mx_array a, mx_dtype t);
MX_API mx_array mx_nan_to_num(mx_array a, double nan, const double *posinf,
                              const double *neginf); /* NULL = largest finite */

/* ---- Elementwise, two inputs ---- */
#define MXI_BINARY(name) MX_API mx_array mx_##name(mx_array a, mx_array b)
MXI_BINARY(add);
MXI_BINARY(subtract);
MXI_BINARY(multiply);
MXI_BINARY(divide); /* true division: integers give float32 */
MXI_BINARY(floor_divide);
MXI_BINARY(remainder); /* sign of the divisor */
MXI_BINARY(power);
MXI_BINARY(maximum);
MXI_BINARY(minimum);
MXI_BINARY(logaddexp);
MXI_BINARY(arctan2);
MXI_BINARY(equal); /* bool results */
MXI_BINARY(not_equal);
MXI_BINARY(less);
MXI_BINARY(less_equal);
MXI_BINARY(greater);
MXI_BINARY(greater_equal);
MXI_BINARY(logical_and);
MXI_BINARY(logical_or);
MXI_BINARY(logical_xor);
MXI_BINARY(bitwise_and); /* integers and bool */
MXI_BINARY(bitwise_or);
MXI_BINARY(bitwise_xor);
MXI_BINARY(left_shift); /* bool counts as uint8 */
MXI_BINARY(right_shift);
#undef MXI_BINARY
MX_API mx_array mx_where(mx_array condition, mx_array x, mx_array y); /* condition: not 0 */
MX_API mx_array mx_clip(mx_array a, mx_array low, mx_array high);     /* either bound may be NULL */
/* floor_divide and remainder; 0 or -1. */
MX_API int mx_divmod(mx_array a, mx_array b, mx_array *quotient, mx_array *remainder);
/* |a - b| <= atol + rtol |b|, bool; equal_nan: NaN is close to NaN. allclose and array_equal: one bool. */
MX_API mx_array mx_isclose(mx_array a, mx_array b, double rtol, double atol, bool equal_nan);
MX_API mx_array mx_allclose(mx_array a, mx_array b, double rtol, double atol, bool equal_nan);
MX_API mx_array mx_array_equal(mx_array a, mx_array b, bool equal_nan);

/* ---- Creation ---- */
MX_API mx_array mx_zeros(mx_ints shape, mx_dtype t);
MX_API mx_array mx_ones(mx_ints shape, mx_dtype t);
MX_API mx_array mx_full(mx_ints shape, mx_array value, mx_dtype t); /* value broadcasts to the shape */
MX_API mx_array mx_zeros_like(mx_array a);
MX_API mx_array mx_ones_like(mx_array a);
/* start, start + step, ... before stop: ceil((stop - start) / step) elements. start and step are cast to t
   first; integers wrap. */
MX_API mx_array mx_arange(double start, double stop, double step, mx_dtype t);
/* num values from start to stop, evenly spaced; without endpoint the next would be stop. */
MX_API mx_array mx_linspace(double start, double stop, int64_t num, bool endpoint, mx_dtype t);
/* (n, m) with ones on diagonal k, counted upwards from the main one; tri: on it and below. */
MX_API mx_array mx_eye(int64_t n, int64_t m, int64_t k, mx_dtype t);
MX_API mx_array mx_tri(int64_t n, int64_t m, int64_t k, mx_dtype t);
/* The last two axes' lower and upper triangle from diagonal k on; zeros elsewhere. */
MX_API mx_array mx_tril(mx_array a, int64_t k);
MX_API mx_array mx_triu(mx_array a, int64_t k);

/* ---- Shape ---- */
MX_API mx_array mx_reshape(mx_array a, mx_ints shape);                /* one dim may be -1 */
MX_API mx_array mx_flatten(mx_array a, int start_axis, int end_axis); /* these axes, both included, as one */
MX_API mx_array mx_unflatten(mx_array a, int axis, mx_ints shape);    /* one dim may be -1 */
MX_API mx_array mx_squeeze(mx_array a, mx_ints axes);                 /* MX_ALL_AXES: every axis of size 1 */
MX_API mx_array mx_expand_dims(mx_array a, mx_ints axes);             /* axes of the result */
MX_API mx_array mx_transpose(mx_array a, mx_ints axes);               /* MX_ALL_AXES: reversed */
MX_API mx_array mx_swapaxes(mx_array a, int axis1, int axis2);
MX_API mx_array mx_moveaxis(mx_array a, int source, int destination);
MX_API mx_array mx_flip(mx_array a, mx_ints axes); /* MX_ALL_AXES: every one */
MX_API mx_array mx_broadcast_to(mx_array a, mx_ints shape);
enum { MX_MAX_NDIM = 32 };
/* The common shape of n shapes in out[MX_MAX_NDIM]; its ndim, or -1. */
MX_API int mx_broadcast_shapes(int n, const mx_ints *shapes, int64_t *out);
/* n arrays in out, of their common shape; 0 or -1. */
MX_API int mx_broadcast_arrays(int n, const mx_array *arrays, mx_array *out);
MX_API mx_array mx_concatenate(int n, const mx_array *arrays, int axis);
MX_API mx_array mx_stack(int n, const mx_array *arrays, int axis);
/* Parts of a along axis, cut before each of the indices: `out` receives indices.n + 1 arrays. These three
   return 0 or -1. */
MX_API int mx_split_at(mx_array a, mx_ints indices, int axis, mx_array *out);
MX_API int mx_split(mx_array a, int parts, int axis, mx_array *out); /* equal parts */
MX_API int mx_unstack(mx_array a, int axis, mx_array *out);          /* a.shape[axis] arrays */
MX_API mx_array mx_repeat(mx_array a, int64_t repeats, int axis);    /* each element, in place */
MX_API mx_array mx_tile(mx_array a, mx_ints reps); /* the whole; reps and axes end together */
/* Axis i moves by shift i, or by the only one. MX_ALL_AXES: the flattened array, by the sum of shifts. */
MX_API mx_array mx_roll(mx_array a, mx_ints shifts, mx_ints axes);
typedef enum mx_pad_mode { MX_PAD_CONSTANT, MX_PAD_EDGE, MX_PAD_REFLECT, MX_PAD_SYMMETRIC } mx_pad_mode;
/* low and high: elements before and after, one a dim, >= 0. value: one element; NULL = 0. */
MX_API mx_array mx_pad(mx_array a, mx_ints low, mx_ints high, mx_pad_mode mode, mx_array value);
/* a with row-major elements; allow_col_major: or column-major ones. */
MX_API mx_array mx_contiguous(mx_array a, bool allow_col_major);
MX_API mx_array mx_as_strided(mx_array a, mx_ints shape, mx_ints strides,
                              int64_t offset); /* of a's row-major elements */
MX_API mx_array mx_view(mx_array a,
                        mx_dtype t); /* the same bytes; the last axis scales by the ratio of sizes */
/* Diagonal `offset` of the matrices in two axes, as the last axis. */
MX_API mx_array mx_diagonal(mx_array a, int64_t offset, int axis1, int axis2);
MX_API mx_array mx_diag(mx_array a, int64_t k); /* of a matrix; or the matrix that has a vector there */
/* Array i along axis i of n, broadcast unless sparse; ij false: with the first two axes exchanged. */
MX_API int mx_meshgrid(int n, const mx_array *arrays, bool sparse, bool ij, mx_array *out);
/* The inputs, evaluated only after the dependencies; 0 or -1. */
MX_API int mx_depends(int n, const mx_array *inputs, int ndependencies, const mx_array *dependencies,
                      mx_array *out);

/* ---- Indexing ---- */
/* Elements start, start+step, ... before stop, one triple a dim; NumPy's clipping; step may be negative. */
MX_API mx_array mx_slice(mx_array a, mx_ints start, mx_ints stop, mx_ints step);
typedef enum mx_update_mode {
  MX_UPDATE_SET,
  MX_UPDATE_ADD,
  MX_UPDATE_MULTIPLY,
  MX_UPDATE_MAXIMUM,
  MX_UPDATE_MINIMUM
} mx_update_mode;
/* A copy of a with that part updated; update broadcasts to it. */
MX_API mx_array mx_slice_update(mx_array a, mx_array update, mx_ints start, mx_ints stop, mx_ints step,
                                mx_update_mode mode);
/* Slices whose start is data: an integer for each of `axes`, clamped so that the slice lies within a.
   slice_size has one size for each of a's dims. */
MX_API mx_array mx_dynamic_slice(mx_array a, mx_array start, mx_ints axes, mx_ints slice_size);
MX_API mx_array mx_dynamic_slice_update(mx_array a, mx_array update, mx_array start, mx_ints axes);
/* Indices are integers; negative ones count from the end. One out of range is MX_INDEX_ERROR at eval. */
MX_API mx_array mx_take(mx_array a, mx_array indices,
                        int axis); /* shape: a's with that axis replaced by indices' */
MX_API mx_array mx_take_flat(mx_array a, mx_array indices); /* of the flattened array */
/* Indices of a's ndim, whose other axes broadcast with a's. put: a copy of a; where indices repeat, set keeps
   the last value. */
MX_API mx_array mx_take_along_axis(mx_array a, mx_array indices, int axis);
MX_API mx_array mx_put_along_axis(mx_array a, mx_array indices, mx_array values, int axis,
                                  mx_update_mode mode);
/* indices[i] indexes axis axes[i]; they broadcast to a shape I; result I + slice_sizes (one a dim of a). */
MX_API mx_array mx_gather(mx_array a, int n, const mx_array *indices, mx_ints axes, mx_ints slice_sizes);
/* A copy of a with updates (I + a slice's shape) at such places; where they meet, set keeps the last. */
MX_API mx_array mx_scatter(mx_array a, int n, const mx_array *indices, mx_array updates, mx_ints axes,
                           mx_update_mode mode);

/* ---- Reductions ---- over axes, or MX_ALL_AXES; keepdims leaves them with size 1. Sums and products of bool
   and of integers below 32 bits are 32 bits wide; means and variances of integers are float32. min and max
   are NaN if an element is, and like argmin and argmax need an element. ---- */
MX_API mx_array mx_sum(mx_array a, mx_ints axes, bool keepdims);
MX_API mx_array mx_prod(mx_array a, mx_ints axes, bool keepdims);
MX_API mx_array mx_min(mx_array a, mx_ints axes, bool keepdims);
MX_API mx_array mx_max(mx_array a, mx_ints axes, bool keepdims);
MX_API mx_array mx_all(mx_array a, mx_ints axes, bool keepdims);
MX_API mx_array mx_any(mx_array a, mx_ints axes, bool keepdims);
MX_API mx_array mx_mean(mx_array a, mx_ints axes, bool keepdims);
/* The mean squared distance from the mean, its sum divided by count - ddof; std: its square root. */
MX_API mx_array mx_var(mx_array a, mx_ints axes, bool keepdims, double ddof);
MX_API mx_array mx_std(mx_array a, mx_ints axes, bool keepdims, double ddof);
MX_API mx_array mx_logsumexp(mx_array a, mx_ints axes, bool keepdims);
MX_API mx_array mx_argmin(mx_array a, int axis, bool keepdims); /* uint32 */
MX_API mx_array mx_argmax(mx_array a, int axis, bool keepdims);
/* Along one axis, from its end if reverse; without inclusive each result leaves its own element out. bool
   sums are int32. */
MX_API mx_array mx_cumsum(mx_array a, int axis, bool reverse, bool inclusive);
MX_API mx_array mx_cumprod(mx_array a, int axis, bool reverse, bool inclusive);
MX_API mx_array mx_cummax(mx_array a, int axis, bool reverse, bool inclusive);
MX_API mx_array mx_cummin(mx_array a, int axis, bool reverse, bool inclusive);
MX_API mx_array mx_logcumsumexp(mx_array a, int axis, bool reverse, bool inclusive);
MX_API mx_array mx_sort(mx_array a, int axis);
MX_API mx_array mx_argsort(mx_array a, int axis); /* uint32 */
/* Element kth of the sorted order in its place, none larger before it, none smaller after. */
MX_API mx_array mx_partition(mx_array a, int64_t kth, int axis);
MX_API mx_array mx_argpartition(mx_array a, int64_t kth, int axis);
MX_API mx_array mx_topk(mx_array a, int64_t k, int axis); /* the k largest, in no order */
/* Integers give float32. precise: half types are summed in float32, as this CPU backend does anyway. */
MX_API mx_array mx_softmax(mx_array a, mx_ints axes, bool precise);

/* ---- Products ---- */
MX_API mx_array mx_matmul(mx_array a, mx_array b); /* (..., M, K) (..., K, N), or vectors; not of integers */
MX_API mx_array mx_addmm(mx_array c, mx_array a, mx_array b, double alpha,
                         double beta); /* alpha a b + beta c */
/* outer: of flattened arrays. inner: over the last axes. tensordot: over pairs of axes; the result has a's
   other axes, then b's. */
MX_API mx_array mx_outer(mx_array a, mx_array b);
MX_API mx_array mx_inner(mx_array a, mx_array b);
MX_API mx_array mx_tensordot(mx_array a, mx_array b, mx_ints axes_a, mx_ints axes_b);
/* Einstein summation: "bij,bjk->bik", implicit outputs, "..." for axes that broadcast, repeated subscripts
 * for diagonals. */
MX_API mx_array mx_einsum(const char *subscripts, int n, const mx_array *operands);
/* The order in which einsum contracts: n - 1 steps, each the places of two operands (first < second) among
   those left, whose product goes to the end. The costs count multiplications and additions. */
typedef struct mx_einsum_step {
  int first, second;
} mx_einsum_step;
typedef struct mx_einsum_cost {
  int naive_scaling, scaling; /* subscripts of the whole; of the widest step */
  double naive_flops, flops;
} mx_einsum_cost;
MX_API int mx_einsum_path(const char *subscripts, int n, const mx_array *operands, mx_einsum_step *steps,
                          mx_einsum_cost *cost);
/* Products of matrices picked by flat indices into the batches of a and b, (I..., M, N); an absent index list
   takes every matrix. */
MX_API mx_array mx_gather_mm(mx_array a, mx_array b, mx_array a_indices, mx_array b_indices);
/* For each pair (start, stop) of segments (..., 2), a[:, start:stop] b[start:stop]: (..., M, N) of a (M, K)
   and b (K, N). */
MX_API mx_array mx_segmented_mm(mx_array a, mx_array b, mx_array segments);
/* The product with blocks of a, b and the result masked: a bool mask keeps or clears, another multiplies.
   Masks, which may be NULL, have one element for each block of block_size x block_size. */
MX_API mx_array mx_block_masked_mm(mx_array a, mx_array b, int block_size, mx_array mask_out, mx_array mask_a,
                                   mx_array mask_b);
/* scale times the Hadamard matrix of the last axis, of size m 2^k with m 1, 12, 20 or 28. */
MX_API mx_array mx_hadamard_transform(mx_array a, double scale);

/* ---- Sets and positions ---- */
/* The sorted distinct elements of a, flattened: `size` of them, cut off or filled up with fill (NULL: the
   first). The place of each one's first occurrence (uint32), where each element of a went (uint32, a's
   shape), and how often it occurs (int32); each of the last four may be NULL. */
MX_API int mx_unique(mx_array a, int64_t size, mx_array fill, mx_array *values, mx_array *index,
                     mx_array *inverse, mx_array *counts);
/* Where to insert values into a sorted vector so that it stays sorted: before equal elements, or after
   (right). uint32. NaN comes last. */
MX_API mx_array mx_searchsorted(mx_array sorted, mx_array values, bool right);
/* How many distinct elements a has, or -1. Evaluates a. */
MX_API int64_t mx_count_unique(mx_array a);
/* The places of the elements other than 0, (count, ndim) int64, in row-major order. Evaluates a. */
MX_API mx_array mx_argwhere(mx_array a);

/* ---- Quantisation ---- affine: w = q * scale + bias, one scale and bias for each group along the last axis
 * ---- */
typedef struct mx_quant {
  int group_size; /* 16, 32, 64 or 128; 0 = 64 */
  int bits;       /* 2 3 4 5 6 8; 0 = 4 */
} mx_quant;
/* w (..., N, K) -> packed uint32 (..., N, K * bits / 32), scales and biases (..., N, K / group_size) of w's
 * dtype. */
MX_API int mx_quantize(mx_array w, mx_quant q, mx_array *packed, mx_array *scales, mx_array *biases);
MX_API mx_array mx_dequantize(mx_array packed, mx_array scales, mx_array biases, mx_quant q);
/* x (..., M, K) times the transpose of W (N, K) (transpose), or times W (K, N). */
MX_API mx_array mx_quantized_matmul(mx_array x, mx_array packed, mx_array scales, mx_array biases,
                                    bool transpose, mx_quant q);
/* The same of matrices picked by flat indices, as mx_gather_mm. */
MX_API mx_array mx_gather_qmm(mx_array x, mx_array packed, mx_array scales, mx_array biases,
                              mx_array x_indices, mx_array indices, bool transpose, mx_quant q);

/* 8-bit floats of the kind e4m3 (1 sign, 4 exponent, 3 mantissa bits; no infinities; at most 448), in uint8.
 */
MX_API mx_array mx_to_fp8(mx_array a);
MX_API mx_array mx_from_fp8(mx_array a, mx_dtype t);
/* Groups of small floats that share one scale of 8 bits:
     mxfp4  32 of e2m1, scale a power of two     mxfp8  32 of e4m3, scale a power of two
     nvfp4  16 of e2m1, scale an e4m3, times global_scale / 2688 where one is given (float32 scalar) */
typedef enum mx_float_format { MX_MXFP4, MX_MXFP8, MX_NVFP4, MX_FLOAT_FORMAT_COUNT } mx_float_format;
/* Its name, as "mxfp4"; the elements of a group; the bits of an element. */
MX_API const char *mx_float_format_name(mx_float_format format);
MX_API int mx_float_format_group_size(mx_float_format format);
MX_API int mx_float_format_bits(mx_float_format format);
/* w (..., N, K) -> packed uint32 (..., N, K * bits / 32), scales uint8 (..., N, K / group). */
MX_API int mx_quantize_float(mx_array w, mx_float_format format, mx_array global_scale, mx_array *packed,
                             mx_array *scales);
MX_API mx_array mx_dequantize_float(mx_array packed, mx_array scales, mx_float_format format,
                                    mx_array global_scale, mx_dtype t);
/* x times the matrix (transposed, as mx_quantized_matmul), in x's dtype. */
MX_API mx_array mx_quantized_matmul_float(mx_array x, mx_array packed, mx_array scales, bool transpose,
                                          mx_float_format format);
MX_API mx_array mx_gather_qmm_float(mx_array x, mx_array packed, mx_array scales, mx_array x_indices,
                                    mx_array indices, bool transpose, mx_float_format format);
/* x times w transposed, where x, and w if it has no scales, are first rounded to the format. Its derivative
   by x and by a w that isn't packed is that of the product without rounding; mx_gather_qqmm has none. */
MX_API mx_array mx_qqmm(mx_array x, mx_array w, mx_array scales, mx_float_format format,
                        mx_array global_scale_x, mx_array global_scale_w);
MX_API mx_array mx_gather_qqmm(mx_array x, mx_array w, mx_array scales, mx_array x_indices, mx_array indices,
                               mx_float_format format, mx_array global_scale_x, mx_array global_scale_w);
MX_END
#endif
