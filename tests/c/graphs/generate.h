/* Programs from seeds. */
#ifndef MXI_TESTS_GRAPHS_GENERATE_H
#define MXI_TESTS_GRAPHS_GENERATE_H
#include "graphs/program.h"

/* Programs of every eighth seed are differentiable: their inputs, and all that is made of them, are float32.
 */
static inline bool is_differentiable(uint64_t seed) { return seed % 8 == 7; }
/* The same program for the same seed, always. */
void generate(uint64_t seed, struct program *p);
/* Rows that are not drawn, so that a known fault doesn't hide the others. */
extern bool generate_without[MOST_KINDS];
/* For those who tune the rows: instructions drawn and refused so far, of each kind. */
extern int64_t generate_drawn[MOST_KINDS], generate_refused[MOST_KINDS];
#endif
