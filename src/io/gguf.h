/* The state of a GGUF reader, shared by gguf.c, gguf_meta.c and gguf_take.c. */
#ifndef MXI_IO_GGUF_H
#define MXI_IO_GGUF_H
#include "io/file.h"
#include "io/mapping.h"
#include "io/spans.h"

struct mxi_gguf {
  struct mxi_place place;
  struct mxi_mapping *map;
  size_t at;          /* the next byte to read; never beyond the file */
  size_t data;        /* where the tensors' bytes start */
  uint32_t alignment; /* of the tensors: general.alignment */
  mx_file file;
  mxi_spans spans;
  mxi_vec(char *) names; /* the tensors' names, owned */
};
int mxi_gguf_take(struct mxi_gguf *g, void *out, size_t n);
/* A string of n bytes in the mapping, without a NUL behind it. */
int mxi_gguf_take_string(struct mxi_gguf *g, const char **s, size_t *n);
/* Reads n metadata entries into the file, and the alignment. */
int mxi_gguf_read_meta(struct mxi_gguf *g, uint64_t n);
#endif
