/* The CPU backend: one function a primitive. */
#include "cpu/cpu.h"
#include "cpu/fused.h"
#include "cpu/isa.h"
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#define MX_PRIM(ID, text, flags, ...) int mxi_cpu_##ID(struct mxi_call *c);
#include "core/prims_other.def"
#undef MX_PRIM

const mxi_cpu_fn mxi_cpu_table[MXI_PRIM_COUNT] = {
#define MX_PRIM(ID, text, flags, ...) [MXI_##ID] = mxi_cpu_##ID,
#include "core/prims_other.def"
#undef MX_PRIM
};

static int run_node(struct mxi_call *c) {
  MXI_TRY(mxi_isa_check());
  return mxi_cpu_table[c->prim->id](c);
}

static int run_program(const struct mxi_program *p, const struct mxi_reduction *r, mx_ints shape,
                       mx_array *in, mx_array *out, uint64_t donatable) {
  MXI_TRY(mxi_isa_check());
  return r ? mxi_run_reduction(p, r, in, out[0]) : mxi_run_elementwise(p, shape, in, out, donatable);
}

/* Round to nearest, no flushing of subnormals, exceptions masked: results must not depend on the caller's
 * mode. */
static void enter(unsigned *saved) {
#if defined(__x86_64__)
  *saved = _mm_getcsr();
  if ((*saved & ~0x3fu) != 0x1f80) _mm_setcsr(0x1f80);
#endif
}
static void leave(const unsigned *saved) {
#if defined(__x86_64__)
  if ((*saved & ~0x3fu) != 0x1f80) _mm_setcsr(*saved);
#endif
}

static const struct mxi_backend cpu = {run_node, run_program, enter, leave};
const struct mxi_backend *mxi_backend_of(mx_device d) {
  (void)d; // streams of absent devices can't be made
  return &cpu;
}
