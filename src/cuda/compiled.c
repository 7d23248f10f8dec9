#include "cuda/compiled.h"
#include "base/alloc.h"
#include "base/env.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include "cuda/compiler.h"
#include "cuda/library.h"
#include <string.h>

/* Programs and forms of one program beyond these are left to the interpreter, or forgotten. */
enum { MOST_PROGRAMS = 1024, MOST_FORMS = 32 };
/* A kernel is worth compiling once the program was run so often, or on so many elements. */
enum { RUNS_WORTH_COMPILING = 2, ELEMENTS_WORTH_COMPILING = 1 << 20 };

static struct mxi_lru programs; // under MXI_LOCK_CUDA_PROGRAMS

enum when { LATER, NOW, NEVER };
static enum when when_compiled(void) {
  const char *s = mxi_env()->cuda_compile;
  if (!s) return mxi_cuda_emulated() ? NEVER : LATER; // a C++ compiler takes its time
  return !strcmp(s, "never") ? NEVER : !strcmp(s, "now") ? NOW : LATER;
}

/* Memory is short: that is no fault of the step, which the interpreter runs. */
static void forget_error(void) {
  struct mxi_error e;
  mxi_error_take(&e);
}

/* ---- Programs ---- */
static size_t instruction_bytes(const struct mxi_program *p) {
  return (size_t)p->ninstructions * sizeof(struct mxi_instruction);
}

static uint64_t program_hash(const struct mxi_program *p) {
  uint64_t h = mxi_mix((uint64_t)p->ninstructions << 16 | (uint64_t)p->ninputs << 8, (uint64_t)p->noutputs);
  h = mxi_mix_bytes(h, p->input_type, (size_t)p->ninputs);
  h = mxi_mix_bytes(h, p->output_type, (size_t)p->noutputs);
  h = mxi_mix_bytes(h, p->output_value, (size_t)p->noutputs);
  return mxi_mix_bytes(h, p->instructions, instruction_bytes(p));
}

static bool same_instruction(const struct mxi_instruction *a, const struct mxi_instruction *b) {
  return a->op == b->op && a->type == b->type && a->to == b->to &&
         !memcmp(a->src, b->src, (size_t)mxi_arity(a->op));
}
static bool same_program(const struct mxi_lru_entry *e, const void *key) {
  const struct mxi_program *a = &((const struct mxi_compiled *)e)->program, *b = key;
  if (a->ninstructions != b->ninstructions || a->ninputs != b->ninputs || a->noutputs != b->noutputs ||
      memcmp(a->input_type, b->input_type, (size_t)a->ninputs) ||
      memcmp(a->output_type, b->output_type, (size_t)a->noutputs) ||
      memcmp(a->output_value, b->output_value, (size_t)a->noutputs))
    return false;
  for (int i = 0; i < a->ninstructions; i++)
    if (!same_instruction(&a->instructions[i], &b->instructions[i])) return false;
  return true;
}

static struct mxi_compiled *compiled_new(const struct mxi_program *p) {
  size_t bytes = offsetof(struct mxi_program, instructions) + instruction_bytes(p);
  struct mxi_compiled *c = mxi_calloc(1, offsetof(struct mxi_compiled, program) + bytes);
  if (c) memcpy(&c->program, p, bytes);
  return c;
}

struct mxi_compiled *mxi_compiled_take(const struct mxi_program *p) {
  if (when_compiled() == NEVER) return NULL;
  uint64_t hash = program_hash(p);
  struct mxi_compiled *oldest = NULL;
  mxi_lock(MXI_LOCK_CUDA_PROGRAMS);
  struct mxi_compiled *c = (struct mxi_compiled *)mxi_lru_find(&programs, hash, same_program, p);
  if (!c && (c = compiled_new(p))) {
    if (mxi_lru_put(&programs, &c->entry, hash) == 0) {
      atomic_store(&c->refs, 1); // the index's
    } else {
      mxi_free(c);
      c = NULL;
    }
  }
  if (c) atomic_fetch_add(&c->refs, 1);
  if (programs.n > MOST_PROGRAMS) oldest = (struct mxi_compiled *)mxi_lru_take_oldest(&programs);
  mxi_unlock(MXI_LOCK_CUDA_PROGRAMS);
  if (!c) forget_error();
  mxi_compiled_release(oldest);
  return c;
}

/* ---- Kernels ---- */
static struct mxi_compiled_kernel *kernel_of(struct mxi_compiled *c, const struct mxi_cuda_form *form,
                                             int *nkernels) {
  struct mxi_compiled_kernel *k = atomic_load_explicit(&c->kernels, memory_order_acquire);
  for (*nkernels = 0; k && memcmp(&k->form, form, sizeof *form); k = k->next) ++*nkernels;
  return k;
}

static struct mxi_compiled_kernel *add_kernel(struct mxi_compiled *c, const struct mxi_cuda_form *form) {
  int nkernels;
  mxi_lock(MXI_LOCK_CUDA_PROGRAMS);
  struct mxi_compiled_kernel *k = kernel_of(c, form, &nkernels);
  bool missing = !k && nkernels < MOST_FORMS;
  if (missing && (k = mxi_calloc(1, sizeof *k))) {
    k->program = c;
    k->form = *form;
    k->next = atomic_load(&c->kernels);
    atomic_store_explicit(&c->kernels, k, memory_order_release);
  }
  mxi_unlock(MXI_LOCK_CUDA_PROGRAMS);
  if (missing && !k) forget_error();
  return k;
}

static void ask_for(struct mxi_compiled_kernel *k, enum when when) {
  int state = atomic_load(&k->state);
  if (state != MXI_COMPILED_NEW && !(state == MXI_COMPILED_UNKEPT && atomic_load(&k->worth_compiling)))
    return;
  if (!atomic_compare_exchange_strong(&k->state, &state, MXI_COMPILED_QUEUED)) return;
  atomic_fetch_add(&k->program->refs, 1);
  if (when == LATER) {
    mxi_compiler_request(k);
    return;
  }
  mxi_compiler_make(k);
  mxi_compiled_release(k->program);
}

CUfunction mxi_compiled_function(struct mxi_compiled *c, const struct mxi_cuda_form *form, int64_t size) {
  int nkernels;
  struct mxi_compiled_kernel *k = kernel_of(c, form, &nkernels);
  if (!k && !(k = add_kernel(c, form))) return NULL;
  CUfunction f = atomic_load_explicit(&k->function, memory_order_acquire);
  if (f || atomic_load_explicit(&k->state, memory_order_relaxed) == MXI_COMPILED_FAILED) return f;
  enum when when = when_compiled();
  if (atomic_fetch_add(&k->runs, 1) + 1 >= RUNS_WORTH_COMPILING || size >= ELEMENTS_WORTH_COMPILING ||
      when == NOW)
    atomic_store(&k->worth_compiling, true);
  ask_for(k, when);
  return atomic_load_explicit(&k->function, memory_order_acquire);
}
