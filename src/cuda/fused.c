#include "cuda/fused.h"
#include "cuda/compiled.h"
#include "cuda/cuda.h"
#include "cuda/fused_reduction.h"
#include "cuda/fused_region.h"
#include "cuda/interpreter.h"

struct prepared {
  struct mxi_compiled *compiled; /* NULL: none */
};
size_t mxi_cuda_prepared_bytes(int ninstructions) { return sizeof(struct prepared); }
void mxi_cuda_prepare(const struct mxi_program *program, void *prepared) {
  ((struct prepared *)prepared)->compiled = mxi_compiled_take(program);
}
void mxi_cuda_forget_program(void *prepared) {
  mxi_compiled_release(((struct prepared *)prepared)->compiled);
}

/* Runs the program's own kernel if there is one: true, with the result. */
static bool run_compiled(const struct mxi_call *c, struct mxi_compiled *compiled, int *result) {
  struct mxi_fused_region region;
  struct mxi_cuda_form form;
  struct mxi_cuda_words words;
  if (!compiled || !mxi_fused_region_of(c, &region) || !mxi_cuda_form_of(c->program, &region, &form, &words))
    return false;
  CUfunction f = mxi_compiled_function(compiled, &form, c->out[0]->size);
  if (!f) return false;
  struct mxi_cuda_grid grid = {.x = mxi_cuda_form_blocks(c->program, &form, &words),
                               .threads = MXI_CODEGEN_THREADS};
  *result = mxi_cuda_launch_function(c->stream, f, MXI_CODEGEN_KERNEL, grid, words.word,
                                     (size_t)words.n * sizeof *words.word);
  return true;
}

int mxi_cuda_run_program(struct mxi_call *c) {
  int result;
  struct mxi_compiled *compiled = ((const struct prepared *)c->prepared)->compiled;
  if (c->reduction ? mxi_cuda_run_reduction(c, compiled, &result) : run_compiled(c, compiled, &result))
    return result;
  return mxi_cuda_interpret(c);
}
