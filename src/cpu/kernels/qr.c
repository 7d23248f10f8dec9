/* Householder's QR for float and double; see qr.h. With v = (1, x[1:] / (x[0] - beta)), beta = -sign(x[0])
   |x| and tau = (beta - x[0]) / beta, I - tau v v^T takes x to (beta, 0 ...). */
#include "cpu/kernels/qr.h"
#include "base/checked.h"
#include "cpu/kernels/linalg_parts.h"

enum { ROW = MXI_QR_COLUMNS };

#define STEPS "cpu/kernels/qr_steps.h"
#include "cpu/kernels/float_and_double.h"
