#include "cuda/custom_loaded.h"
#include "base/alloc.h"
#include "base/error.h"
#include "cuda/context.h"
#include <string.h>

enum { MOST_KERNELS = 512 };
static struct mxi_lru kernels; // under MXI_LOCK_CUDA_CUSTOM

static bool same_code(const struct mxi_lru_entry *e, const void *key) {
  const struct mxi_kernel_code *a = ((const struct mxi_custom_kernel *)e)->code, *b = key;
  return a == b || (a->is_source == b->is_source && a->bytes == b->bytes && !strcmp(a->entry, b->entry) &&
                    !memcmp(a->code, b->code, a->bytes));
}

static void kernel_free(struct mxi_custom_kernel *k) {
  mxi_object *code = &k->code->object;
  if (k->loaded.library) mxi_cuda.cuLibraryUnload(k->loaded.library);
  if (atomic_fetch_sub(&code->refs, 1) == 1) code->release(code);
  mxi_free(k->offsets);
  mxi_free(k);
}

/* Those that were not used for longest go, once nothing runs. */
static void drop_oldest(void) {
  if (kernels.n <= MOST_KERNELS || mxi_cuda.cuCtxSynchronize() != CUDA_SUCCESS) return;
  for (int i = 0; i < MOST_KERNELS / 4; i++) {
    struct mxi_custom_kernel *k = (struct mxi_custom_kernel *)mxi_lru_take_oldest(&kernels);
    if (k) kernel_free(k);
  }
}

/* What its parameters are, asked of the code itself. */
static int read_parameters(struct mxi_custom_kernel *k) {
  size_t offset, bytes;
  uint16_t offsets[MXI_CUSTOM_PARAMETERS];
  while (k->nparameters < MXI_CUSTOM_PARAMETERS &&
         mxi_cuda.cuFuncGetParamInfo(k->loaded.function, (size_t)k->nparameters, &offset, &bytes) ==
             CUDA_SUCCESS) {
    offsets[k->nparameters++] = (uint16_t)offset;
    k->bytes = offset + bytes;
  }
  size_t room = (size_t)(k->nparameters + 1) * sizeof *offsets;
  if (!(k->offsets = mxi_malloc(room))) return -1;
  memcpy(k->offsets, offsets, (size_t)k->nparameters * sizeof *offsets);
  return 0;
}

static int load(struct mxi_custom_kernel *k) {
  const struct mxi_kernel_code *code = k->code;
  struct mxi_loaded_kernel loaded;
  int result = code->is_source ? mxi_compiler_load_source(code->code, code->entry, &loaded)
                               : mxi_compiler_load_code(code->code, code->entry, &loaded);
  MXI_TRY(result);
  k->loaded = loaded;
  return read_parameters(k);
}

struct mxi_custom_kernel *mxi_custom_kernel_of(struct mxi_kernel_code *code) {
  struct mxi_custom_kernel *k =
      (struct mxi_custom_kernel *)mxi_lru_find(&kernels, code->hash, same_code, code);
  if (k || !(k = mxi_calloc(1, sizeof *k))) return k;
  atomic_fetch_add(&code->object.refs, 1);
  k->code = code;
  if (load(k) < 0 || mxi_lru_put(&kernels, &k->entry, code->hash) < 0) {
    kernel_free(k);
    return NULL;
  }
  drop_oldest();
  return k;
}
