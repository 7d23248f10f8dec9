/* The numbers that GGUF gives to types of values and of tensors. */
#ifndef MXI_IO_GGUF_TYPES_H
#define MXI_IO_GGUF_TYPES_H
#include "mlx/io.h"

/* Types of metadata, by their numbers. */
enum { MXI_GGUF_STRING = 8, MXI_GGUF_ARRAY = 9, MXI_GGUF_VALUES = 13 };
struct mxi_gguf_value_type {
  mx_dtype dtype; /* MX_DTYPE_COUNT: strings and arrays have none */
  mx_meta_kind kind;
};
extern const struct mxi_gguf_value_type mxi_gguf_values[MXI_GGUF_VALUES];

/* ggml's types of tensors. */
struct mxi_gguf_tensor_type {
  uint32_t number;
  const char *name;
  mx_dtype dtype; /* of what is an array as it stands; MX_DTYPE_COUNT: quantised */
};
/* NULL: not one of them. */
const struct mxi_gguf_tensor_type *mxi_gguf_tensor_type(uint32_t number);

/* The number of a dtype as a type of values and of tensors; MXI_GGUF_NONE where GGUF has none. */
enum { MXI_GGUF_NONE = -1 };
int mxi_gguf_value_number(mx_dtype t);
int mxi_gguf_tensor_number(mx_dtype t);
#endif
