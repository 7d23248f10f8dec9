/* GGUF's types of tensors, from gguf_types.def. */
#ifndef MXI_IO_GGUF_TYPES_H
#define MXI_IO_GGUF_TYPES_H
#include "core/quant.h"
#include "mlx/types.h"
#include <stddef.h>

enum mxi_gguf_kind { MXI_GGUF_ARRAY, MXI_GGUF_BLOCKS, MXI_GGUF_REFUSED };

/* Converts n blocks: n * block elements into words, n * block / group_size scales and biases (NULL: the
   format has none). */
typedef void mxi_gguf_pack(const uint8_t *blocks, size_t n, uint32_t *words, void *scales, void *biases);

struct mxi_gguf_type {
  uint32_t number;
  const char *name;
  enum mxi_gguf_kind kind;
  mx_dtype dtype; /* of an array, or of scales and biases */
  /* Of blocks: */
  enum mxi_quant_format format;
  int block; /* elements; rows are whole blocks */
  size_t block_bytes;
  int group_size;
  int bias_factor; /* the bias as a multiple of a float16 scale; 0: the file holds the bias itself */
  mxi_gguf_pack *pack;
};
const struct mxi_gguf_type *mxi_gguf_type_of(uint32_t number); /* NULL: none of them */
/* The names of the types that can be read, each behind a space. */
extern const char mxi_gguf_readable[];
/* The number of the type that arrays of a dtype have, or -1. */
int mxi_gguf_number_of(mx_dtype t);
#endif
