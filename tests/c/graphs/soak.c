/* soak MINUTES [SEED [MODE ...]]      graphs on all cores until the time is over; all modes, or these
   soak --graph SEED [MODE ...]        one graph: its program, and each mode's outcome
   soak --program FILE MODE SEED       a program as it was printed, its seed the graph's
   soak --refused GRAPHS               how often each row's drawing is refused
   soak --without OP ...               leaves ops out, before any of these: --without astype --without full 10
                                       (the graphs of a seed are others then) */
#include "graphs/generate.h"
#include "graphs/minimise.h"
#include "graphs/op.h"
#include "graphs/runner.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct program program;

static int find_mode(const char *name) {
  for (int m = 0; m < MODE_COUNT; m++)
    if (!strcmp(mode_names[m], name)) return m;
  fprintf(stderr, "no mode %s\n", name);
  exit(2);
}

static unsigned modes_named(int n, char **names) {
  unsigned modes = n ? 0 : ALL_MODES;
  for (int i = 0; i < n; i++) modes |= 1u << find_mode(names[i]);
  return modes;
}

static int soak(double minutes, uint64_t seed, unsigned modes) {
  struct run_options o = {
      .seed = seed, .seconds = minutes * 60, .modes = modes, .modes_a_graph = 3, .most_faults = 40};
  struct run_counts c;
  printf("SEED=%" PRIu64 "\n", seed);
  fflush(stdout);
  run_graphs(&o, &c);
  print_counts(&c);
  return c.faults != 0;
}

static int run_one(uint64_t seed, int times, unsigned modes) {
  bool right = true;
  for (int m = 0; m < MODE_COUNT; m++) {
    if (!(modes >> m & 1)) continue;
    struct fault f = run_apart(&program, (enum mode)m, mode_seed(seed, (enum mode)m), times);
    right &= f.outcome == OUTCOME_RIGHT;
    printf("# %s: outcome %d of v%d %s\n", mode_names[m], f.outcome, f.value, f.text);
  }
  return !right;
}

static int show_graph(uint64_t seed, int nmodes, char **names) {
  generate(seed, &program);
  program_print(&program, stdout);
  return run_one(seed, 1, modes_named(nmodes, names));
}

static int show_program(const char *file, const char *mode, uint64_t seed) {
  FILE *from = fopen(file, "r");
  if (!from) return perror(file), 2;
  program.seed = seed;
  int result = program_read(&program, from);
  fclose(from);
  if (result < 0) return 2;
  program_drop_unused(&program);
  program_print(&program, stdout);
  return run_one(seed, 20, 1u << find_mode(mode));
}

static int show_refused(int64_t graphs) {
  for (int64_t i = 0; i < graphs; i++) generate((uint64_t)i, &program);
  for (int k = 0; k < graph_op_count(); k++)
    printf("%8" PRId64 " drawn %8" PRId64 " refused %s\n", generate_drawn[k], generate_refused[k],
           graph_op(k)->name);
  return 0;
}

static void leave_out(const char *name) {
  int kind = graph_op_find(name);
  if (kind < 0) fprintf(stderr, "no op %s\n", name), exit(2);
  generate_without[kind] = true;
}

int main(int argc, char **argv) {
  for (; argc > 2 && !strcmp(argv[1], "--without"); argc -= 2, argv += 2) leave_out(argv[2]);
  if (argc >= 3 && !strcmp(argv[1], "--graph"))
    return show_graph(strtoull(argv[2], NULL, 10), argc - 3, argv + 3);
  if (argc == 5 && !strcmp(argv[1], "--program"))
    return show_program(argv[2], argv[3], strtoull(argv[4], NULL, 10));
  if (argc == 3 && !strcmp(argv[1], "--refused")) return show_refused(strtoll(argv[2], NULL, 10));
  if (argc < 2) return fprintf(stderr, "soak MINUTES [SEED [MODE ...]]\n"), 2;
  uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : hash64((uint64_t)time(NULL)) >> 24;
  return soak(strtod(argv[1], NULL), seed, modes_named(argc > 3 ? argc - 3 : 0, argv + 3));
}
