/* A random program: a list of instructions over numbered values, from which a graph can be built any number
   of times. The numbers stay when instructions are dropped, for everything random hangs on them. */
#ifndef MXI_TESTS_GRAPHS_PROGRAM_H
#define MXI_TESTS_GRAPHS_PROGRAM_H
#include "mlx/mlx.h"
#include <stdio.h>

enum {
  MOST_AXES = 6,
  MOST_OPERANDS = 40,
  MOST_PARAMETERS = 32,
  MOST_RESULTS = 8,
  MOST_STREAMS = 12,
  MOST_INSTRUCTIONS = 480,
  MOST_VALUES = 1024,
  MOST_KINDS = 256
};

struct value {
  mx_dtype type;
  int ndim;
  int64_t shape[MOST_AXES];
  int64_t size;
  bool fixed_bits; /* not even a NaN's sign and payload may differ: no arithmetic made it */
  bool kept;       /* held until the end of a run, and compared */
  int uses;        /* as an operand */
};

struct instruction {
  int kind; /* row of graph_op */
  int stream;
  int noperands, nparameters, nresults;
  int first; /* number of the first result */
  bool dropped;
  int operands[MOST_OPERANDS]; /* numbers of values */
  int64_t parameters[MOST_PARAMETERS];
};

struct program {
  uint64_t seed; /* of the generator and of the inputs' data */
  int ninstructions, nvalues;
  struct instruction instructions[MOST_INSTRUCTIONS];
  struct value values[MOST_VALUES];
};

/* Readable text, which program_read understands. A kept value has a '!'. */
void program_print(const struct program *p, FILE *to);
/* Reads instructions up to the end of the file; 0, or -1 with a word on stderr. */
int program_read(struct program *p, FILE *from);
/* Counts each value's uses anew, then drops instructions whose results nobody keeps or uses. */
void program_drop_unused(struct program *p);
int program_length(const struct program *p); /* instructions that are not dropped */
static inline mx_ints shape_of(const struct value *v) { return (mx_ints){v->shape, v->ndim}; }

/* ---- Numbers that follow from a seed ---- */
struct random {
  uint64_t state;
};
static inline uint64_t hash64(uint64_t x) { /* the finaliser of splitmix64 */
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
  x = (x ^ x >> 27) * 0x94d049bb133111ebu;
  return x ^ x >> 31;
}
static inline uint64_t hash_of(uint64_t a, uint64_t b) { return hash64(hash64(a) ^ b); }
static inline uint64_t next(struct random *r) { return hash64(r->state++); }
/* Uniform in [low, high], both included. */
static inline int64_t between(struct random *r, int64_t low, int64_t high) {
  return low + (int64_t)(next(r) % (uint64_t)(high - low + 1));
}
static inline bool chance(struct random *r, double p) { return (double)(next(r) >> 11) * 0x1p-53 < p; }
#endif
