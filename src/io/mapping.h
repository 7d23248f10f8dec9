/* A file's bytes, mapped private and read-only, or what a stream gave, in memory of its own. References are
   counted: each array over the bytes holds one. */
#ifndef MXI_IO_MAPPING_H
#define MXI_IO_MAPPING_H
#include "core/array.h"
#include "mlx/io.h"

struct mxi_mapping {
  atomic_int refs;
  const uint8_t *data;
  size_t size;
  size_t mapped;           /* bytes of the mapping: of a stream's, more than were read so far */
  const char *op;          /* of a stream, for its error texts */
  const mx_reader *reader; /* what fill reads from, while the load lasts; NULL: nothing more comes */
};
/* Maps a regular file; the caller owns one reference. NULL with the error set. */
struct mxi_mapping *mxi_mapping_open(const char *op, const char *path);
/* Memory for what a stream gives, none of it read yet. The reader must outlive the calls of fill. */
struct mxi_mapping *mxi_mapping_stream(const char *op, const mx_reader *reader);
/* Zeroed memory of `size` bytes; the maker may write to it. */
struct mxi_mapping *mxi_mapping_memory(size_t size);
/* Reads on until `size` bytes are there or the stream ends: memory grows with what comes, whatever a file
   declares. Data may move. A mapped file is there already. */
int mxi_mapping_fill(struct mxi_mapping *m, size_t size);
void mxi_mapping_unref(struct mxi_mapping *m);
/* Lets the system take back the whole pages inside [begin, end), which nothing reads again. */
void mxi_mapping_drop(struct mxi_mapping *m, size_t begin, size_t end);

/* The bytes of a tensor, or -1 when the product overflows or a dim is negative. */
int64_t mxi_tensor_bytes(mx_dtype t, mx_ints shape);
/* A ready array over the bytes at offset, which the caller has checked to lie in the file. strides NULL =
   row-major. Bytes that are not aligned for t, and bools that are neither 0 nor 1, are copied instead. Owned
   by the caller. */
mx_array mxi_mapping_array(struct mxi_mapping *m, size_t offset, mx_dtype t, mx_ints shape,
                           const int64_t *strides);
#endif
