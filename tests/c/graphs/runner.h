/* Many graphs in several processes, so that one that crashes is a fault like another. */
#ifndef MXI_TESTS_GRAPHS_RUNNER_H
#define MXI_TESTS_GRAPHS_RUNNER_H
#include "graphs/modes.h"

struct run_options {
  uint64_t seed;     /* graph i has seed + i */
  int64_t graphs;    /* how many; 0: no bound */
  double seconds;    /* 0: no bound */
  int processes;     /* 0: one a core */
  unsigned modes;    /* a set of them */
  int modes_a_graph; /* so many of the set each */
  int most_faults;   /* stops after so many that differ */
};
struct run_counts {
  int64_t graphs, instructions, faults, distinct_faults;
  int64_t runs[MODE_COUNT], ops[MOST_KINDS];
  struct tally tally;
  double seconds;
};
enum { ALL_MODES = (1 << MODE_COUNT) - 1 };

/* Prints each fault that is of a new kind, as a program as short as it gets. */
void run_graphs(const struct run_options *options, struct run_counts *counts);
void print_counts(const struct run_counts *counts);
/* The seed of mode m's decisions in the graph of a seed. */
static inline uint64_t mode_seed(uint64_t seed, enum mode m) { return hash_of(seed, 1000 + (uint64_t)m); }
/* A graph in one mode; its reference is given. Checks that no memory stays in use. */
bool run_checked(enum mode m, const struct program *p, const struct expected *e, uint64_t seed,
                 struct tally *tally, struct fault *f);
/* Prints a fault with its program. */
void print_fault(const struct program *p, enum mode m, uint64_t seed, const struct fault *f);
#endif
