/* What the rows of the ops draw from: the values so far, and the style of the program. */
#ifndef MXI_TESTS_GRAPHS_DRAWING_H
#define MXI_TESTS_GRAPHS_DRAWING_H
#include "graphs/op.h"

/* What sets one program apart from the next; all are probabilities unless said otherwise. */
struct style {
  int length;                    /* instructions */
  double families[FAMILY_COUNT]; /* weights */
  double recent;                 /* an operand is one of the last values: long chains */
  double hub;                    /* an operand is the hub: one value used many times */
  double kept;                   /* a value is kept although it is used */
  double other_type;             /* an operand's dtype is not looked at: casts everywhere */
  int streams;                   /* how many */
  int64_t most_elements;         /* of a value */
  int64_t most_elements_in_all;  /* of the program */
  mx_dtype types[3];             /* of most inputs */
  int64_t base[4];               /* most inputs' shapes are ends of this, with ones here and there */
  int base_ndim;
};

struct drawing {
  struct program *p;
  struct random r;
  struct style style;
  const bool *allowed; /* kinds that may be drawn; NULL: every one */
  mx_array *stand_ins; /* a lazy array for each value, for its dtype and shape alone */
  int hub, stream;
  int burst;                /* instructions left of a strict chain: elementwise, each takes the last result */
  double burst_kept;        /* how likely its values are kept */
  double keep[MOST_VALUES]; /* likewise for each value */
  int64_t elements;
};

/* Sets of dtypes. */
enum {
  TYPES_BOOL = 1 << MX_BOOL,
  TYPES_UNSIGNED = 1 << MX_UINT8 | 1 << MX_UINT16 | 1 << MX_UINT32 | 1 << MX_UINT64,
  TYPES_SIGNED = 1 << MX_INT8 | 1 << MX_INT16 | 1 << MX_INT32 | 1 << MX_INT64,
  TYPES_INTEGERS = TYPES_UNSIGNED | TYPES_SIGNED,
  TYPES_BITS = TYPES_INTEGERS | TYPES_BOOL,
  TYPES_FLOATS = 1 << MX_FLOAT16 | 1 << MX_BFLOAT16 | 1 << MX_FLOAT32 | 1 << MX_FLOAT64,
  TYPES_COMPLEX = 1 << MX_COMPLEX64,
  TYPES_REAL = TYPES_BITS | TYPES_FLOATS,
  TYPES_NUMBERS = TYPES_INTEGERS | TYPES_FLOATS | TYPES_COMPLEX,
  TYPES_INEXACT = TYPES_FLOATS | TYPES_COMPLEX,
  TYPES_ALL = TYPES_REAL | TYPES_COMPLEX
};
_Static_assert(TYPES_ALL == (1 << MX_DTYPE_COUNT) - 1, "every dtype is in one of the sets");

/* Of what is looked for: a dtype in types, and ndim and size in these bounds (0: unbounded from above). */
struct wanted {
  int types;
  int least_ndim, most_ndim;
  int64_t least_size, most_size;
};
int draw_value(struct drawing *d, struct wanted w); /* its number, or -1 */
/* A value that broadcasts with value a to at most the largest size; mostly of the same dtype. */
int draw_partner(struct drawing *d, int a, int types);
/* A value of this dtype and shape; a new input where there is none, and now and then anyway. */
int draw_shaped(struct drawing *d, mx_dtype t, mx_ints shape);
/* A value of integers (also bool), of this shape. */
int draw_integers(struct drawing *d, mx_ints shape);
int draw_input(struct drawing *d, mx_dtype t, mx_ints shape); /* a new one */
mx_dtype draw_type(struct drawing *d, int types);
/* A shape of so many elements in shape[MOST_AXES]; its ndim. */
int draw_factors(struct drawing *d, int64_t size, int64_t *shape);
int draw_axis(struct drawing *d, int a); /* of value a, which has axes */
/* Appends some axes of value a, in order: at least one where it has any. */
void draw_axes(struct drawing *d, int a, struct instruction *ins);

static inline const struct value *value_of(const struct drawing *d, int a) { return &d->p->values[a]; }
static inline void operand(struct instruction *ins, int a) { ins->operands[ins->noperands++] = a; }
static inline void parameter(struct instruction *ins, int64_t x) { ins->parameters[ins->nparameters++] = x; }
static inline bool is_in(mx_dtype t, int types) { return types >> t & 1; }
/* Parameters from the first on, as a list. */
static inline mx_ints parameters_from(const struct instruction *ins, int first) {
  return (mx_ints){ins->parameters + first, ins->nparameters - first};
}
static inline mx_ints parameters_at(const struct instruction *ins, int first, int n) {
  return (mx_ints){ins->parameters + first, n};
}
/* Parameters are integers: a number is given in sixteenths. */
static inline double sixteenths(int64_t x) { return (double)x * 0.0625; }

/* Builds ins, and adds it and its results to the program: false where an op refuses it. */
bool draw_append(struct drawing *d, struct instruction *ins);
#endif
