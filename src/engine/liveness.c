#include "engine/liveness.h"

/* A step that reads one slot by two inputs must not write over it: then no reader is the last. */
void mxi_plan_mark_last_uses(struct mxi_plan *p) {
  for (size_t i = 0; i < p->slots.n; i++) p->slots.v[i].mark = -1;
  for (size_t k = p->steps.n; k--;) {
    const struct mxi_step *s = &p->steps.v[k];
    struct mxi_operand_slot *operands = p->operands.v + s->operands;
    for (int32_t i = 0; i < s->ninputs; i++) {
      struct mxi_slot *slot = &p->slots.v[operands[i].slot];
      operands[i].last = slot->mark < 0;
      if (slot->mark == (int32_t)k)
        for (int32_t j = 0; j < i; j++)
          if (operands[j].slot == operands[i].slot) operands[j].last = false;
      slot->mark = (int32_t)k;
    }
  }
}
