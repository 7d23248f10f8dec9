/* Makes kernels of programs in the background: finds them in the user's folder (cubins.h), or has them
   compiled (nvrtc.h). Where there is no compiler none are made, and the interpreter kernel goes on serving.
 */
#ifndef MXI_CUDA_COMPILER_H
#define MXI_CUDA_COMPILER_H
#include "base/lru.h"
#include "cuda/api/driver.h"
#include "cuda/codegen.h"
#include <stdatomic.h>

enum mxi_compiled_state {
  MXI_COMPILED_NEW,
  MXI_COMPILED_QUEUED, /* somebody makes it, or looks for it */
  MXI_COMPILED_UNKEPT, /* no file has it, and it wasn't worth compiling */
  MXI_COMPILED_READY,
  MXI_COMPILED_FAILED
};
/* A program's kernel for one form of its operands. */
struct mxi_compiled_kernel {
  struct mxi_compiled *program;
  struct mxi_cuda_form form;
  _Atomic(CUfunction) function; /* NULL: not yet */
  atomic_int state;
  atomic_int runs;             /* on the interpreter meanwhile */
  atomic_bool worth_compiling; /* not just looking for it */
  CUlibrary library;
  struct mxi_compiled_kernel *next;        /* of the program */
  struct mxi_compiled_kernel *next_queued; /* the compiler's */
};
/* A program that the process knows. References: one of the index, one of each prepared step, one of each
   queued kernel. */
struct mxi_compiled {
  struct mxi_lru_entry entry; /* first */
  atomic_int refs;
  _Atomic(struct mxi_compiled_kernel *) kernels;
  struct mxi_program program; /* as long as its instructions */
};

/* A kernel that is loaded; who unloads the library waits for what runs first. */
struct mxi_loaded_kernel {
  CUlibrary library;
  CUfunction function;
};
/* Loads machine code, which may be PTX; the caller's thread has the context. -1 with the error set. */
int mxi_compiler_load_code(const void *code, const char *name, struct mxi_loaded_kernel *to);
/* Loads the kernel of a text of the user's: it is found in the folder, or compiled at once, with products and
   sums contracted as CUDA does. -1 with the error set: the compiler's words, or how to get one. */
int mxi_compiler_load_source(const char *text, const char *name, struct mxi_loaded_kernel *to);

/* Has a kernel, whose state is QUEUED, made by the background thread; takes over a reference to its program.
 */
void mxi_compiler_request(struct mxi_compiled_kernel *k);
/* Makes it before it returns. */
void mxi_compiler_make(struct mxi_compiled_kernel *k);
/* Until all that was requested is done. */
void mxi_compiler_wait(void);
/* How many kernels were found in the folder, were compiled, and could not be made. */
struct mxi_compiler_counts {
  int found, compiled, failed;
};
struct mxi_compiler_counts mxi_compiler_counts(void);
/* Frees a program that nobody refers to any more, and its kernels once those that run have ended. */
void mxi_compiler_bury(struct mxi_compiled *c);

static inline void mxi_compiled_release(struct mxi_compiled *c) {
  if (c && atomic_fetch_sub(&c->refs, 1) == 1) mxi_compiler_bury(c);
}
#endif
