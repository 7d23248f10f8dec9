#include "cpu/gemm_plan.h"
#include "cpu/locals.h"
#include "cpu/workspace.h"

enum { SMALL_WORKSPACE = 16384 };

static int (*const run_form[MXI_GEMM_FORMS])(const struct mxi_gemm_plan *p,
                                             char *workspace) = {[MXI_GEMM_EMPTY] = mxi_gemm_run_empty,
                                                                 [MXI_GEMM_PACKED] = mxi_gemm_run_packed,
                                                                 [MXI_GEMM_FEW_ROWS] = mxi_gemm_run_few_rows};

int mxi_gemm_run_plan(struct mxi_gemm_plan *p) {
  MXI_LOCAL(char, small, SMALL_WORKSPACE);
  char *workspace = p->workspace_bytes <= SMALL_WORKSPACE ? small : mxi_workspace_take(p->workspace_bytes);
  if (!workspace) return -1;
  if (p->transposed_bytes) p->transpose.c = workspace;
  int failed = run_form[p->form](p, workspace + p->transposed_bytes);
  if (p->transposed_bytes && !failed) failed = mxi_gemm_transpose_result(p);
  if (workspace != small) mxi_workspace_give(workspace);
  return failed;
}

int mxi_gemm_run(const struct mxi_gemm *g) {
  if (g->batch <= 0 || g->m <= 0 || g->n <= 0) return 0;
  struct mxi_gemm_plan p;
  mxi_gemm_make_plan(&p, g);
  return mxi_gemm_run_plan(&p);
}
