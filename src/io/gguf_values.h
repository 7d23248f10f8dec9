/* The numbers that GGUF gives to the types of metadata. */
#ifndef MXI_IO_GGUF_VALUES_H
#define MXI_IO_GGUF_VALUES_H
#include "mlx/io.h"

enum { MXI_GGUF_VALUE_STRING = 8, MXI_GGUF_VALUE_ARRAY = 9, MXI_GGUF_VALUE_TYPES = 13 };
struct mxi_gguf_value_type {
  mx_dtype dtype; /* MX_DTYPE_COUNT: strings and arrays have none */
  mx_meta_kind kind;
};
extern const struct mxi_gguf_value_type mxi_gguf_values[MXI_GGUF_VALUE_TYPES];

/* The number of a dtype; -1 where GGUF has no values of it. */
int mxi_gguf_value_number(mx_dtype t);
#endif
