/* Blocks of an LU factorisation and of triangular systems, for float and double; see lu.h. */
#include "cpu/kernels/lu.h"
#include "base/checked.h"
#include "cpu/kernels/linalg_parts.h"
#include <stdbool.h>

enum { GROUP = 8 }; /* columns of a panel factored before they update the others */

#define T        float
#define V        vf32
#define I        int32_t
#define LANES    MXI_VL
#define NAME(op) op##_f32
#include "cpu/kernels/lu_steps.h"
#undef T
#undef V
#undef I
#undef LANES
#undef NAME
#define T        double
#define V        vf64
#define I        int64_t
#define LANES    MXI_VD
#define NAME(op) op##_f64
#include "cpu/kernels/lu_steps.h"
