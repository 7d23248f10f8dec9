/* A loaded file: names with arrays in the file's order, and metadata. */
#ifndef MXI_IO_FILE_H
#define MXI_IO_FILE_H
#include "base/vec.h"
#include "core/array.h"
#include "io/place.h"
#include "mlx/io.h"

struct mxi_tensor {
  char *name;
  mx_array array; /* owned */
};
struct mxi_meta_entry {
  mx_meta meta;  /* first: a pointer to it is handed out */
  char *storage; /* one block: the strings and the list of pointers to them */
};
struct mxi_file {
  mxi_vec(struct mxi_tensor) tensors;
  mxi_vec(struct mxi_meta_entry) meta;
  int *tensor_order, *meta_order; /* indices sorted by name, for look-up */
};
mx_file mxi_file_new(void);
/* Adds a tensor under a copy of name (n bytes). Takes over the caller's reference also on failure; a NULL
   array is the failure that made it. */
int mxi_file_add(mx_file f, const char *name, size_t n, mx_array array);
/* Adds an entry with a copy of key; returns it to be filled, or NULL. Valid until the next one is added. */
struct mxi_meta_entry *mxi_file_add_meta(mx_file f, const char *key, size_t n);
/* Fills an entry with a copy of a string. */
int mxi_meta_set_string(struct mxi_meta_entry *e, const char *s, size_t n);
/* Sorts the names; two equal ones are an error that names the file. */
int mxi_file_finish(mx_file f, struct mxi_place *place);
#endif
