/* Included by a kernel file that has defined STEPS: gives that file twice, for float and for double. In it T
 * is the element type, V its vector of LANES elements, I the integer of the same size, and NAME(op) what op
 * is called for the type. */
#define T        float
#define V        vf32
#define I        int32_t
#define LANES    MXI_VL
#define NAME(op) op##_f32
#include STEPS
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
#include STEPS
