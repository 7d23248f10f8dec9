/* A node: one application of a primitive. And the primitive table. */
#ifndef MXI_CORE_NODE_H
#define MXI_CORE_NODE_H
#include "core/array.h"
#include "core/stream.h"

/* ---- Parameters: typed fields, declared in prims.def; copy, release, equality and hash derive from there.
 * ---- */
enum mxi_field_kind { MXI_F_INT, MXI_F_DOUBLE, MXI_F_INTS, MXI_F_OBJECT };
struct mxi_field {
  uint8_t kind;
  uint16_t offset; /* in the primitive's parameter struct */
  const char *name;
};
/* A refcounted, immutable thing a parameter points to: a compiled plan, a closure. */
typedef struct mxi_object {
  atomic_int refs;
  void (*release)(struct mxi_object *self); /* at the last reference */
} mxi_object;

typedef struct mx_params {
  atomic_int refs;
  _Alignas(8) char fields[]; /* the primitive's struct, then the storage of its lists */
} mx_params;

/* ---- Primitives ---- */
enum {
  MXI_P_ELEMENTWISE =
      1,            /* run by the tile interpreter, fusable; inputs and output have one shape or broadcast */
  MXI_P_VIEW = 2,   /* the output shares its first input's memory when it can */
  MXI_P_LINEAR = 4, /* linear in its first input (all inputs if MXI_P_LINEAR_ALL): jvp re-applies it */
  MXI_P_LINEAR_ALL = 8,
  /* How its outputs lie in memory, where not row-major in fresh memory; see engine/place.c. */
  MXI_P_IN_PLACE = 16, /* output 0 may take the memory of input 0, row-major and of the same size */
  MXI_P_HEADS = 32,    /* as input 0, when that holds the heads of a position together */
  MXI_P_COLUMNS = 64,  /* outputs from 1 on are column-major matrices */
  MXI_P_FOLLOWS = 128  /* stands in a trace for all sizes, and for other nodes in its plans: it never runs */
};

struct mxi_prim {
  const char *name;
  int id;
  unsigned flags;
  uint16_t params_bytes;
  uint8_t nfields;
  const struct mxi_field *fields;
};

enum mxi_prim_id {
#define MX_PRIM(ID, ...) MXI_##ID,
#include "core/prims.def"
#undef MX_PRIM
  MXI_PRIM_COUNT
};

#define MXI_FIELD_INT     int64_t
#define MXI_FIELD_DOUBLE  double
#define MXI_FIELD_INTS    mx_ints
#define MXI_FIELD_OBJECT  mxi_object *
#define F(ID, kind, name) MXI_FIELD_##kind name;
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...) \
  struct mxi_p_##ID {                                        \
    char none[0];                                            \
    __VA_ARGS__                                              \
  };
#include "core/prims.def"
#undef MX_PRIM
#undef F

extern const mx_prim mxi_prims[MXI_PRIM_COUNT];

/* ---- Nodes ---- */
struct mxi_output {
  mx_dtype dtype;
  mx_ints shape;
};
struct mxi_node {
  atomic_int refs;
  const mx_prim *prim;
  mx_params *params; /* NULL for primitives without fields */
  mx_stream stream;
  int ninputs, noutputs;
  mx_array *inputs;                /* owned; in the node's allocation */
  struct mxi_node_output *outputs; /* for noutputs > 1 only: what is needed to run it when some are gone */
};
struct mxi_node_output {
  mx_array array; /* borrowed, NULL once gone; guarded by a lock: see mxi_output_take */
  mx_dtype dtype;
  mx_ints shape;
};
/* The parameters of a node of primitive ID: MXI_PARAMS(SLICE, n)->start */
#define MXI_PARAMS(ID, n) ((const struct mxi_p_##ID *)(n)->params->fields)

/* Applies a primitive on the ambient stream: one lazy result, owned by the scope. params points to the
   primitive's struct (copied) or is NULL. MX_BAD if an input is MX_BAD or memory is short. The builder has
   checked everything. */
mx_array mxi_apply(int prim, const void *params, int ninputs, const mx_array *inputs, mx_dtype t,
                   mx_ints shape);
/* The same with several outputs. Returns 0 or -1; out[] are owned by the scope (or MX_BAD). */
int mxi_apply_multi(int prim, const void *params, int ninputs, const mx_array *inputs, int noutputs,
                    const struct mxi_output *outputs, mx_array *out);
/* A node like n (same primitive, parameters, stream and outputs) on other inputs of the same shapes; for
 * replays. */
int mxi_apply_like(const mx_node *n, const mx_array *outputs, const mx_array *inputs, mx_array *out);

void mxi_node_unref(mx_node *n);
static inline mx_node *mxi_node_ref(mx_node *n) {
  atomic_fetch_add_explicit(&n->refs, 1, memory_order_relaxed);
  return n;
}
/* A reference to output i of a node with several outputs, or NULL if that array is gone. */
mx_array mxi_output_take(mx_node *n, int i);
/* Which array output i is now, or NULL: to be compared with arrays that are known to live, no more. */
mx_array mxi_output_peek(mx_node *n, int i);
/* A copy of the primitive's struct, with its lists. NULL with the error set. */
mx_params *mxi_params_new(const mx_prim *p, const void *fields);
void mxi_params_unref(const mx_prim *p, mx_params *params);
static inline mx_params *mxi_params_ref(const mx_params *params) {
  if (params) atomic_fetch_add_explicit(&((mx_params *)params)->refs, 1, memory_order_relaxed);
  return (mx_params *)params;
}
bool mxi_params_equal(const mx_prim *p, const mx_params *a, const mx_params *b);
uint64_t mxi_params_hash(const mx_prim *p, const mx_params *a);

#endif
