/* Random graphs give, however they are evaluated, what they give op by op: to the bit. test_graphs [GRAPHS]
 */
#include "graphs/op.h"
#include "graphs/runner.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static int64_t graphs = 20000;

static void every_elementwise_op_is_drawn(void **state) {
  static const char *const names[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) #name,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  };
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const char *name = strcmp(names[i], "rint") ? names[i] : "round"; // which users call
    if (graph_op_find(name) < 0) fail_msg("expected %s in graphs/elementwise.c, got no row", name);
  }
}

static void every_way_of_evaluating_a_graph_gives_the_same_bits(void **state) {
  struct run_options o = {
      .seed = 1, .graphs = graphs, .modes = ALL_MODES, .modes_a_graph = 2, .most_faults = 6};
  struct run_counts c;
  run_graphs(&o, &c);
  print_counts(&c);
  assert_int_equal(c.faults, 0);
  assert_int_equal(c.graphs, graphs);
  for (int m = 0; m < MODE_COUNT; m++) assert_true(c.runs[m] > graphs / 20);
  for (int k = 0; k < graph_op_count(); k++)
    if (c.ops[k] < graphs / 200) fail_msg("%s was in few graphs: %d times", graph_op(k)->name, (int)c.ops[k]);
  assert_true(c.tally.values_compared > 20 * graphs);
  assert_true(c.tally.evals_failed > graphs / 100 && c.tally.interrupts > graphs / 1000);
}

int main(int argc, char **argv) {
  if (argc > 1) graphs = strtoll(argv[1], NULL, 10);
  const struct CMUnitTest tests[] = {cmocka_unit_test(every_elementwise_op_is_drawn),
                                     cmocka_unit_test(every_way_of_evaluating_a_graph_gives_the_same_bits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
