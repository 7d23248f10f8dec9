/* How a matrix product runs, decided before any of it does. A product goes down one line, of which no file
   calls back:

     gemm.c             plans a product, takes its workspace, runs its form, transposes the result if planned
     gemm_plan.c        orientation, form, kernels, cuts and workspace, from the shape and the machine alone
     gemm_packed.c, gemm_few_rows.c   the forms, which run a plan as it is
     gemm_result.c      from sums to C: the end of tiles, no sums at all, the transposed result
     kernels/gemm_*.c   the inner loops

   The forms sum in different orders. How a form is cut never shows in its result. */
#ifndef MXI_CPU_GEMM_PLAN_H
#define MXI_CPU_GEMM_PLAN_H
#include "cpu/gemm.h"
#include "cpu/kernels/gemm_kernels.h"
#include <stdbool.h>
#include <stddef.h>

enum mxi_gemm_form {
  MXI_GEMM_EMPTY, /* k == 0: C is the scaled addend */
  MXI_GEMM_PACKED,
  MXI_GEMM_FEW_ROWS, /* of A: B is read once, where it lies */
  MXI_GEMM_FORMS
};

struct mxi_gemm_packed_plan {
  const struct mxi_gemm_kernels *kern;
  mxi_gemm_pack_fn pack_a, pack_b; /* of B where there is no callback */
  int64_t mb, nb, kb;              /* largest block of rows and columns, largest step of k */
  bool direct;                     /* sums rest in C */
  bool plain;                      /* and are the result as they are */
  bool negate; /* A once packed, in place of alpha = -1; sums of halves are scaled when they are rounded */
  int64_t b_bytes, product_bytes; /* workspace for packed B; for a product in all, with sums after B */
  int64_t group; /* products of one task, each on one thread with a workspace of its own; 0: one product after
                    the other, each cut into tasks */
};

struct mxi_gemm_few_rows_plan {
  mxi_few_rows_fn sum;
  int64_t stride;        /* of B, that `sum` takes */
  int64_t a_item;        /* bytes of an element of A as `sum` takes it */
  int64_t cols, chunks;  /* columns of a chunk, chunks of a product */
  int64_t piece, pieces; /* elements of k in a piece */
  int64_t a_bytes;       /* workspace for A of all products as `sum` takes it; 0: A itself serves */
  bool partial;          /* sums of pieces, (batch, pieces, m, n), follow in the workspace */
};

struct mxi_gemm_plan {
  enum mxi_gemm_form form;
  const struct mxi_gemm *g; /* the product that runs: the one asked for, or: */
  struct mxi_gemm transpose;
  int64_t item; /* bytes of an element of A, B and C */
  void (*finish)(const void *sums, int64_t sums_row, const struct mxi_gemm_finish *f);
  bool parallel; /* loops inside a product go over the pool */
  size_t workspace_bytes;
  /* Where the result is not C itself but C transposed, it lies first in the workspace, and is transposed into
     C at the end. */
  size_t transposed_bytes; /* 0: not so */
  void *c;
  int64_t c_row;
  union {
    struct mxi_gemm_packed_plan packed;
    struct mxi_gemm_few_rows_plan few_rows;
  };
};

/* Of a product that has elements; g must stay as long as the plan, which is not to be copied. */
void mxi_gemm_make_plan(struct mxi_gemm_plan *p, const struct mxi_gemm *g);
/* The same result by the transposed product, packed, whether or not that is faster; no callbacks, k > 0. */
void mxi_gemm_plan_transposed(struct mxi_gemm_plan *p, const struct mxi_gemm *g);

/* Cuts of a block of C into slivers of rows, panels of columns, and tasks of both. */
struct mxi_gemm_cuts {
  int64_t height, slivers, panels;   /* rows of a sliver; how many slivers and panels */
  int64_t task_slivers, task_panels; /* of a task of tiles */
  int64_t down, tasks;               /* tasks one below the other, tasks in all */
};
struct mxi_gemm_cuts mxi_gemm_cut_block(const struct mxi_gemm_plan *p, int64_t rows, int64_t cols);

/* Runs what a plan says. 0, or -1 with the error set. */
int mxi_gemm_run_plan(struct mxi_gemm_plan *p);

/* The forms. The workspace begins after a transposed result. */
int mxi_gemm_run_empty(const struct mxi_gemm_plan *p, char *workspace);
int mxi_gemm_run_packed(const struct mxi_gemm_plan *p, char *workspace);
int mxi_gemm_run_few_rows(const struct mxi_gemm_plan *p, char *workspace);

/* The end of sums, a tile of C at (row, col) of a product: scaled, with their addend, rounded once. */
void mxi_gemm_finish_sums(const struct mxi_gemm_plan *p, int64_t product, int64_t row, int64_t col,
                          int64_t rows, int64_t cols, const void *sums, int64_t sums_row);
/* Transposes the plan's result into C. */
int mxi_gemm_transpose_result(const struct mxi_gemm_plan *p);

/* Elements of A, B and the addend where a product begins; NULL where it has none. */
static inline const char *mxi_gemm_at(const void *data, const int64_t *offsets, int64_t product,
                                      int64_t item) {
  return data ? (const char *)data + (offsets ? offsets[product] : 0) * item : NULL;
}
static inline bool mxi_gemm_has_addend(const struct mxi_gemm *g) { return g->c0 && g->beta != 0; }
#endif
