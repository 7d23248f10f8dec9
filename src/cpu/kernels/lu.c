/* Blocks of an LU factorisation and of triangular systems, for float and double; see lu.h. */
#include "cpu/kernels/lu.h"
#include "base/checked.h"
#include "cpu/kernels/linalg_parts.h"
#include <stdbool.h>

enum { GROUP = 8 }; /* columns of a panel factored before they update the others */

#define STEPS "cpu/kernels/lu_steps.h"
#include "cpu/kernels/float_and_double.h"
