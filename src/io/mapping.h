/* A file's bytes while it is loaded, and the arrays over them. A file of some size is mapped and used in
   place; a smaller one is read into a buffer, a stream into memory of its own. References are counted: each
   array that stays over the bytes holds one. */
#ifndef MXI_IO_MAPPING_H
#define MXI_IO_MAPPING_H
#include "core/mapped.h"
#include "mlx/io.h"

struct mxi_mapping {
  atomic_int refs;
  const uint8_t *data;
  size_t size;
  struct mxi_mapped *file; /* of a mapped file */
  mx_buffer *memory;       /* of a file that was read, or an inflated member */
  size_t room;             /* of a stream: bytes of its memory, more than were read so far */
  const char *op;          /* of a stream, for its error texts */
  const mx_reader *reader; /* what fill reads from, while the load lasts; NULL: nothing more comes */
};
/* Reads or maps a regular file; the caller owns one reference. NULL with the error set. */
struct mxi_mapping *mxi_mapping_open(const char *op, const char *path);
/* Memory for what a stream gives, none of it read yet. The reader must outlive the calls of fill. */
struct mxi_mapping *mxi_mapping_stream(const char *op, const mx_reader *reader);
/* Memory of `size` bytes, for the maker to write to. */
struct mxi_mapping *mxi_mapping_memory(size_t size);
/* Reads on until `size` bytes are there or the stream ends: memory grows with what comes, whatever a file
   declares. Data may move. A file is there already. */
int mxi_mapping_fill(struct mxi_mapping *m, size_t size);
void mxi_mapping_unref(struct mxi_mapping *m);
/* Ends a load with this status, and lets go of the loader's reference. Returns it, or -1 with MX_IO_ERROR
   when the file has changed meanwhile, whatever was made of it. */
int mxi_mapping_close(struct mxi_mapping *m, int status);
/* Lets the system take back the whole pages inside [begin, end), which nothing reads again. */
void mxi_mapping_drop(struct mxi_mapping *m, size_t begin, size_t end);
/* For tests: files from this size on are mapped. Returns what it was. */
size_t mxi_set_mapped_from(size_t bytes);

/* The bytes of a tensor, or -1 when the product overflows or a dim is negative. */
int64_t mxi_tensor_bytes(mx_dtype t, mx_ints shape);
/* A ready array of the bytes at offset, which the caller has checked to lie in the file. strides NULL =
   row-major. In place where they are aligned and many enough, else a copy. Bools are copied, as 0 and 1.
   Owned by the caller. */
mx_array mxi_mapping_array(struct mxi_mapping *m, size_t offset, mx_dtype t, mx_ints shape,
                           const int64_t *strides);
#endif
