#include "cuda/compiler.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/text.h"
#include "cuda/context.h"
#include "cuda/cubins.h"
#include "cuda/nvrtc.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- Making a kernel ---- */
static atomic_bool stopping; // the process ends

/* Sources begin with what their code depends on beside them. Any compiler of one major version gives code
   that computes the same. */
enum { ARCHITECTURE_BYTES = 16, HEAD_BYTES = 112 };
static void print_architecture(char architecture[ARCHITECTURE_BYTES]) {
  snprintf(architecture, ARCHITECTURE_BYTES, "sm_%d%d", mxi_cuda_device()->major, mxi_cuda_device()->minor);
}
static void print_head(char head[HEAD_BYTES], const char *architecture, bool contracts) {
  snprintf(head, HEAD_BYTES, "%s, NVRTC 13, headers %s%s", architecture, mxi_cuda_headers_version,
           contracts ? ", contracted" : "");
}

/* Keeps the folder within its bounds, now and then. */
static void trim(int folder, size_t added) {
  enum { EACH = 16 << 20 };
  static atomic_size_t since = EACH; // the last look
  if (atomic_fetch_add(&since, added) + added < EACH) return;
  atomic_store(&since, 0);
  mxi_cubins_trim(folder, (uint64_t)MXI_CUBINS_MOST_MIB << 20);
}

static int function_of(CUlibrary library, const char *name, CUfunction *f) {
  CUkernel kernel;
  MXI_TRY(mxi_cuda_check(mxi_cuda.cuLibraryGetKernel(&kernel, library, name), name));
  MXI_CUDA_TRY(cuKernelGetFunction(f, kernel));
  return 0;
}
int mxi_compiler_load_code(const void *code, const char *name, struct mxi_loaded_kernel *to) {
  MXI_CUDA_TRY(cuLibraryLoadData(&to->library, code, NULL, NULL, 0, NULL, NULL, 0));
  if (function_of(to->library, name, &to->function) == 0) return 0;
  mxi_cuda.cuLibraryUnload(to->library);
  return -1;
}
static int load_kept(int folder, const char *source, const char *name, struct mxi_loaded_kernel *to) {
  size_t bytes;
  void *code = folder < 0 ? NULL : mxi_cubins_load(folder, source, &bytes);
  int result = code ? mxi_compiler_load_code(code, name, to) : -1;
  mxi_free(code);
  return result;
}
/* Ends the thread, at the end of the process: nothing may run in libraries that are taken down. So it is
   registered after each of them was opened. */
static void stop_compiler(void);
static void stop_at_exit(void) { atexit(stop_compiler); }
/* The compiler makes things of its own that go at the end of the process while it compiles for the first
   times: the thread must end before them too. */
static bool open_compiler(void) {
  enum { FIRST_TIMES = 16 };
  static atomic_int times;
  if (mxi_nvrtc_open() < 0) return false;
  if (atomic_fetch_add(&times, 1) < FIRST_TIMES) stop_at_exit();
  return true;
}
static int compile(int folder, const char *source, const char *name, const char *architecture, bool contracts,
                   struct mxi_loaded_kernel *to) {
  size_t bytes;
  void *code =
      !open_compiler() ? NULL : mxi_nvrtc_compile(source, architecture, contracts, &stopping, &bytes);
  int result = code ? mxi_compiler_load_code(code, name, to) : -1;
  if (result == 0 && folder >= 0) {
    mxi_cubins_save(folder, source, code, bytes);
    trim(folder, bytes);
  }
  mxi_free(code);
  return result;
}

static atomic_int found, compiled, failed;
struct mxi_compiler_counts mxi_compiler_counts(void) {
  return (struct mxi_compiler_counts){found, compiled, failed};
}

static enum mxi_compiled_state made(struct mxi_compiled_kernel *k) {
  char architecture[ARCHITECTURE_BYTES], head[HEAD_BYTES];
  struct mxi_loaded_kernel loaded;
  if (mxi_cuda_enter() < 0) return MXI_COMPILED_FAILED;
  print_architecture(architecture);
  print_head(head, architecture, false);
  char *source = mxi_cuda_program_source(&k->program->program, &k->form, head);
  if (!source) return MXI_COMPILED_FAILED;
  enum mxi_compiled_state state = MXI_COMPILED_UNKEPT;
  int folder = mxi_cubins_folder();
  if (load_kept(folder, source, MXI_CODEGEN_KERNEL, &loaded) == 0) {
    state = MXI_COMPILED_READY;
    atomic_fetch_add(&found, 1);
  } else if (atomic_load(&k->worth_compiling)) {
    int result = compile(folder, source, MXI_CODEGEN_KERNEL, architecture, false, &loaded);
    state = result == 0 ? MXI_COMPILED_READY : MXI_COMPILED_FAILED;
    atomic_fetch_add(state == MXI_COMPILED_READY ? &compiled : &failed, 1);
  }
  if (state == MXI_COMPILED_READY) {
    k->library = loaded.library;
    atomic_store_explicit(&k->function, loaded.function, memory_order_release);
  }
  if (folder >= 0) close(folder);
  mxi_free(source);
  return state;
}

static int load_text(int folder, const char *source, const char *name, const char *architecture,
                     struct mxi_loaded_kernel *to) {
  if (load_kept(folder, source, name, to) == 0) return 0;
  struct mxi_error unkept; // that a file is no good is nobody's error
  mxi_error_take(&unkept);
  return compile(folder, source, name, architecture, true, to);
}
int mxi_compiler_load_source(const char *text, const char *name, struct mxi_loaded_kernel *to) {
  char architecture[ARCHITECTURE_BYTES], head[HEAD_BYTES];
  struct mxi_string s = {0};
  MXI_TRY(mxi_cuda_enter());
  print_architecture(architecture);
  print_head(head, architecture, true);
  mxi_string_print(&s, "// %s\n", head);
  mxi_string_add(&s, text);
  char *source = mxi_string_take(&s);
  if (!source) return -1;
  int folder = mxi_cubins_folder(), result = load_text(folder, source, name, architecture, to);
  if (folder >= 0) close(folder);
  mxi_free(source);
  return result;
}

void mxi_compiler_make(struct mxi_compiled_kernel *k) {
  static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&turn);
  atomic_store(&k->state, made(k));
  pthread_mutex_unlock(&turn);
  struct mxi_error why; // nobody's: the interpreter serves
  mxi_error_take(&why);
}

/* ---- The queue ---- */
struct kernel_queue {
  struct mxi_compiled_kernel *first, **end;
};
static struct {
  pthread_mutex_t lock;
  pthread_cond_t moved; // something came, or something is done
  pthread_t thread;
  bool has_thread, busy;
  struct kernel_queue lookups, compilations; // lookups first: each takes a millisecond
  struct mxi_compiled *dead;                 // linked by their entries' next
} work = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .moved = PTHREAD_COND_INITIALIZER,
          .lookups.end = &work.lookups.first,
          .compilations.end = &work.compilations.first};

static void append(struct kernel_queue *q, struct mxi_compiled_kernel *k) {
  k->next_queued = NULL;
  *q->end = k;
  q->end = &k->next_queued;
}
static struct mxi_compiled_kernel *take_first(struct kernel_queue *q) {
  struct mxi_compiled_kernel *k = q->first;
  if (k && !(q->first = k->next_queued)) q->end = &q->first;
  return k;
}
static bool is_idle(void) { return !work.lookups.first && !work.compilations.first && !work.dead; }

/* ---- The end of programs ---- */
static bool has_library(const struct mxi_compiled *c) {
  for (const struct mxi_compiled_kernel *k = atomic_load(&c->kernels); k; k = k->next)
    if (k->library) return true;
  return false;
}
static void free_program(struct mxi_compiled *c) {
  for (struct mxi_compiled_kernel *k = atomic_load(&c->kernels), *next; k; k = next) {
    next = k->next;
    if (k->library) mxi_cuda.cuLibraryUnload(k->library);
    mxi_free(k);
  }
  mxi_free(c);
}
/* What runs on the device may be theirs. */
static void free_programs(struct mxi_compiled *dead) {
  if (dead && (mxi_cuda_enter() < 0 || mxi_cuda.cuCtxSynchronize() != CUDA_SUCCESS)) return;
  for (struct mxi_compiled *next; dead; dead = next) {
    next = (struct mxi_compiled *)dead->entry.next;
    free_program(dead);
  }
}

/* ---- The thread ---- */
static void *run_compiler(void *unused) {
  setpriority(PRIO_PROCESS, (id_t)gettid(), 10); // 0 on failure or not: it is a wish
  pthread_mutex_lock(&work.lock);
  for (;;) {
    while (is_idle() && !stopping) pthread_cond_wait(&work.moved, &work.lock);
    if (stopping) break;
    struct mxi_compiled *dead = work.dead;
    struct mxi_compiled_kernel *k = take_first(&work.lookups);
    if (!k) k = take_first(&work.compilations);
    work.dead = NULL;
    work.busy = true;
    pthread_mutex_unlock(&work.lock);
    free_programs(dead);
    if (k) {
      mxi_compiler_make(k);
      mxi_compiled_release(k->program);
    }
    pthread_mutex_lock(&work.lock);
    work.busy = false;
    pthread_cond_broadcast(&work.moved);
  }
  work.busy = false;
  pthread_cond_broadcast(&work.moved);
  pthread_mutex_unlock(&work.lock);
  return unused;
}

static void stop_compiler(void) {
  pthread_mutex_lock(&work.lock);
  bool had_thread = work.has_thread;
  work.has_thread = false;
  atomic_store(&stopping, true);
  pthread_cond_broadcast(&work.moved);
  pthread_mutex_unlock(&work.lock);
  if (had_thread) pthread_join(work.thread, NULL);
}

/* Under the lock. */
static void start_thread(void) {
  enum { STACK_BYTES = 16 << 20 }; // compilers recurse
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (work.has_thread || stopping) return;
  pthread_once(&once, stop_at_exit);
  pthread_attr_t attributes;
  sigset_t all, before;
  sigfillset(&all);
  if (pthread_attr_init(&attributes)) return;
  pthread_attr_setstacksize(&attributes, STACK_BYTES);
  pthread_sigmask(SIG_SETMASK, &all, &before); // signals are other threads'
  work.has_thread = pthread_create(&work.thread, &attributes, run_compiler, NULL) == 0;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
}

void mxi_compiler_request(struct mxi_compiled_kernel *k) {
  pthread_mutex_lock(&work.lock);
  append(atomic_load(&k->worth_compiling) ? &work.compilations : &work.lookups, k);
  start_thread();
  pthread_cond_broadcast(&work.moved);
  pthread_mutex_unlock(&work.lock);
}

void mxi_compiler_bury(struct mxi_compiled *c) {
  if (!has_library(c)) {
    free_program(c);
    return;
  }
  pthread_mutex_lock(&work.lock);
  c->entry.next = &work.dead->entry;
  work.dead = c;
  start_thread();
  pthread_cond_broadcast(&work.moved);
  pthread_mutex_unlock(&work.lock);
}

void mxi_compiler_wait(void) {
  pthread_mutex_lock(&work.lock);
  while (work.has_thread && (work.busy || !is_idle())) pthread_cond_wait(&work.moved, &work.lock);
  pthread_mutex_unlock(&work.lock);
}

/* ---- Forks ---- */
/* The child has no compiler thread, and can't use the device that the parent used: what was queued is
 * dropped. */
static void after_fork_in_child(void) {
  pthread_mutex_init(&work.lock, NULL);
  pthread_cond_init(&work.moved, NULL);
  work.has_thread = work.busy = false;
  work.lookups = (struct kernel_queue){NULL, &work.lookups.first};
  work.compilations = (struct kernel_queue){NULL, &work.compilations.first};
  work.dead = NULL;
}
__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(NULL, NULL, after_fork_in_child);
}
