/* Functions in files: traced once, written with the constants they use, read elsewhere and called without
   their source. The format is this library's own, and versioned; a file that is not what it says is
   MX_INVALID_ARGUMENT, whatever its bytes are. */
#ifndef MLX_EXPORT_H
#define MLX_EXPORT_H
#include "mlx/io.h"
#include "mlx/transforms.h"
MX_BEGIN

/* The arrays of a call: n inputs, of which the last nnames are named. */
typedef struct mx_call {
  int n;
  const mx_array *in;
  int nnames;
  const char *const *names; /* distinct */
} mx_call;

/* Writes f as traced for the inputs. shapeless: the trace serves other sizes of the same ranks too, where the
   ops of f can follow. metadata: a text to keep in the file, or NULL. f gives at most MX_EXPORT_OUTPUTS
   results. 0 or -1. */
enum { MX_EXPORT_OUTPUTS = 1 << 14 };
MX_API int mx_export_function(const char *path, mx_function f, void *context, mx_call inputs, bool shapeless,
                              const char *metadata);

/* Several traces of one function for one file. Two of the same names, dtypes and shapes (shapeless: ranks)
   are MX_RUNTIME_ERROR. */
typedef struct mxi_exporter *mx_exporter;
MX_API mx_exporter mx_exporter_new(const char *path, bool shapeless, const char *metadata);
MX_API int mx_exporter_add(mx_exporter e, mx_function f, void *context, mx_call inputs);
/* Writes the file. Nothing can be added then, and a second call does nothing. */
MX_API int mx_exporter_close(mx_exporter e);
MX_API void mx_exporter_free(mx_exporter e); /* without a close nothing is written. NULL is fine */

/* A function from a file, or from a stream to its end. */
typedef struct mxi_imported *mx_imported;
MX_API mx_imported mx_import_function(const char *path);
MX_API mx_imported mx_read_function(mx_reader reader);
MX_API void mx_imported_free(mx_imported f); /* results of its calls may outlive it. NULL is fine */
MX_API const char *mx_imported_metadata(mx_imported f); /* "" when it has none */
MX_API int mx_imported_count(mx_imported f);            /* of traces */
/* The inputs that trace i was made of: arrays without values. */
MX_API mx_call mx_imported_inputs(mx_imported f, int i);
/* The number of results that such a call gives; -1 with MX_INVALID_ARGUMENT when no trace serves it. */
MX_API int mx_imported_outputs(mx_imported f, mx_call inputs);
/* Calls the trace that serves the inputs, as a compiled function: lazily, from a plan that is kept.
   Transforms go through it. Returns the number of results, owned by the scope, or -1. */
MX_API int mx_imported_call(mx_imported f, mx_call inputs, int max_out, mx_array *out);

/* The graph of a function, or the one behind arrays that are not evaluated yet, to be looked at. Values have
   numbers: the inputs, then the constants, then the outputs of each node in turn. */
typedef struct mxi_listing *mx_graph;
MX_API mx_graph mx_graph_trace(mx_function f, void *context, mx_call inputs, bool shapeless);
MX_API mx_graph mx_graph_behind(int n, const mx_array *arrays);
MX_API void mx_graph_free(mx_graph g); /* NULL is fine */
typedef enum mx_graph_part {
  MX_GRAPH_INPUTS,
  MX_GRAPH_CONSTANTS,
  MX_GRAPH_NODES,
  MX_GRAPH_OUTPUTS
} mx_graph_part;
MX_API int mx_graph_count(mx_graph g, mx_graph_part part);
/* The number of value i of a part that is not MX_GRAPH_NODES. Several outputs may be one value. -1 with the
   error set when there is none. */
MX_API int mx_graph_value(mx_graph g, mx_graph_part part, int i);
typedef enum mx_param_kind { MX_PARAM_INT, MX_PARAM_DOUBLE, MX_PARAM_INTS, MX_PARAM_OTHER } mx_param_kind;
typedef struct mx_param {
  const char *name;
  mx_param_kind kind;
  int64_t integer;
  double number;
  mx_ints integers;
} mx_param;
typedef struct mx_graph_node {
  const char *name; /* of the primitive; NULL: there is no such node, and the error is set */
  int ninputs, first_output, noutputs, nparams;
} mx_graph_node;
MX_API mx_graph_node mx_graph_node_at(mx_graph g, int i);
MX_API int mx_graph_node_input(mx_graph g, int i, int k); /* its number */
MX_API mx_param mx_graph_node_param(mx_graph g, int i, int k);
/* What a value is. array: borrowed; of inputs and constants, else NULL. */
typedef struct mx_value_info {
  mx_dtype dtype;
  mx_ints shape;
  mx_array array;
} mx_value_info;
MX_API mx_value_info mx_graph_value_info(mx_graph g, int value);

/* The graph behind arrays as text for Graphviz, where named[i] stands under the name names[i]. */
MX_API int mx_export_to_dot(mx_writer writer, int n, const mx_array *arrays, int nnames,
                            const char *const *names, const mx_array *named);
MX_END
#endif
