/* Each stream has a ring of slots on the device. The same bits are asked for again and again (the offset of a
   position in every layer, an epsilon in every step), so they are copied once and found by hash. A slot that
   is taken anew is written in the stream's order, behind what reads its old bits. */
#include "cuda/constants.h"
#include "base/alloc.h"
#include "cuda/context.h"
#include "cuda/stream.h"
#include "cuda/transfer.h"

enum { SLOTS = 1024, LOG_ENTRIES = 12, ENTRIES = 1 << LOG_ENTRIES };

struct mxi_cuda_constants {
  uint64_t *device; /* (SLOTS), on the device */
  uint64_t bits[SLOTS];
  unsigned next, used;       /* the slot to take next; how many hold something */
  uint16_t slot_of[ENTRIES]; /* by hash of the bits: which slot may have them */
};

static struct mxi_cuda_constants *make(void) {
  CUdeviceptr memory;
  struct mxi_cuda_constants *k = mxi_calloc(1, sizeof *k);
  if (!k) return NULL;
  if (mxi_cuda_check(mxi_cuda.cuMemAlloc_v2(&memory, sizeof k->bits), "cuMemAlloc") < 0) {
    mxi_free(k);
    return NULL;
  }
  k->device = (uint64_t *)memory;
  return k;
}

static unsigned entry_of(uint64_t bits) {
  return (unsigned)(bits * 0x9e3779b97f4a7c15u >> (64 - LOG_ENTRIES));
}

const void *mxi_cuda_constant(mx_stream stream, uint64_t bits) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  if (!s || (!s->constants && !(s->constants = make()))) return NULL;
  struct mxi_cuda_constants *k = s->constants;
  uint16_t *entry = &k->slot_of[entry_of(bits)];
  if (*entry < k->used && k->bits[*entry] == bits) return k->device + *entry;
  unsigned slot = k->next;
  if (mxi_cuda_put(stream, k->device + slot, &bits, sizeof bits) < 0) return NULL;
  k->bits[slot] = bits;
  k->next = (slot + 1) % SLOTS;
  if (k->used < SLOTS) k->used++;
  *entry = (uint16_t)slot;
  return k->device + slot;
}
