/* Compiled kernels kept in a folder of the user's, by the source text that they were compiled from. Several
   processes may use one folder. A file holds the whole source and a checksum: one that is cut short, damaged
   or of another source of the same hash is as good as none. What can't be read or written is not kept; none
   of it is an error. */
#ifndef MXI_CUDA_CUBINS_H
#define MXI_CUDA_CUBINS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MXI_CUBINS_MOST_MIB = 256 };

/* The folder of the environment, made if need be, or -1: only one that belongs to the user, and that nobody
   else may write to, is used. The caller closes it. */
int mxi_cubins_folder(void);
/* Opens a folder, made if need be. */
int mxi_cubins_open(const char *path);
/* The code kept for the source, which the caller frees; NULL when there is none. */
void *mxi_cubins_load(int folder, const char *source, size_t *bytes);
void mxi_cubins_save(int folder, const char *source, const void *code, size_t bytes);
/* Removes the files used least recently until those left have `most` bytes at most. Returns how many they
   have. */
uint64_t mxi_cubins_trim(int folder, uint64_t most);
#endif
