/* What a save writes to: a file that is replaced whole, or a stream, which gets the same bytes. */
#ifndef MXI_IO_WRITER_H
#define MXI_IO_WRITER_H
#include "io/replace.h"
#include "mlx/io.h"

/* Where a save goes. */
struct mxi_target {
  bool to_stream;
  const char *path; /* unless to_stream */
  mx_writer stream;
};
struct mxi_writer {
  const char *op;
  mx_writer stream; /* write NULL: the file */
  struct mxi_replacement file;
  uint64_t at; /* bytes written so far */
};
/* Can these arrays be saved there under these names? Evaluates them. Each save begins with it. */
int mxi_check_saved(const char *op, const struct mxi_target *to, int n, const char *const *names,
                    const mx_array *arrays);
int mxi_writer_open(struct mxi_writer *w, const char *op, const struct mxi_target *to);
int mxi_writer_write(struct mxi_writer *w, const void *data, size_t n);
/* Evaluates the array and hands its bytes in row-major order to `use`, whose result is the result. */
int mxi_with_rows(mx_array a, int (*use)(void *context, const void *data, size_t n), void *context);
/* Evaluates the array and writes its elements in row-major order. */
int mxi_writer_array(struct mxi_writer *w, mx_array a);
/* Ends a save with this status: with 0 the file is replaced; else it stays as it was. Frees what w holds.
   Returns 0, or -1 with the error set. */
int mxi_writer_close(struct mxi_writer *w, int status);
#endif
