/* mlx.c: lazy arrays in C. The umbrella header. */
#ifndef MLX_MLX_H
#define MLX_MLX_H
#include "mlx/types.h"
#include "mlx/array.h"
#include "mlx/ops.h"
#include "mlx/random.h"
#include "mlx/fast.h"
#include "mlx/conv.h"
#include "mlx/fft.h"
#include "mlx/linalg.h"
#include "mlx/transforms.h"
#include "mlx/io.h"
#include "mlx/export.h"
#endif
