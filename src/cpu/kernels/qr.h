/* QR of small matrices by Householder reflectors, a matrix at a time; LAPACK's calls would cost more than the
 * work. */
#ifndef MXI_CPU_KERNELS_QR_H
#define MXI_CPU_KERNELS_QR_H
#include "cpu/isa.h"
#include <stdint.h>

enum { MXI_QR_COLUMNS = 32 }; /* at most, and elements from row to row: rows are padded */

/* a (m, n), row-major, becomes r, with whatever was below its diagonal lost; q (m, min(m, n)) has orthonormal
   columns. Signs as LAPACK's. Elements are moderate: their squares stay in range. */
MXI_DECLARE_KERNEL(void, mxi_qr_f32, (void *a, int64_t m, int64_t n, void *q));
MXI_DECLARE_KERNEL(void, mxi_qr_f64, (void *a, int64_t m, int64_t n, void *q));
#endif
