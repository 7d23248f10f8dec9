#include "engine/program.h"
#include <stdbool.h>

void mxi_program_last_uses(const struct mxi_program *p, uint8_t *last_use) {
  for (int v = 0; v < p->ninputs; v++) last_use[v] = 0;
  for (int k = 0; k < p->ninstructions; k++) {
    const struct mxi_instruction *i = &p->instructions[k];
    last_use[p->ninputs + k] = (uint8_t)k;
    for (int s = 0; s < mxi_arity(i->op); s++) last_use[i->src[s]] = (uint8_t)k;
  }
  for (int o = 0; o < p->noutputs; o++) last_use[p->output_value[o]] = MXI_MAX_INSTRUCTIONS;
}

int mxi_program_registers(const struct mxi_program *p) {
  uint8_t last_use[MXI_MAX_VALUES];
  int ending[MXI_MAX_INSTRUCTIONS + 1] = {0}, alive = 0, most = 0;
  mxi_program_last_uses(p, last_use);
  for (int k = 0; k < p->ninstructions; k++) ending[last_use[p->ninputs + k]]++;
  for (int k = 0; k < p->ninstructions; k++) {
    bool unread = last_use[p->ninputs + k] == k;
    alive -= ending[k] - unread; // the result may take the register of an operand that ends here
    if (++alive > most) most = alive;
    alive -= unread;
  }
  return p->ninputs + most;
}

bool mxi_program_depends(const struct mxi_program *p, int out, int in) {
  bool of_it[MXI_MAX_VALUES] = {false};
  of_it[in] = true;
  for (int k = 0; k < p->ninstructions; k++)
    for (int i = 0; i < mxi_arity(p->instructions[k].op); i++)
      of_it[p->ninputs + k] |= of_it[p->instructions[k].src[i]];
  return of_it[p->output_value[out]];
}
