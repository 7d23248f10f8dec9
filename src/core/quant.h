/* Quantisation modes and formats, from quant.def; what ops, kernels and files know of them. */
#ifndef MXI_CORE_QUANT_H
#define MXI_CORE_QUANT_H
#include <stdbool.h>
#include <stdint.h>

enum mxi_quant_scales { MXI_SCALES_FLOAT, MXI_SCALES_E8M0, MXI_SCALES_E4M3 };
enum mxi_quant_values { MXI_VALUES_INTEGER, MXI_VALUES_E2M1, MXI_VALUES_E4M3 };

enum mxi_quant_mode {
#define MX_QUANT_MODE(ID, ...) MXI_MODE_##ID,
#include "core/quant.def"
};
enum mxi_quant_format {
#define MX_QUANT_FORMAT(ID, ...) MXI_QUANT_##ID,
#include "core/quant.def"
};
enum {
  MXI_QUANT_MODES = 0
#define MX_QUANT_MODE(...) +1
#include "core/quant.def"
  ,
  MXI_QUANT_FORMATS = 0
#define MX_QUANT_FORMAT(...) +1
#include "core/quant.def"
};

struct mxi_quant_mode_info {
  const char *name;
  int group_sizes;      /* ored */
  int group_size, bits; /* the defaults */
  enum mxi_quant_scales scales;
  bool biases;
};
struct mxi_quant_format_info {
  enum mxi_quant_mode mode;
  int bits;
  enum mxi_quant_values values;
};
/* Seen by every source, so that compilers evaluate what is asked of a constant format. */
static const struct mxi_quant_mode_info mxi_quant_modes[MXI_QUANT_MODES] = {
#define MX_QUANT_MODE(ID, name, sizes, size, bits, scales, biases) \
  [MXI_MODE_##ID] = {name, sizes, size, bits, MXI_SCALES_##scales, biases},
#include "core/quant.def"
};
static const struct mxi_quant_format_info mxi_quant_formats[MXI_QUANT_FORMATS] = {
#define MX_QUANT_FORMAT(ID, MODE, bits, values) \
  [MXI_QUANT_##ID] = {MXI_MODE_##MODE, bits, MXI_VALUES_##values},
#include "core/quant.def"
};

static inline bool mxi_quant_has_group_size(enum mxi_quant_mode m, int group_size) {
  return group_size > 0 && !(group_size & (group_size - 1)) && mxi_quant_modes[m].group_sizes & group_size;
}
static inline int mxi_quant_bits(enum mxi_quant_format f) { return mxi_quant_formats[f].bits; }
static inline enum mxi_quant_values mxi_quant_values(enum mxi_quant_format f) {
  return mxi_quant_formats[f].values;
}
static inline enum mxi_quant_scales mxi_quant_scales(enum mxi_quant_format f) {
  return mxi_quant_modes[mxi_quant_formats[f].mode].scales;
}
/* The format of a mode with so many bits; -1: it has none. */
int mxi_quant_format_of(enum mxi_quant_mode m, int bits);
#endif
