/* Finds and opens the library that has LAPACK, where memory and threads allow what it takes when it is
   opened: OpenBLAS ends the process or signals it where they don't. */
#ifndef MXI_CPU_LAPACK_OPEN_H
#define MXI_CPU_LAPACK_OPEN_H
#include <stdbool.h>
#include <stddef.h>

struct mxi_lapack_library {
  void *handle;        /* of dlopen */
  bool shared;         /* others may use it: what they set must stay */
  size_t buffer_bytes; /* of OpenBLAS's buffers, one for each thread that calls it at once */
};
/* 0; or -1 with the error set, after which it may be tried again. */
int mxi_lapack_open(struct mxi_lapack_library *l);
/* The library's function, whose name may have the prefix of scipy-openblas32; NULL where there is none. */
void *mxi_lapack_symbol(const struct mxi_lapack_library *l, const char *name);
/* May so many bytes be mapped now? */
bool mxi_lapack_memory_for(size_t bytes);
#endif
