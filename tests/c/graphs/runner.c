#include "graphs/runner.h"
#include "graphs/generate.h"
#include "graphs/minimise.h"
#include "graphs/op.h"
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST_PROCESSES = 128, MOST_REPORTS = 256, HANGS_AFTER = 120 };
struct report {
  uint64_t seed;
  enum mode mode;
  struct fault fault;
};
struct worker {
  pid_t process;
  atomic_ullong seed;
  atomic_int mode; /* MODE_COUNT: the reference */
  uint64_t seen;   /* by the parent, to notice what hangs */
  double seen_at;
};
/* What the processes share. */
struct shared {
  atomic_llong next, graphs, instructions, runs[MODE_COUNT], ops[MOST_KINDS];
  atomic_llong evals_failed, interrupts, values_lost, values_compared;
  atomic_int nreports, stop;
  struct report reports[MOST_REPORTS];
  struct worker workers[MOST_PROCESSES];
};

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void report(struct shared *s, uint64_t seed, enum mode m, const struct fault *f) {
  int i = atomic_fetch_add(&s->nreports, 1);
  if (i < MOST_REPORTS)
    s->reports[i] = (struct report){seed, m, *f};
  else
    atomic_store(&s->nreports, MOST_REPORTS);
}

/* ---- One graph ---- */
static size_t memory_at_rest(size_t expected) {
  size_t active = mx_active_memory();
  for (int tries = 0; tries < 200 && active != expected; tries++) { // an eval may be under way still
    for (int i = 0; i < MOST_STREAMS; i++) mx_synchronize(graph_stream(i));
    if (tries > 1) usleep(1000);
    active = mx_active_memory();
  }
  return active;
}

bool run_checked(enum mode m, const struct program *p, const struct expected *e, uint64_t seed,
                 struct tally *tally, struct fault *f) {
  size_t before = mx_active_memory();
  if (!run_mode(m, p, e, seed, tally, f)) return false;
  size_t after = memory_at_rest(before);
  if (after == before) return true;
  fault_set(f, OUTCOME_LEAK, -1, "%zu bytes in use before, %zu after", before, after);
  return false;
}

static void count(struct shared *s, const struct program *p) {
  atomic_fetch_add(&s->graphs, 1);
  atomic_fetch_add(&s->instructions, program_length(p));
  for (int i = 0; i < p->ninstructions; i++)
    if (!p->instructions[i].dropped) atomic_fetch_add(&s->ops[p->instructions[i].kind], 1);
}

/* MODE_COUNT: none of those wanted fits the program. */
static enum mode choose_mode(const struct run_options *o, int64_t index, int which) {
  int n = 0;
  enum mode modes[MODE_COUNT];
  bool differentiable = is_differentiable(o->seed + (uint64_t)index);
  for (int m = 0; m < MODE_COUNT; m++)
    if (o->modes >> m & 1 && is_gradient_mode((enum mode)m) == differentiable) modes[n++] = (enum mode)m;
  if (!n) return MODE_COUNT;
  uint64_t first = hash_of(o->seed + (uint64_t)index, 1) % (uint64_t)n;
  return modes[(first + (uint64_t)which) % (uint64_t)n];
}

static void run_graph(struct shared *s, const struct run_options *o, struct worker *w, int64_t index,
                      struct program *p) {
  uint64_t seed = o->seed + (uint64_t)index;
  atomic_store(&w->mode, MODE_COUNT);
  atomic_store(&w->seed, seed);
  generate(seed, p);
  count(s, p);
  struct expected e;
  struct fault f = {.value = -1};
  if (expect(p, 0, &e, &f) < 0) report(s, seed, MODE_AT_ONCE, &f);
  for (int k = 0; k < o->modes_a_graph && f.outcome == OUTCOME_RIGHT; k++) {
    enum mode m = choose_mode(o, index, k);
    if (m == MODE_COUNT) break;
    struct tally tally = {0};
    atomic_store(&w->mode, (int)m);
    if (!run_checked(m, p, &e, mode_seed(seed, m), &tally, &f)) report(s, seed, m, &f);
    atomic_fetch_add(&s->runs[m], 1);
    atomic_fetch_add(&s->evals_failed, tally.evals_failed);
    atomic_fetch_add(&s->interrupts, tally.interrupts);
    atomic_fetch_add(&s->values_lost, tally.values_lost);
    atomic_fetch_add(&s->values_compared, tally.values_compared);
  }
  expected_free(&e);
}

static void work(struct shared *s, const struct run_options *o, struct worker *w, double end) {
  struct program *p = malloc(sizeof *p);
  while (!atomic_load(&s->stop) && (!o->seconds || now() < end)) {
    int64_t index = atomic_fetch_add(&s->next, 1);
    if (o->graphs && index >= o->graphs) break;
    run_graph(s, o, w, index, p);
  }
  fflush(NULL);
  _exit(0);
}

/* ---- The parent ---- */
static void start(struct shared *s, const struct run_options *o, struct worker *w, double end) {
  w->seen_at = now();
  fflush(NULL);
  pid_t child = fork(); // not into w, which the child shares
  if (child == 0) work(s, o, w, end);
  w->process = child;
}

void print_fault(const struct program *p, enum mode m, uint64_t seed, const struct fault *f) {
  static const char *const outcomes[] = {"right", "WRONG", "LAYOUT", "ERROR", "LEAK", "CRASH", "HANG"};
  printf("# seed %" PRIu64 " mode %s: %s", seed, mode_names[m], outcomes[f->outcome]);
  if (f->value >= 0) printf(" of v%d", f->value);
  printf(", %s\n", f->text);
  program_print(p, stdout);
  fflush(stdout);
}

/* Of a fault, for telling it from others: an error's text, else which kinds of ops are in the program. */
static uint64_t signature(const struct program *p, const struct fault *f) {
  uint64_t sum = (uint64_t)f->outcome;
  bool seen[MOST_KINDS] = {false};
  if (f->outcome == OUTCOME_ERROR) {
    for (const char *c = f->text + strcspn(f->text, "["); *c; c++)
      if (*c < '0' || *c > '9') sum = hash_of(sum, (uint64_t)*c);
    return sum;
  }
  for (int i = 0; i < p->ninstructions; i++) {
    int kind = p->instructions[i].kind;
    if (p->instructions[i].dropped || seen[kind]) continue;
    seen[kind] = true;
    sum += hash64((uint64_t)kind + 7);
  }
  return sum;
}

static bool is_known(const struct run_counts *c, const uint64_t *seen, uint64_t sign) {
  for (int64_t i = 0; i < c->distinct_faults; i++)
    if (seen[i] == sign) return true;
  return false;
}

static void explain(const struct report *r, struct run_counts *c, uint64_t *seen) {
  if (r->fault.outcome == OUTCOME_ERROR && is_known(c, seen, signature(NULL, &r->fault))) return;
  struct program *p = malloc(sizeof *p);
  uint64_t seed = mode_seed(r->seed, r->mode);
  generate(r->seed, p);
  struct fault f = r->fault, again = run_apart(p, r->mode, seed, mode_repeats(r->mode));
  bool happens_again = again.outcome == f.outcome;
  if (happens_again) minimise(p, r->mode, seed, &again, mode_repeats(r->mode) > 1 ? 40 : 15);
  uint64_t sign = signature(p, happens_again ? &again : &f);
  if (!is_known(c, seen, sign) && c->distinct_faults < MOST_REPORTS) {
    seen[c->distinct_faults++] = sign;
    if (!happens_again) p->ninstructions = 0; // the seed says it all
    print_fault(p, r->mode, r->seed, happens_again ? &again : &f);
    printf(happens_again ? "\n" : "# which did not happen again when run alone\n\n");
    fflush(stdout);
  }
  free(p);
}

/* A worker that ended: by itself, or in a fault, which is reported and the worker replaced. False when it is
   done. */
static bool look_after(struct shared *s, const struct run_options *o, struct worker *w, double end) {
  int status;
  uint64_t at = atomic_load(&w->seed) * 64 + (uint64_t)atomic_load(&w->mode);
  if (at != w->seen) w->seen = at, w->seen_at = now();
  bool hangs = now() - w->seen_at > HANGS_AFTER;
  if (hangs) kill(w->process, SIGKILL);
  pid_t ended = waitpid(w->process, &status, hangs ? 0 : WNOHANG);
  if (ended == 0) return true;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return w->process = 0, false;
  struct fault f = {.outcome = hangs ? OUTCOME_HANG : OUTCOME_CRASH, .value = -1};
  snprintf(f.text, sizeof f.text, "%s", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit");
  int m = atomic_load(&w->mode);
  report(s, atomic_load(&w->seed), m == MODE_COUNT ? MODE_AT_ONCE : (enum mode)m, &f);
  start(s, o, w, end);
  return true;
}

static void take_counts(const struct shared *s, struct run_counts *c) {
  c->graphs = atomic_load(&s->graphs);
  c->instructions = atomic_load(&s->instructions);
  for (int m = 0; m < MODE_COUNT; m++) c->runs[m] = atomic_load(&s->runs[m]);
  for (int k = 0; k < MOST_KINDS; k++) c->ops[k] = atomic_load(&s->ops[k]);
  c->tally = (struct tally){atomic_load(&s->evals_failed), atomic_load(&s->interrupts),
                            atomic_load(&s->values_lost), atomic_load(&s->values_compared)};
}

void run_graphs(const struct run_options *options, struct run_counts *c) {
  struct run_options o = *options;
  struct shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  uint64_t seen[MOST_REPORTS];
  double begin = now(), end = begin + o.seconds;
  if (o.processes <= 0) o.processes = (int)sysconf(_SC_NPROCESSORS_ONLN);
  if (o.processes > MOST_PROCESSES) o.processes = MOST_PROCESSES;
  *c = (struct run_counts){0};
  graph_op_count();
  for (int i = 0; i < o.processes; i++) start(s, &o, &s->workers[i], end);
  int explained = 0;
  for (bool running = true; running;) {
    running = false;
    for (int i = 0; i < o.processes; i++)
      if (s->workers[i].process) running |= look_after(s, &o, &s->workers[i], end);
    int n = atomic_load(&s->nreports);
    if (explained < n && explained < MOST_REPORTS && c->distinct_faults < o.most_faults)
      explain(&s->reports[explained++], c, seen);
    else
      usleep(5000);
    if (c->distinct_faults >= o.most_faults || n >= MOST_REPORTS) atomic_store(&s->stop, 1);
  }
  int n = atomic_load(&s->nreports);
  for (; explained < n && explained < MOST_REPORTS && c->distinct_faults < o.most_faults; explained++)
    explain(&s->reports[explained], c, seen);
  take_counts(s, c);
  c->faults = n;
  c->seconds = now() - begin;
  munmap(s, sizeof *s);
}

void print_counts(const struct run_counts *c) {
  printf("%" PRId64 " graphs, %" PRId64 " instructions, %.0f s; %" PRId64 " values compared, %" PRId64
         " evals failed, %" PRId64 " interrupts, %" PRId64 " values lost; %" PRId64 " faults\n",
         c->graphs, c->instructions, c->seconds, c->tally.values_compared, c->tally.evals_failed,
         c->tally.interrupts, c->tally.values_lost, c->faults);
  for (int m = 0; m < MODE_COUNT; m++)
    printf("%s %" PRId64 "%s", mode_names[m], c->runs[m], m < MODE_COUNT - 1 ? ", " : "\n");
  fflush(stdout);
}
