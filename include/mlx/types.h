/* mlx.c: the types every other header uses: handles, shapes, errors, and what is asked of dtypes. */
#ifndef MLX_TYPES_H
#define MLX_TYPES_H

#include "mlx/dtype.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <initializer_list>
#define MX_BEGIN extern "C" {
#define MX_END   }
#else
#define MX_BEGIN
#define MX_END
#endif

#if defined(__GNUC__)
#define MX_API __attribute__((visibility("default")))
#else
#define MX_API
#endif

MX_BEGIN

/* Handles. An array is immutable; NULL stands for an absent optional argument. */
struct mxi_array;
typedef struct mxi_array *mx_array;
typedef struct mxi_stream *mx_stream;
typedef struct mxi_closure *mx_closure;

typedef enum mx_device_type { MX_CPU_DEVICE, MX_GPU_DEVICE } mx_device_type;
typedef struct mx_device {
  mx_device_type type;
  int index;
} mx_device;

/* A list of integers, borrowed for the length of a call: a shape, axes, strides ...
   n < 0 means "all axes" where a function says so. */
typedef struct mx_ints {
  const int64_t *v;
  int n;
} mx_ints;

#ifdef __cplusplus
/* Lives until the end of the full expression, as a C compound literal lives to the end of its block. */
static inline mx_ints mxi_ints_of(std::initializer_list<int64_t> l) {
  return mx_ints{l.begin(), (int)l.size()};
}
#define MX_SHAPE(...) mxi_ints_of({__VA_ARGS__})
#define MX_ALL_AXES   (mx_ints{nullptr, -1})
#define MX_NO_SHAPE   (mx_ints{nullptr, 0})
#else
#define MX_SHAPE(...) \
  ((mx_ints){(const int64_t[]){__VA_ARGS__}, (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))})
#define MX_ALL_AXES ((mx_ints){NULL, -1})
#define MX_NO_SHAPE ((mx_ints){NULL, 0}) /* the shape of a scalar, or an empty list */
#endif
#define MX_AXES(...) MX_SHAPE(__VA_ARGS__)

/* What went wrong in the last failed call of this thread. */
typedef enum mx_status {
  MX_OK = 0,
  MX_INVALID_ARGUMENT, /* a wrong shape, dtype or value                  (Python: ValueError)   */
  MX_TYPE_ERROR,       /* an argument of the wrong kind                  (Python: TypeError)    */
  MX_INDEX_ERROR,      /* an element index out of range                  (Python: IndexError)   */
  MX_AXIS_ERROR,       /* an axis out of range        (Python: both IndexError and ValueError)  */
  MX_OUT_OF_MEMORY,    /* (Python: MemoryError) */
  MX_IO_ERROR,         /* the system's word on a file                    (Python: OSError)      */
  MX_DEVICE_ERROR,     /* a device that is absent or failed              (Python: RuntimeError) */
  MX_INTERRUPTED,      /* an evaluation stopped by mx_interrupt      (Python: KeyboardInterrupt) */
  MX_NOT_SUPPORTED,    /* a valid request this build can't serve  (Python: NotImplementedError) */
  MX_CALLBACK_ERROR,   /* a user callback failed; the binding holds the cause                   */
  MX_RUNTIME_ERROR     /* anything else                                  (Python: RuntimeError) */
} mx_status;

/* Text of this thread's last error; "" when none. Valid until the next failed call of the thread. */
MX_API const char *mx_error(void);
/* Code of this thread's last error; MX_OK when none. */
MX_API mx_status mx_error_code(void);
/* Forgets this thread's error. */
MX_API void mx_error_clear(void);
/* Sets this thread's error, printf style; for callbacks. Returns -1. */
MX_API int mx_error_set(mx_status code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Names op in this thread's error, where it begins with "[another op]": for a function made of others. Errors
   of memory, of files and of evaluations keep the name they have, and so does one of a variant, [op_...]. */
MX_API void mx_error_name(const char *op);

/* Bytes of one element. A number that is no dtype sets the error, here and below: 0 bytes, MX_DTYPE_COUNT and
   MX_GENERIC stand for it. */
MX_API size_t mx_dtype_size(mx_dtype t);
/* Name as Python prints it, without the module: "float32". */
MX_API const char *mx_dtype_name(mx_dtype t);
/* The dtype of an op over both, by MLX's promotion table. */
MX_API mx_dtype mx_promote_types(mx_dtype a, mx_dtype b);
MX_API mx_dtype_category mx_dtype_category_of(mx_dtype t);
/* The largest finite value of an inexact dtype, for complex64 of its parts; 0 with the error set for others.
 */
MX_API double mx_dtype_max(mx_dtype t);
/* Is category a inside category b? */
MX_API bool mx_issubcategory(mx_dtype_category a, mx_dtype_category b);

MX_END
#endif
