/* The locks of the process. A fork takes them all, so that in the child none is held by a thread that is no
   more, and what they guard is whole. */
#ifndef MXI_BASE_LOCK_H
#define MXI_BASE_LOCK_H

/* In the order in which a thread that takes several takes them. */
enum mxi_lock {
  MXI_LOCK_PLANNING,        /* nodes are claimed, tickets taken */
  MXI_LOCK_SESSIONS,        /* what sessions of derivatives evaluated */
  MXI_LOCK_OUTPUTS,         /* the outputs of nodes with several */
  MXI_LOCK_PLANS,           /* the list of free plans */
  MXI_LOCK_TRACES,          /* of compiled functions */
  MXI_LOCK_FFT_PLANS,       /* the cache of them */
  MXI_LOCK_DOWNLOADS,       /* bytes come from a device */
  MXI_LOCK_SIDES,           /* which of a buffer's memories have its bytes */
  MXI_LOCK_CUDA_PRODUCTS,   /* how cuBLASLt computes which */
  MXI_LOCK_CUDA_GRAPHS,     /* cuDNN's plans, and all calls of it */
  MXI_LOCK_CUDA_TRANSFORMS, /* cuFFT's plans */
  MXI_LOCK_CUDA_SOLVERS,    /* cuSOLVER's handle */
  MXI_LOCK_CUDA_CUSTOM,     /* kernels of the user's */
  MXI_LOCK_CUDA_STAGES,     /* pinned memory on its way up */
  MXI_LOCK_CUDA_MEMORY,     /* the pools of device memory */
  MXI_LOCK_CUDA_STREAMS,    /* the device's streams and their marks */
  MXI_LOCK_CUDA_PROGRAMS,   /* which have kernels of their own */
  MXI_LOCK_CUDA_KERNELS,    /* which are loaded */
  MXI_LOCK_CUDA_LIBRARIES,  /* which are open */
  MXI_LOCK_DEVICE,          /* the device of threads that chose none */
  MXI_LOCK_LAPACK_TURN,     /* LAPACK itself, where memory is short */
  MXI_LOCK_LAPACK,          /* its settings */
  MXI_LOCK_MEMORY,          /* the cache of buffers */
  MXI_LOCK_MAPPED,          /* the files mapped, and the handler that guards them */
  MXI_LOCK_COUNT
};
void mxi_lock(enum mxi_lock l);
void mxi_unlock(enum mxi_lock l);
#endif
