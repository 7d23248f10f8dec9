/* Files. Every number in a file is checked; a bad file gives MX_INVALID_ARGUMENT (MX_IO_ERROR where the
   system failed) with the file's name and the place.
   A file of less than 16 MiB is read. Tensors of a larger one are views of the mapped file where its layout
   allows; once it is cut short or written over, evals and reads of them fail with MX_IO_ERROR.
   Saving needs the rights of a plain write. It writes a temporary file beside the target, syncs, and renames;
   or it writes in place, where a rename can't be or would change the owner. */
#ifndef MLX_IO_H
#define MLX_IO_H
#include "mlx/array.h"
MX_BEGIN

/* Names with arrays, in the file's order, and metadata. Free with mx_file_free; the arrays are kept by it
 * until then. */
typedef struct mxi_file *mx_file;
typedef enum mx_meta_kind {
  MX_META_STRING,
  MX_META_INT,
  MX_META_DOUBLE,
  MX_META_BOOL,
  MX_META_STRINGS,
  MX_META_ARRAY
} mx_meta_kind;
typedef struct mx_meta {
  const char *key;
  mx_meta_kind kind;
  const char *string;         /* MX_META_STRING */
  int64_t integer;            /* MX_META_INT and MX_META_BOOL */
  double number;              /* MX_META_DOUBLE */
  const char *const *strings; /* MX_META_STRINGS */
  int64_t nstrings;
  mx_array array; /* MX_META_ARRAY: a vector of numbers (and MX_META_INT/DOUBLE/BOOL: a scalar of the file's
                     dtype) */
} mx_meta;

/* A stream instead of a path. name stands in error texts; NULL is "a stream". read gives at most n bytes and
   returns their number, 0 at the end; write takes all n bytes and returns 0. Each returns -1 to fail, having
   called mx_error_set. */
typedef struct mx_reader {
  void *context;
  const char *name;
  int64_t (*read)(void *context, void *data, size_t n);
} mx_reader;
typedef struct mx_writer {
  void *context;
  const char *name;
  int (*write)(void *context, const void *data, size_t n);
} mx_writer;

/* mx_load_ reads a path, mx_read_ a stream: once, from where it stands; npy to the array's end, the others to
   the stream's. */
MX_API mx_file mx_load_safetensors(const char *path);
MX_API mx_file mx_read_safetensors(mx_reader reader);
/* F32 F16 BF16 F64 and I8..I64 tensors as they are. Quantised ones without loss in the affine form:
   "x.weight" of K columns becomes packed uint32 "x.weight", "x.scales", "x.biases". Q4_0 Q4_1 Q5_0 Q5_1 Q8_0:
   4, 5 or 8 bits in groups of 32 with scales of float16. Q4_K Q5_K: groups of 32, Q2_K Q3_K Q6_K: groups of
   16, with scales of float32. In general the group has K / (columns of scales) elements of 32 * (columns of
   weight) / K bits. MXFP4 becomes "x.weight" and uint8 "x.scales" of mode mxfp4. */
MX_API mx_file mx_load_gguf(const char *path);
MX_API mx_file mx_read_gguf(mx_reader reader);
/* npz: a zip archive of npy members, stored or deflated; names lose their ".npy". Stored members are used in
   place, and only the others' checksums are verified. */
MX_API mx_file mx_load_npz(const char *path);
MX_API mx_file mx_read_npz(mx_reader reader);
MX_API void mx_file_free(mx_file f);
MX_API int mx_file_count(mx_file f);
MX_API const char *mx_file_name(mx_file f, int i);
MX_API mx_array mx_file_array(mx_file f, int i);          /* borrowed from the file */
MX_API mx_array mx_file_get(mx_file f, const char *name); /* NULL when absent; no error */
MX_API int mx_file_meta_count(mx_file f);
MX_API const mx_meta *mx_file_meta(mx_file f, int i);
MX_API const mx_meta *mx_file_meta_get(mx_file f, const char *key); /* NULL when absent */

/* mx_save_ replaces the file at a path, mx_write_ writes the same bytes to a stream. */
MX_API int mx_save_safetensors(const char *path, int n, const char *const *names, const mx_array *arrays,
                               int nmeta, const char *const *keys, const char *const *values);
MX_API int mx_write_safetensors(mx_writer writer, int n, const char *const *names, const mx_array *arrays,
                                int nmeta, const char *const *keys, const char *const *values);
/* F32 F16 BF16 F64 and I8..I64 tensors. A metadata entry with an array is a number or vector of its dtype. */
MX_API int mx_save_gguf(const char *path, int n, const char *const *names, const mx_array *arrays, int nmeta,
                        const mx_meta *meta);
MX_API int mx_write_gguf(mx_writer writer, int n, const char *const *names, const mx_array *arrays, int nmeta,
                         const mx_meta *meta);
/* Stored members are aligned to 64 bytes, so that they load in place; compressed ones are deflated. */
MX_API int mx_save_npz(const char *path, int n, const char *const *names, const mx_array *arrays,
                       bool compressed);
MX_API int mx_write_npz(mx_writer writer, int n, const char *const *names, const mx_array *arrays,
                        bool compressed);
MX_API mx_array mx_load_npy(const char *path); /* owned by the scope */
MX_API mx_array mx_read_npy(mx_reader reader);
MX_API int mx_save_npy(const char *path, mx_array a);
MX_API int mx_write_npy(mx_writer writer, mx_array a);
MX_END
#endif
