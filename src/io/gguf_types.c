#include "io/gguf_types.h"
#include "io/quants.h"

static const struct mxi_gguf_type types[] = {
#define GGUF_ARRAY(number, name, T) {number, #name, MXI_GGUF_ARRAY, .dtype = MX_##T},
#define GGUF_BLOCKS(number, name, block, bytes, format, group, dtype, factor) \
  {number, #name, MXI_GGUF_BLOCKS, MX_##dtype, MXI_QUANT_##format,            \
   block,  bytes, group,           factor,     mxi_pack_##name},
#define GGUF_REFUSED(number, name) {number, #name, MXI_GGUF_REFUSED, .dtype = MX_UINT8},
#include "io/gguf_types.def"
};
enum { NTYPES = sizeof types / sizeof *types };

/* The facts that core/quant.def tells of a format's mode, as constants. */
enum {
#define MX_QUANT_MODE(ID, name, sizes, ...) SIZES_##ID = sizes,
#include "core/quant.def"
#define MX_QUANT_MODE(ID, name, sizes, size, bits, scales, biases) BYTE_SCALES_##ID = !(biases),
#include "core/quant.def"
#define MX_QUANT_FORMAT(ID, MODE, ...) SIZES_OF_##ID = SIZES_##MODE, BYTE_SCALES_OF_##ID = BYTE_SCALES_##MODE,
#include "core/quant.def"
};
#define GGUF_BLOCKS(number, name, block, bytes, format, group, dtype, factor)                          \
  _Static_assert((SIZES_OF_##format & (group)) == (group) && (block) % (group) == 0,                   \
                 #name ": its group size");                                                            \
  _Static_assert((MX_##dtype == MX_UINT8) == BYTE_SCALES_OF_##format, #name ": its scales");           \
  _Static_assert((factor) == 0 || MX_##dtype == MX_FLOAT16, #name ": biases that are made of float16 " \
                                                                  "scales");
#include "io/gguf_types.def"

const struct mxi_gguf_type *mxi_gguf_type_of(uint32_t number) {
  for (int i = 0; i < NTYPES; i++)
    if (types[i].number == number) return &types[i];
  return NULL;
}

const char mxi_gguf_readable[] =
#define GGUF_ARRAY(number, name, ...)  " " #name
#define GGUF_BLOCKS(number, name, ...) " " #name
#include "io/gguf_types.def"
    ;

int mxi_gguf_number_of(mx_dtype t) {
  for (int i = 0; i < NTYPES; i++)
    if (types[i].kind == MXI_GGUF_ARRAY && types[i].dtype == t) return (int)types[i].number;
  return -1;
}
