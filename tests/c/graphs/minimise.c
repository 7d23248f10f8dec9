/* Delta debugging: parts of the list, ever smaller ones, are replaced by inputs of the same shapes and
   dtypes, skipped, or no longer kept, as long as the program still fails in the same way. */
#include "graphs/minimise.h"
#include "graphs/op.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- One run ---- */
static void run_here(const struct program *p, enum mode m, uint64_t seed, int times, struct fault *f) {
  struct expected e;
  struct tally tally = {0};
  if (expect(p, 0, &e, f) == 0)
    for (int i = 0; i < times && run_mode(m, p, &e, seed + (uint64_t)i, &tally, f); i++) {}
}

struct fault run_apart(const struct program *p, enum mode m, uint64_t seed, int times) {
  static struct fault *shared;
  if (!shared) shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  *shared = (struct fault){.value = -1};
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    alarm(20); // ends what hangs
    run_here(p, m, seed, times, shared);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  struct fault f = *shared;
  if (WIFSIGNALED(status)) {
    f = (struct fault){.outcome = WTERMSIG(status) == SIGALRM ? OUTCOME_HANG : OUTCOME_CRASH, .value = -1};
    snprintf(f.text, sizeof f.text, "%s", strsignal(WTERMSIG(status)));
  } else if (WEXITSTATUS(status)) {
    f = (struct fault){.outcome = OUTCOME_CRASH, .value = -1};
    snprintf(f.text, sizeof f.text, "exit status %d", WEXITSTATUS(status));
  }
  return f;
}

/* ---- Changes ---- */
struct search {
  struct program *p; /* the shortest so far */
  struct program *candidate;
  enum mode mode;
  uint64_t seed;
  int times;
  struct fault *f;
  double end;
};

static bool still_fails(struct search *s) {
  if (now() > s->end) return false;
  program_drop_unused(s->candidate);
  struct fault f = run_apart(s->candidate, s->mode, s->seed, s->times);
  if (f.outcome != s->f->outcome) return false;
  *s->f = f;
  memcpy(s->p, s->candidate, sizeof *s->p);
  return true;
}

static void make_input(struct program *p, int i) {
  struct instruction *ins = &p->instructions[i];
  ins->kind = INPUT_KIND;
  ins->noperands = 0;
  ins->nparameters = 1;
  ins->parameters[0] = 0;
  ins->stream = 0;
}

/* Takes the instruction out: who used its result uses its operand of that shape and dtype. */
static bool skip(struct program *p, int i) {
  struct instruction *ins = &p->instructions[i];
  const struct value *to = &p->values[ins->first];
  int from = -1;
  for (int k = 0; k < ins->noperands && from < 0; k++) {
    const struct value *v = &p->values[ins->operands[k]];
    if (v->type == to->type && v->ndim == to->ndim &&
        !memcmp(v->shape, to->shape, sizeof(int64_t) * (size_t)v->ndim))
      from = ins->operands[k];
  }
  if (from < 0 || ins->nresults != 1) return false;
  for (int j = i + 1; j < p->ninstructions; j++)
    for (int k = 0; k < p->instructions[j].noperands; k++)
      if (p->instructions[j].operands[k] == ins->first) p->instructions[j].operands[k] = from;
  if (p->values[ins->first].kept) p->values[from].kept = true;
  p->values[ins->first].kept = false;
  ins->dropped = true;
  return true;
}

enum change { CHANGE_FORGET, CHANGE_INPUT, CHANGE_SKIP, CHANGE_STREAM, CHANGE_OPERANDS, CHANGE_COUNT };

/* Changes instructions [from, from + n) of the candidate; false when that changes nothing. */
static bool apply(struct program *p, enum change change, int from, int n) {
  bool changed = false;
  for (int i = from; i < from + n && i < p->ninstructions; i++) {
    struct instruction *ins = &p->instructions[i];
    if (ins->dropped) continue;
    switch (change) {
    case CHANGE_FORGET:
      for (int v = ins->first; v < ins->first + ins->nresults; v++) {
        changed |= p->values[v].kept;
        p->values[v].kept = false;
      }
      break;
    case CHANGE_INPUT:
      if (ins->kind != INPUT_KIND) make_input(p, i), changed = true;
      break;
    case CHANGE_SKIP: changed |= skip(p, i); break;
    case CHANGE_STREAM:
      changed |= ins->stream != 0;
      ins->stream = 0;
      break;
    case CHANGE_OPERANDS: // all the same, where that is allowed
      for (int k = 1; k < ins->noperands; k++) {
        const struct value *a = &p->values[ins->operands[0]], *b = &p->values[ins->operands[k]];
        bool alike = a->type == b->type && a->ndim == b->ndim &&
                     !memcmp(a->shape, b->shape, sizeof(int64_t) * (size_t)a->ndim);
        if (!alike || ins->operands[k] == ins->operands[0]) continue;
        ins->operands[k] = ins->operands[0];
        changed = true;
      }
      break;
    default: break;
    }
  }
  return changed;
}

static bool pass(struct search *s, enum change change) {
  bool any = false;
  for (int n = s->p->ninstructions; n; n /= 2)
    for (int from = 0; from < s->p->ninstructions; from += n) {
      int at = s->p->ninstructions - from - n; // the last ones first
      memcpy(s->candidate, s->p, sizeof *s->p);
      if (apply(s->candidate, change, at > 0 ? at : 0, n)) any |= still_fails(s);
    }
  return any;
}

int mode_repeats(enum mode m) {
  bool by_chance =
      m == MODE_ASYNC || m == MODE_THREADS || m == MODE_INTERRUPTED || m == MODE_INTERRUPTED_THREADS;
  return by_chance ? 100 : 1;
}

void minimise(struct program *p, enum mode m, uint64_t seed, struct fault *f, double seconds) {
  struct search s = {.p = p,
                     .candidate = malloc(sizeof *p),
                     .mode = m,
                     .seed = seed,
                     .f = f,
                     .times = mode_repeats(m),
                     .end = now() + seconds};
  bool any = true;
  while (any && now() < s.end) {
    any = false;
    for (int c = 0; c < CHANGE_COUNT; c++) any |= pass(&s, (enum change)c);
  }
  free(s.candidate);
}
