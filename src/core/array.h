/* An array, its node, its buffer: the three structures everything is made of. See docs/design.md, "Core".

   Who owns what: an array owns one reference to its node (until it is ready) and to its buffer. A node owns
   its inputs, never its outputs. References are counted atomically, so arrays may be shared between threads;
   the fields that eval writes (buffer, data, strides, flags) are published by the release store of state =
   READY. */
#ifndef MXI_CORE_ARRAY_H
#define MXI_CORE_ARRAY_H
#include "core/dtype.h"
#include "mlx/array.h"
#include <stdatomic.h>
#include <string.h>

typedef struct mxi_node mx_node;
typedef struct mxi_buffer mx_buffer;
typedef struct mxi_task mx_task;
typedef struct mxi_prim mx_prim;

enum mxi_state {
  MXI_LAZY,
  MXI_CLAIMED, /* by the plan of a task that runs, or has run it away into a register */
  MXI_READY,
  MXI_SUBMITTED, /* placed, and its device at work: ready when its buffer's event has passed */
  MXI_LOST, /* its memory was given to a step that then failed: what needs it can't be computed any more */
  MXI_PLACEHOLDER,
  MXI_BAD
};

enum {
  MXI_ROW_CONTIGUOUS = 1, /* strides are those of a C-order array (dims of size 1 are free) */
  MXI_DENSE = 2           /* the elements fill data[0 .. size) in some order of the axes, each once */
};

enum { MXI_MAX_NDIM = 32 };

struct mxi_array {
  atomic_int refs;
  atomic_int state;
  uint8_t dtype;
  uint8_t ndim;
  uint8_t flags;
  uint8_t constant; /* made as one element, repeated, and not by an eval; never changes */
  int32_t output_index;
  int32_t slot;      /* place in the plan that claimed it; meaningful to that plan alone */
  int32_t level;     /* of the innermost trace on whose placeholders it depends; 0: on none */
  uint64_t session;  /* of derivatives, whose tracer it is; 0: none; see tracer.h */
  mx_node *node;     /* NULL for leaves, and when ready unless a tracer of an open session */
  mx_task *task;     /* the eval that claimed it */
  mx_buffer *buffer; /* NULL while lazy, and for inline scalars */
  void *data; /* first element: inside the buffer, or &inline_value; NULL: not on the host (mxi_to_host) */
  int64_t offset; /* of the first element in the buffer, in bytes */
  int64_t size;   /* elements; the product of the shape */
  union {
    uint64_t bits;
    double f64;
    float f32[2];
  } inline_value; /* one element whose every stride is 0, needs no buffer */
  int64_t dims[]; /* shape[ndim], strides[ndim] (in elements; may be 0 or negative) */
};

static inline int64_t *mxi_shape(const struct mxi_array *a) { return (int64_t *)a->dims; }
static inline int64_t *mxi_strides(const struct mxi_array *a) { return (int64_t *)a->dims + a->ndim; }
static inline mx_ints mxi_shape_of(const struct mxi_array *a) { return (mx_ints){a->dims, a->ndim}; }
static inline bool mxi_ints_equal(mx_ints a, mx_ints b) {
  return a.n == b.n && (a.n <= 0 || memcmp(a.v, b.v, (size_t)a.n * sizeof(int64_t)) == 0);
}
static inline bool mxi_same_shape(const struct mxi_array *a, const struct mxi_array *b) {
  return mxi_ints_equal(mxi_shape_of(a), mxi_shape_of(b));
}
/* Constants of equal bits: one can serve for the other. Neither the flag nor the bits ever change. */
static inline bool mxi_same_constant(mx_array a, mx_array b) {
  return a->constant && b->constant && a->dtype == b->dtype && a->inline_value.bits == b->inline_value.bits &&
         mxi_same_shape(a, b);
}
static inline int mxi_state(const struct mxi_array *a) {
  return atomic_load_explicit((atomic_int *)&a->state, memory_order_acquire);
}
static inline size_t mxi_itemsize(const struct mxi_array *a) { return mx_dtype_size((mx_dtype)a->dtype); }
static inline bool mxi_is_bad(const struct mxi_array *a) { return a == MX_BAD; }

/* ---- Buffers: host memory with a reference count. ---- */
enum {
  MXI_BUFFER_READ_ONLY = 1, /* a file mapping, a foreign read-only array */
  MXI_BUFFER_FOREIGN = 2,   /* freed by `release`, not by the cache */
  MXI_BUFFER_EXPORTED = 4,  /* a view of it lives outside (NumPy, DLPack): never donated again */
  MXI_BUFFER_OURS = 8,      /* FOREIGN, but `release` is the library's own: it need not wait for a drain */
  MXI_BUFFER_MAPPED = 16    /* bytes of a file that others may change; owner is a struct mxi_mapped */
};
struct mxi_buffer {
  atomic_int refs;
  atomic_uint flags;
  void *data;                   /* on the host; NULL while only a device has them */
  size_t bytes;                 /* usable bytes at data */
  void (*release)(void *owner); /* foreign: called once, from the thread that drains foreign releases, or
                                   (MXI_BUFFER_OURS) from the one that lets go last */
  void *owner;
  struct mxi_side *side; /* its bytes on a device (device.h); NULL: they are on the host alone */
};
/* Fresh memory for `bytes`, contents undefined, aligned to 64. NULL with the error set. */
mx_buffer *mxi_buffer_new(size_t bytes);
/* Bytes of a memory, the host's or a device's. */
enum mxi_memory_figure {
  MXI_MEMORY_ACTIVE, /* in use by arrays */
  MXI_MEMORY_PEAK,   /* at most so far */
  MXI_MEMORY_CACHED, /* freed, and kept for reuse */
  MXI_MEMORY_LIMIT,  /* allocations that would go beyond it fail */
  MXI_MEMORY_CACHE_LIMIT,
  MXI_MEMORY_FIGURES
};
size_t mxi_host_memory(enum mxi_memory_figure f);
void mxi_host_memory_set(enum mxi_memory_figure f, size_t bytes);
/* Gives what is cached back to the system. */
void mxi_host_memory_trim(void);
/* How many buffers came from the system so far, and not from the cache of those that were freed. */
size_t mxi_buffers_from_system(void);
/* Wraps memory owned elsewhere. On failure `release` is not called. */
mx_buffer *mxi_buffer_foreign(void *data, size_t bytes, unsigned flags, void (*release)(void *), void *owner);
static inline mx_buffer *mxi_buffer_ref(mx_buffer *b) {
  if (b) atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
  return b;
}
void mxi_buffer_unref(mx_buffer *b);
/* Runs queued foreign destructors where no binding has asked to do it (mx_on_foreign); for public entry
 * points. */
void mxi_drain_unbound(void);
/* May its memory be given to a result, were the caller its only owner? */
static inline bool mxi_buffer_donatable(const mx_buffer *b) {
  return b && atomic_load_explicit((atomic_int *)&b->refs, memory_order_acquire) == 1 &&
         !atomic_load_explicit((atomic_uint *)&b->flags, memory_order_relaxed);
}

/* ---- Arrays ---- */
/* A lazy array of this shape without node or data; strides are row-major. NULL with the error set when the
   product of the shape overflows, a dim is negative, ndim > MXI_MAX_NDIM, or memory is short. The caller owns
   it: give it to mxi_own, or release it. */
mx_array mxi_array_new(mx_dtype t, mx_ints shape);
static inline mx_array mxi_ref(mx_array a) {
  atomic_fetch_add_explicit(&a->refs, 1, memory_order_relaxed);
  return a;
}
/* Releases one reference; never recurses however long the graph behind it. NULL and MX_BAD are fine. */
void mxi_unref(mx_array a);
/* Hands an owned array to the innermost scope of the thread, and returns it. NULL gives MX_BAD. */
mx_array mxi_own(mx_array a);

/* Gives a lazy array its data. The array takes over one reference of the buffer. strides NULL = row-major.
   offset in bytes from the buffer's start. Sets the contiguity flags; does not publish. */
void mxi_set_data(mx_array a, mx_buffer *b, int64_t offset, const int64_t *strides);
/* Fresh row-major memory for a. */
int mxi_alloc(mx_array a);
/* a becomes a view of src's data: data pointer at src->data + offset elements (of src), own strides. */
void mxi_set_view(mx_array a, mx_array src, int64_t offset, const int64_t *strides);
/* Recomputes MXI_ROW_CONTIGUOUS and MXI_DENSE from shape and strides. */
void mxi_update_flags(mx_array a);
/* Drops data of an array whose evaluation failed: lazy again. */
void mxi_reset_data(mx_array a);
/* Marks a as ready: everything written before is visible to who sees it so. */
static inline void mxi_publish(mx_array a) {
  atomic_store_explicit(&a->state, MXI_READY, memory_order_release);
}
/* A ready row-major array with fresh memory, owned by the caller; for kernels' temporaries and loaders. */
mx_array mxi_array_alloc(mx_dtype t, mx_ints shape);
/* A ready scalar or stride-0 array with its one element inline; owned by the caller. */
mx_array mxi_array_fill(mx_dtype t, mx_ints shape, const void *element);

static inline bool mxi_row_contiguous(const struct mxi_array *a) { return a->flags & MXI_ROW_CONTIGUOUS; }
#define mxi_data(T, a) ((T *)(a)->data)
#endif
