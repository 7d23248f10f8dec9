/* Householder's QR for float and double; see qr.h. With v = (1, x[1:] / (x[0] - beta)), beta = -sign(x[0])
   |x| and tau = (beta - x[0]) / beta, I - tau v v^T takes x to (beta, 0 ...). */
#include "cpu/kernels/qr.h"
#include "base/checked.h"
#include "cpu/kernels/linalg_parts.h"

enum { ROW = MXI_QR_COLUMNS };

#define T        float
#define V        vf32
#define I        int32_t
#define LANES    MXI_VL
#define NAME(op) op##_f32
#include "cpu/kernels/qr_steps.h"
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
#include "cpu/kernels/qr_steps.h"
