/* From a program to arrays, one instruction at a time; the reference; and the comparison with it. */
#ifndef MXI_TESTS_GRAPHS_EVALUATE_H
#define MXI_TESTS_GRAPHS_EVALUATE_H
#include "graphs/program.h"

/* The bytes of every value, row-major, and how it lay. Those of inputs are the data. */
struct expected {
  const struct program *p;
  void *bytes[MOST_VALUES];
  int64_t strides[MOST_VALUES][MOST_AXES]; /* the order of a later sum hangs on them */
};

/* What went wrong first. */
enum outcome {
  OUTCOME_RIGHT,
  OUTCOME_WRONG,
  OUTCOME_LAYOUT,
  OUTCOME_ERROR,
  OUTCOME_LEAK,
  OUTCOME_CRASH,
  OUTCOME_HANG,
  OUTCOME_COUNT
};
struct fault {
  enum outcome outcome;
  int value; /* number of the value, or -1 */
  char text[400];
};
/* Fills in the first fault; later ones are ignored. */
void fault_set(struct fault *f, enum outcome outcome, int value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The program op by op: fusion off, every operand kept, evaluated before the next. Other data where salt is
   not 0. 0, or -1 with the fault. */
int expect(const struct program *p, uint64_t salt, struct expected *e, struct fault *f);
void expected_free(struct expected *e);
/* Array a is value v, to the bit, and lies as that did; NaNs are equal whatever their sign and payload. */
bool check_value(const struct expected *e, int v, mx_array a, struct fault *f);

/* The same of row-major elements, where no value is compared. */
bool check_bytes(const struct value *value, int v, const char *got, const char *want, struct fault *f);

/* Data for an input; written to `to`. */
void fill_input(const struct program *p, const struct instruction *ins, int v, uint64_t salt, void *to);
/* Builds an instruction, all of whose operands are in values, and puts references to its results there. An
   input is made of e's bytes. 0 or -1. */
int build(const struct expected *e, const struct instruction *ins, mx_array *values);
mx_stream graph_stream(int number); /* of this process; NULL for the default */
/* Fills memory that the library keeps for reuse with other bytes each time, so that what reads memory before
   it is written differs from run to run. */
void spoil_free_memory(uint64_t seed);
void set_fusion(bool on); /* of this process */
void release_all(mx_array *values);
#endif
