#include "cpu/lapack.h"
#include "base/alloc.h"
#include "base/env.h"
#include "base/error.h"
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096, NAME_BYTES = 64 };

/* The library that Python's package scipy-openblas32 has beside ours: this one is
 * site-packages/mlx/lib/libmlxc.so. */
static bool path_beside_us(char *path) {
  Dl_info here;
  if (!dladdr((void *)(size_t)mxi_lapack, &here) || !here.dli_fname) return false;
  int length = snprintf(path, PATH_BYTES, "%s", here.dli_fname);
  if (length < 0 || length >= PATH_BYTES) return false;
  for (int up = 0; up < 3; up++) {
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    *slash = 0;
  }
  size_t n = strlen(path);
  length = snprintf(path + n, PATH_BYTES - n, "/scipy_openblas32/lib/libscipy_openblas.so");
  return length >= 0 && (size_t)length < PATH_BYTES - n;
}

static void *open_library(void) {
  static const char *const system_names[] = {"libopenblas.so.0", "liblapack.so.3"};
  const char *asked = mxi_env()->lapack;
  if (asked) {
    void *library = dlopen(asked, RTLD_NOW | RTLD_LOCAL);
    if (!library)
      mxi_fail(MX_DEVICE_ERROR, "[lapack] expected a LAPACK library at MLX_LAPACK=%s, got: %s", asked,
               dlerror());
    return library;
  }
  char beside[PATH_BYTES];
  void *library = path_beside_us(beside) ? dlopen(beside, RTLD_NOW | RTLD_LOCAL) : NULL;
  for (int i = 0; i < 2 && !library; i++) library = dlopen(system_names[i], RTLD_NOW | RTLD_LOCAL);
  if (!library)
    mxi_fail(MX_DEVICE_ERROR,
             "[lapack] expected the Python package scipy-openblas32 beside this one, or libopenblas.so.0 or "
             "liblapack.so.3 in the system, or MLX_LAPACK to name a library; got none");
  return library;
}

/* Names of scipy-openblas32 have a prefix. */
static void *find_symbol(void *library, const char *name) {
  char prefixed[NAME_BYTES];
  snprintf(prefixed, sizeof prefixed, "scipy_%s", name);
  void *found = dlsym(library, prefixed);
  return found ? found : dlsym(library, name);
}

static int fill(struct mxi_lapack *l, void *library) {
  void *found;
#define FIND(slot, name)                                                                                  \
  if (!(found = find_symbol(library, name "_")))                                                          \
    return mxi_fail(MX_DEVICE_ERROR, "[lapack] expected a LAPACK library with the function %s, got none", \
                    name);                                                                                \
  memcpy(&(slot), &found, sizeof found);
#define F(name, arguments) FIND(l->name[0], "s" #name) FIND(l->name[1], "d" #name)
  MXI_LAPACK_REAL(F)
#undef F
#define F(name, arguments) FIND(l->c##name, "c" #name)
  MXI_LAPACK_COMPLEX(F)
#undef F
#undef FIND
  void (*set_threads)(int);
  found = find_symbol(library, "openblas_set_num_threads");
  memcpy(&set_threads, &found, sizeof found);
  if (found) set_threads(1);
  return 0;
}

/* No lock, so that a fork may come at any time: threads that meet here open the library each, and one table
 * stays. */
const struct mxi_lapack *mxi_lapack(void) {
  static _Atomic(struct mxi_lapack *) ready;
  struct mxi_lapack *l = atomic_load_explicit(&ready, memory_order_acquire), *none = NULL;
  if (l) return l;
  void *library = open_library();
  if (!library) return NULL;
  l = mxi_malloc(sizeof *l);
  if (!l || fill(l, library) < 0) {
    mxi_free(l);
    dlclose(library);
    return NULL;
  }
  if (atomic_compare_exchange_strong(&ready, &none, l)) return l;
  mxi_free(l);
  dlclose(library);
  return none;
}
