/* What an instruction can be: one row an op, which says how operands and parameters are drawn and how the
   node is built. */
#ifndef MXI_TESTS_GRAPHS_OP_H
#define MXI_TESTS_GRAPHS_OP_H
#include "graphs/program.h"

/* The state of a generator; drawing.h has what rows do with it. */
struct drawing;

enum op_family {
  FAMILY_CREATION,
  FAMILY_ELEMENTWISE,
  FAMILY_VIEW,
  FAMILY_ASSEMBLY,
  FAMILY_INDEXING,
  FAMILY_REDUCTION,
  FAMILY_PRODUCT,
  FAMILY_COUNT
};

struct graph_op {
  const char *name;
  enum op_family family;
  double weight; /* among its family */
  bool moves;    /* results consist of the operands' elements: their bits stay */
  /* Chooses operands and parameters; false when nothing fits. What the op then refuses is drawn anew. */
  bool (*draw)(struct drawing *d, const struct graph_op *op, struct instruction *ins);
  /* Results of the operands, owned by the innermost scope; their number, or -1 with the error set. */
  int (*build)(const struct graph_op *op, const struct instruction *ins, const mx_array *in, mx_array *out);
  union { /* the function of a row whose draw and build are shared */
    mx_array (*unary)(mx_array a);
    mx_array (*binary)(mx_array a, mx_array b);
    mx_array (*reduce)(mx_array a, mx_ints axes, bool keepdims);
    mx_array (*scan)(mx_array a, int axis, bool reverse, bool inclusive);
    mx_array (*along)(mx_array a, int axis);
    mx_array (*pick)(mx_array a, int axis, bool keepdims);
    mx_array (*at)(mx_array a, int64_t k, int axis);
    mx_array (*of_axes)(mx_array a, mx_ints axes);
  } f;
  int types; /* what operands may be; see drawing.h */
};

extern const struct graph_op creation_ops[], elementwise_ops[], view_ops[], assembly_ops[], indexing_ops[],
    reduction_ops[], product_ops[]; /* each ends with a row without a name */
/* All of them. */
int graph_op_count(void);
const struct graph_op *graph_op(int kind);
int graph_op_find(const char *name); /* its kind, or -1 */
enum { INPUT_KIND = 0 }; /* creation_ops[0]: values from outside, of data that follows from the seed */

/* One result, or the failure that it is. */
static inline int one(mx_array a, mx_array *out) { return out[0] = a, mx_ok(a) ? 1 : -1; }
#endif
