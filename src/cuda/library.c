#include "cuda/library.h"
#include "base/env.h"
#include "base/error.h"
#include "base/lock.h"
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 4096, OPEN = 1, MISSING = -1 };

bool mxi_cuda_emulated(void) {
#ifdef MXI_MOCK
  return mxi_env()->cuda_driver;
#else
  return false;
#endif
}

/* The folder that holds the package: this library is site-packages/mlx/lib/libmlxc.so. */
static bool packages_folder(char *path) {
  Dl_info here;
  if (!dladdr((void *)(size_t)mxi_cuda_library_open, &here) || !here.dli_fname) return false;
  if (snprintf(path, PATH_BYTES, "%s", here.dli_fname) >= PATH_BYTES) return false;
  for (int up = 0; up < 3; up++) {
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    *slash = 0;
  }
  return true;
}

static void *open_library(const struct mxi_cuda_library *l) {
  char path[PATH_BYTES];
  if (mxi_cuda_emulated()) return dlopen(mxi_env()->cuda_driver, RTLD_NOW | RTLD_LOCAL);
  if (l->folder && packages_folder(path)) {
    size_t n = strlen(path);
    int length = snprintf(path + n, PATH_BYTES - n, "/nvidia/%s/%s", l->folder, l->soname);
    void *handle = length > 0 && (size_t)length < PATH_BYTES - n ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (handle) return handle;
  }
  return dlopen(l->soname, RTLD_NOW | RTLD_LOCAL);
}

static int find_symbols(struct mxi_cuda_library *l, void **functions) {
  void *handle = open_library(l);
  if (!handle) {
    const char *error = dlerror();
    snprintf(l->why, sizeof l->why, "%s", error ? error : "it can't be opened");
    return MISSING;
  }
  for (int i = 0; i < l->nsymbols; i++)
    if (!(functions[i] = dlsym(handle, l->symbols[i]))) {
      snprintf(l->why, sizeof l->why, "it lacks %s", l->symbols[i]);
      return MISSING;
    }
  return OPEN;
}

int mxi_cuda_library_open(struct mxi_cuda_library *l, void **functions) {
  mxi_lock(MXI_LOCK_CUDA_LIBRARIES);
  if (!l->outcome) l->outcome = find_symbols(l, functions);
  mxi_unlock(MXI_LOCK_CUDA_LIBRARIES);
  if (l->outcome == OPEN) return 0;
  if (!l->wheel)
    return mxi_fail(MX_DEVICE_ERROR, "[cuda] expected NVIDIA's driver (%s), got none: %s", l->soname, l->why);
  return mxi_fail(MX_DEVICE_ERROR,
                  "[cuda] expected %s (%s), got none: %s; `pip install %s` brings it, and "
                  "`pip install \"mlx.c[cuda]\"` all that a GPU needs",
                  l->name, l->soname, l->why, l->wheel);
}
