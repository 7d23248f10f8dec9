/* The shortest program that still fails. */
#ifndef MXI_TESTS_GRAPHS_MINIMISE_H
#define MXI_TESTS_GRAPHS_MINIMISE_H
#include "graphs/modes.h"

/* Runs the program in a child process, so that a crash and a hang are outcomes too. */
struct fault run_apart(const struct program *p, enum mode m, uint64_t seed, int times);
/* How often a run is tried: more than once where threads make it a matter of chance. */
int mode_repeats(enum mode m);
/* Drops what it can of p while a run in that mode has the outcome of f; updates f. Takes at most `seconds`.
 */
void minimise(struct program *p, enum mode m, uint64_t seed, struct fault *f, double seconds);
#endif
