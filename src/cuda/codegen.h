/* The source text of a kernel that runs one program (engine/program.h) over operands of one form. What it
   computes are the bits that the interpreter kernel computes.

   A form says what is known of the operands when the source is written: how many dims the region has, and
   how each operand lies in it. Sizes, strides, addresses and the values of scalars are the kernel's
   parameters, so that one kernel serves them all. */
#ifndef MXI_CUDA_CODEGEN_H
#define MXI_CUDA_CODEGEN_H
#include "engine/program.h"
#include <stdbool.h>
#include <stddef.h>

enum {
  MXI_CODEGEN_DIMS = 6, /* of a region; one of more dims has no compiled form */
  MXI_CODEGEN_OPERANDS = 2 * MXI_MAX_OPERANDS,
  MXI_CODEGEN_THREADS = 256, /* of a block */
  MXI_CODEGEN_VECTOR_BYTES = 16
};

/* How an operand lies in the region. */
enum mxi_operand_kind {
  MXI_OPERAND_VALUE,  /* one element, in the parameters */
  MXI_OPERAND_ONE,    /* one element, in memory */
  MXI_OPERAND_LINE,   /* the region's elements in a row */
  MXI_OPERAND_UNIT,   /* the last dim's elements in a row; any strides of the others */
  MXI_OPERAND_REPEAT, /* one element along the last dim; any strides of the others */
  MXI_OPERAND_STRIDED /* any strides */
};
struct mxi_cuda_form {
  uint8_t ndim;   /* dims whose index an operand needs; 1 where each is a LINE or one element */
  uint8_t vector; /* elements along the last dim that a thread takes at once: 1, 2, 4, 8, 16 */
  uint8_t wide;   /* 64-bit indices */
  uint8_t kind[MXI_CODEGEN_OPERANDS]; /* of the inputs, then of the outputs */
  /* Where output 0 goes into a reduction of runs, whose values are vectors: inputs are VALUE, UNIT or REPEAT,
     and what follows is as mxi_cuda_reduction says (reduce.h). */
  uint8_t reduce; /* 0: no reduction; else 1 + enum mxi_reduce_op */
  uint8_t values, partial;
};

/* How many strides of operand k the parameters have, from the first dim's. */
static inline int mxi_form_strides(const struct mxi_cuda_form *f, int k) {
  return f->kind[k] <= MXI_OPERAND_LINE ? 0 : f->kind[k] == MXI_OPERAND_STRIDED ? f->ndim : f->ndim - 1;
}
/* How many vectors a thread takes. */
int mxi_form_unroll(const struct mxi_program *p, const struct mxi_cuda_form *f);

/* Where the operands lie for one run: the region's dims with the longest strides first. */
struct mxi_fused_region {
  int ndim;
  int64_t shape[MXI_CODEGEN_DIMS];
  int64_t strides[MXI_CODEGEN_OPERANDS][MXI_CODEGEN_DIMS]; /* in elements */
  uint64_t at[MXI_CODEGEN_OPERANDS];                       /* address, or the value itself where by_value */
  bool by_value[MXI_MAX_OPERANDS];
};

/* The kernel's parameters: 64-bit words. */
enum { MXI_CODEGEN_MOST_WORDS = 400 };
struct mxi_cuda_words {
  int n;
  uint64_t word[MXI_CODEGEN_MOST_WORDS];
};
/* The parameters of a run over a region that has the form. */
void mxi_cuda_form_words(const struct mxi_program *p, const struct mxi_fused_region *r,
                         const struct mxi_cuda_form *form, struct mxi_cuda_words *words);
/* The region's form and the parameters of a run; false: there is none. */
bool mxi_cuda_form_of(const struct mxi_program *p, const struct mxi_fused_region *r,
                      struct mxi_cuda_form *form, struct mxi_cuda_words *words);
/* Blocks that a run needs. */
int64_t mxi_cuda_form_blocks(const struct mxi_program *p, const struct mxi_cuda_form *form,
                             const struct mxi_cuda_words *words);

/* The source, whose first line is `head`; the caller frees it. NULL with the error set when memory is short.
 */
char *mxi_cuda_program_source(const struct mxi_program *p, const struct mxi_cuda_form *form,
                              const char *head);
#define MXI_CODEGEN_KERNEL "mxi_compiled_program" /* the name of the kernel */
#endif
