/* The CPU backend: one function a primitive. */
#include "cpu/cpu.h"
#include "cpu/float_mode.h"
#include "cpu/fused.h"
#include "cpu/isa.h"
#include "cpu/locals.h"
#include "cpu/program.h"

static int (*const functions[MXI_PRIM_COUNT])(struct mxi_call *) = {
#define MX_PRIM(ID, ...) [MXI_##ID] = mxi_cpu_##ID,
#include "core/prims_other.def"
#undef MX_PRIM
};

static int launch(struct mxi_call *c) {
  if (mxi_isa_check() < 0 || mxi_locals_ready() < 0) return mxi_untouched(c);
  return c->prim ? functions[c->prim->id](c) : mxi_run_program(c);
}

static void enter(unsigned *saved) { *saved = mxi_float_mode_enter(); }
static void leave(const unsigned *saved) { mxi_float_mode_leave(*saved); }

const struct mxi_backend mxi_cpu_backend = {
    .limits = {.inputs = MXI_MAX_OPERANDS,
               .outputs = MXI_MAX_OPERANDS,
               .operands = 2 * MXI_MAX_OPERANDS,
               .instructions = MXI_MAX_INSTRUCTIONS,
               .registers = MXI_MAX_REGISTERS},
    .prepared_bytes = mxi_tile_program_bytes,
    .prepare = mxi_make_tile_program,
    .launch = launch,
    .enter = enter,
    .leave = leave,
};
