#include "cpu/program.h"
#include <string.h>

size_t mxi_tile_program_bytes(int ninstructions) {
  return mxi_tile_steps_offset(ninstructions) + offsetof(struct mxi_tile_steps, step) +
         2 * (size_t)ninstructions * sizeof(struct mxi_tile_step);
}

static void allocate_registers(const struct mxi_program *from, struct mxi_tile_program *to) {
  uint8_t last_use[MXI_MAX_VALUES], reg[MXI_MAX_VALUES];
  mxi_program_last_uses(from, last_use);
  to->ninstructions = from->ninstructions;
  to->ninputs = to->nregisters = from->ninputs;
  to->noutputs = from->noutputs;
  memcpy(to->input_type, from->input_type, sizeof to->input_type);
  memcpy(to->output_type, from->output_type, sizeof to->output_type);
  for (int i = 0; i < from->ninputs; i++) reg[i] = (uint8_t)i;
  uint32_t busy = (1u << from->ninputs) - 1;
  for (int k = 0; k < from->ninstructions; k++) {
    const struct mxi_instruction *i = &from->instructions[k];
    struct mxi_tile_instruction *t = &to->instructions[k];
    int value = from->ninputs + k, arity = mxi_arity(i->op);
    *t = (struct mxi_tile_instruction){.op = i->op, .type = i->type, .to = i->to};
    for (int s = 0; s < arity; s++) {
      t->src[s] = reg[i->src[s]];
      if (i->src[s] >= from->ninputs && last_use[i->src[s]] == k) busy &= ~(1u << reg[i->src[s]]);
    }
    t->dst = reg[value] = (uint8_t)__builtin_ctz(~busy);
    if (last_use[value] != k) busy |= 1u << t->dst; // else nothing reads it
    if (t->dst >= to->nregisters) to->nregisters = t->dst + 1;
  }
  for (int o = 0; o < from->noutputs; o++) to->output_register[o] = reg[from->output_value[o]];
}

void mxi_make_tile_program(const struct mxi_program *from, void *tile_program) {
  allocate_registers(from, tile_program);
  MXI_DISPATCH(mxi_tiles_prepare)(tile_program);
}
