/* npy, as npz needs it: an array inside a larger file, and a header by itself. */
#ifndef MXI_IO_NPY_H
#define MXI_IO_NPY_H
#include "io/mapping.h"
#include "io/place.h"

enum { MXI_NPY_HEADER = 1024 };
/* The array in `size` bytes from begin on, of a member of an archive; owned by the caller. place gives op and
   path of the error texts. NULL with the error set. */
mx_array mxi_npy_read(struct mxi_mapping *map, size_t begin, size_t size, const struct mxi_place *place,
                      const char *member);
/* Writes the header of an array's npy file; returns its bytes, a multiple of 64. */
size_t mxi_npy_header(char out[MXI_NPY_HEADER], mx_array a);
#endif
