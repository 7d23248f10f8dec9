#include "core/quant.h"
#include "base/error.h"
#include "mlx/ops.h"

/* Each mode has its defaults, and each format fits its values. */
#define MX_QUANT_MODE(ID, name, sizes, size, bits, scales, biases)                               \
  _Static_assert(((sizes) & (size)) && !((size) & ((size)-1)), name ": its default group size"); \
  _Static_assert((biases) == (MXI_SCALES_##scales == MXI_SCALES_FLOAT),                          \
                 name ": biases have the scales' dtype");
#include "core/quant.def"
enum { INTEGER_BITS = 8, E2M1_BITS = 4, E4M3_BITS = 8 };
#define MX_QUANT_FORMAT(ID, MODE, bits, values)                                            \
  _Static_assert(bits >= 2 && bits <= values##_BITS &&                                     \
                     (MXI_VALUES_##values == MXI_VALUES_INTEGER || bits == values##_BITS), \
                 #ID ": bits of its values");
#include "core/quant.def"

/* The modes from the second on are mx_float_format, in its order. */
enum { MX_AFFINE = -1 };
#define MX_QUANT_MODE(ID, ...)                                                                          \
  _Static_assert((int)MX_##ID == (int)MXI_MODE_##ID - 1, "quant.def and mx_float_format list the same " \
                                                         "modes");
#include "core/quant.def"
_Static_assert(MX_FLOAT_FORMAT_COUNT == MXI_QUANT_MODES - 1,
               "quant.def and mx_float_format list the same modes");

int mxi_quant_format_of(enum mxi_quant_mode m, int bits) {
  for (int f = 0; f < MXI_QUANT_FORMATS; f++)
    if (mxi_quant_formats[f].mode == m && mxi_quant_formats[f].bits == bits) return f;
  return -1;
}

/* ---- What the public API says of the float formats ---- */
const char *mx_float_format_name(mx_float_format format) {
  return (unsigned)format < MX_FLOAT_FORMAT_COUNT ? mxi_quant_modes[format + 1].name : "no format";
}
static int check_float_format(const char *op, mx_float_format format) {
  if ((unsigned)format < MX_FLOAT_FORMAT_COUNT) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a format, got %d", op, (int)format);
}
int mx_float_format_group_size(mx_float_format format) {
  MXI_TRY(check_float_format("float_format_group_size", format));
  return mxi_quant_modes[format + 1].group_size;
}
int mx_float_format_bits(mx_float_format format) {
  MXI_TRY(check_float_format("float_format_bits", format));
  return mxi_quant_modes[format + 1].bits;
}
