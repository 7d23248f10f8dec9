/* Graphs of cuDNN: tensors and operations on them, which it plans as one kernel. With MXI_LOCK_CUDA_GRAPHS
   held. What it refuses is no error: who asked has another way. */
#ifndef MXI_CUDA_CUDNN_H
#define MXI_CUDA_CUDNN_H
#include "core/stream.h"
#include "cuda/api/cudnn.h"
#include <stdbool.h>

/* Is there a cuDNN? Opened when first asked for. */
bool mxi_cudnn_begin(void);
int mxi_cudnn_version(void); /* 91002 is 9.10.2 */

enum { MXI_CUDNN_AXES = 5, MXI_CUDNN_MOST_DESCRIPTORS = 96, MXI_CUDNN_MOST_OPERATIONS = 24 };
struct mxi_cudnn_graph {
  bool refused; /* something failed; what follows does nothing */
  int64_t last_id;
  int ndescriptors, noperations;
  cudnnBackendDescriptor_t descriptors[MXI_CUDNN_MOST_DESCRIPTORS]; /* all that are to be destroyed */
  cudnnBackendDescriptor_t operations[MXI_CUDNN_MOST_OPERATIONS];
  cudnnBackendDescriptor_t plan;
  int64_t workspace_bytes;
};

/* Its number is its place in the list of the execution's addresses; 0: it exists within the kernel alone. */
struct mxi_cudnn_tensor {
  int64_t id;
  cudnnBackendDescriptor_t descriptor;
};
struct mxi_cudnn_shape {
  int64_t naxes, dims[MXI_CUDNN_AXES], strides[MXI_CUDNN_AXES]; /* in elements */
};
/* In device memory, at 16 bytes. */
struct mxi_cudnn_tensor mxi_cudnn_in_memory(struct mxi_cudnn_graph *g, int type,
                                            const struct mxi_cudnn_shape *s);
/* One element in host memory. */
struct mxi_cudnn_tensor mxi_cudnn_scalar(struct mxi_cudnn_graph *g, int type);
/* Of four axes. */
struct mxi_cudnn_tensor mxi_cudnn_intermediate(struct mxi_cudnn_graph *g, int type, const int64_t dims[4]);

/* c = a b, of the last two axes, summed in float. */
void mxi_cudnn_multiply(struct mxi_cudnn_graph *g, struct mxi_cudnn_tensor a, struct mxi_cudnn_tensor b,
                        struct mxi_cudnn_tensor c);
/* y = mode(x, b), computed in a type; b of one operand: {0}. */
void mxi_cudnn_pointwise(struct mxi_cudnn_graph *g, int mode, int computed, struct mxi_cudnn_tensor x,
                         struct mxi_cudnn_tensor b, struct mxi_cudnn_tensor y);
/* y = index along an axis of x. */
void mxi_cudnn_index(struct mxi_cudnn_graph *g, int64_t axis, struct mxi_cudnn_tensor x,
                     struct mxi_cudnn_tensor y);
/* y = condition ? x : b. */
void mxi_cudnn_select(struct mxi_cudnn_graph *g, struct mxi_cudnn_tensor condition, struct mxi_cudnn_tensor x,
                      struct mxi_cudnn_tensor b, struct mxi_cudnn_tensor y);
/* y = x reduced along the axes that y has 1 element of. */
void mxi_cudnn_reduce(struct mxi_cudnn_graph *g, int operator, struct mxi_cudnn_tensor x,
                      struct mxi_cudnn_tensor y);

/* y = x convolved with w, summed in float. Lists of one value a spatial axis. */
enum { MXI_CUDNN_SPATIAL_AXES = MXI_CUDNN_AXES - 2 };
struct mxi_cudnn_convolution {
  int mode;
  int64_t naxes, strides[MXI_CUDNN_SPATIAL_AXES], dilations[MXI_CUDNN_SPATIAL_AXES],
      low[MXI_CUDNN_SPATIAL_AXES], high[MXI_CUDNN_SPATIAL_AXES]; /* paddings */
};
void mxi_cudnn_convolve(struct mxi_cudnn_graph *g, const struct mxi_cudnn_convolution *c,
                        struct mxi_cudnn_tensor x, struct mxi_cudnn_tensor w, struct mxi_cudnn_tensor y);

/* What a plan may be: one of the first configurations that the heuristics name, whose engine's numerical
   notes suit (NULL: any do), with a workspace of so many bytes. */
enum { MXI_CUDNN_MOST_CONFIGURATIONS = 16 };
struct mxi_cudnn_wish {
  int64_t configurations, workspace_bytes;
  bool (*suits)(const int *notes, int64_t n, const void *context);
  const void *context;
};
/* Plans what was described. False: it is refused. */
bool mxi_cudnn_plan(struct mxi_cudnn_graph *g, const struct mxi_cudnn_wish *wish);
/* addresses[id - 1] of each tensor that isn't intermediate. -1 with op's error set: it didn't start. */
int mxi_cudnn_execute(const char *op, mx_stream s, const struct mxi_cudnn_graph *g, int64_t n,
                      void *const *addresses);
void mxi_cudnn_drop(struct mxi_cudnn_graph *g);
#endif
