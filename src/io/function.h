/* Exported functions as bytes; docs/design.md has the format. */
#ifndef MXI_IO_FUNCTION_H
#define MXI_IO_FUNCTION_H
#include "io/writer.h"
#include "ops/graph.h"

/* One trace of a function. Its last inputs are keywords, and have names. */
struct mxi_traced {
  struct mxi_graph graph;
  bool shapeless;
  int nnames;
  char **names; /* owned; in one allocation with their texts */
};
struct mxi_function {
  char *metadata; /* owned */
  mxi_vec(struct mxi_traced) traces;
};
void mxi_function_free(struct mxi_function *f);
void mxi_traced_free(struct mxi_traced *t);
/* Copies of the names, in traced. */
int mxi_traced_set_names(struct mxi_traced *t, int n, const char *const *names);

/* Evaluates the constants, and writes. 0 or -1. */
int mxi_function_write(const char *op, const struct mxi_target *to, const struct mxi_function *f);
/* Reads from a path, or (path NULL) a stream. What it gives has passed the ops' builders; on failure, with
   the error set, it is empty. */
int mxi_function_read(const char *op, const char *path, const mx_reader *reader, struct mxi_function *f);

/* The format, which both sides of it share. */
#define MXI_FUNCTION_MAGIC "mlx.c fn"
enum {
  MXI_FUNCTION_VERSION = 1,
  MXI_FUNCTION_ALIGN = 64,
  MXI_CONSTANT_BYTES = 0, /* its elements, with the order of its axes in memory */
  MXI_CONSTANT_FILL = 1   /* one element that is repeated */
};
#endif
