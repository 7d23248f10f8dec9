/* mlx.c: element types. */
#ifndef MLX_DTYPE_H
#define MLX_DTYPE_H

/* Element types, in promotion-table order. Sizes in bytes: mx_dtype_size. */
typedef enum mx_dtype {
  MX_BOOL,
  MX_UINT8,
  MX_UINT16,
  MX_UINT32,
  MX_UINT64,
  MX_INT8,
  MX_INT16,
  MX_INT32,
  MX_INT64,
  MX_FLOAT16,
  MX_BFLOAT16,
  MX_FLOAT32,
  MX_FLOAT64,
  MX_COMPLEX64, /* two float32: real, imaginary */
  MX_DTYPE_COUNT
} mx_dtype;

/* Families of dtypes, for mx_issubdtype. */
typedef enum mx_dtype_category {
  MX_GENERIC,
  MX_NUMBER,
  MX_INTEGER,
  MX_SIGNED_INTEGER,
  MX_UNSIGNED_INTEGER,
  MX_INEXACT,
  MX_FLOATING,
  MX_COMPLEX_FLOATING
} mx_dtype_category;
#endif
