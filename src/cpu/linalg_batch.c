#include "cpu/linalg.h"
#include "cpu/kernels/copy.h"
#include <string.h>
#include <pthread.h>

struct mxi_matrices mxi_matrices_of(mx_array a) {
  int n = a->ndim;
  const int64_t *shape = mxi_shape(a), *strides = mxi_strides(a);
  struct mxi_matrices m = {.data = a->data,
                           .count = 1,
                           .rows = shape[n - 2],
                           .columns = shape[n - 1],
                           .row = strides[n - 2],
                           .column = strides[n - 1],
                           .item = mxi_itemsize(a),
                           .nbatch = n - 2,
                           .shape = shape,
                           .strides = strides};
  for (int i = 0; i < m.nbatch; i++) m.count *= shape[i];
  return m;
}

const void *mxi_matrix(const struct mxi_matrices *m, int64_t i) {
  int64_t offset = 0;
  for (int d = m->nbatch - 1; d >= 0 && i; d--) {
    offset += i % m->shape[d] * m->strides[d];
    i /= m->shape[d];
  }
  return m->data + offset * (int64_t)m->item;
}

void mxi_copy_matrix(struct mxi_target to, const void *from, int64_t row, int64_t column, int64_t rows,
                     int64_t columns, size_t item) {
  struct mxi_panel p = {.rows = rows,
                        .columns = columns,
                        .dst_row = to.row,
                        .dst_column = to.column,
                        .src_row = row,
                        .src_column = column};
  if (to.column != 1 && to.row == 1) // the kernel writes along rows
    p = (struct mxi_panel){.rows = columns,
                           .columns = rows,
                           .dst_row = to.column,
                           .dst_column = to.row,
                           .src_row = column,
                           .src_column = row};
  if (rows > 0 && columns > 0) MXI_DISPATCH(mxi_copy_panel)((int)item, &p, to.data, from, 0);
}

void mxi_load_matrix(const struct mxi_matrices *m, int64_t i, void *to, int64_t row, int64_t column) {
  mxi_copy_matrix((struct mxi_target){to, row, column}, mxi_matrix(m, i), m->row, m->column, m->rows,
                  m->columns, m->item);
}

/* ---- Batches ---- */
enum { CHUNK_COST = 100000 };

struct batch_run {
  const struct mxi_batch *b;
  int64_t each; /* matrices a chunk */
  char *work;
  pthread_mutex_t lock; /* of what follows */
  int64_t failed;
  int why;
};

static void run_matrices(void *ctx, int64_t chunk, int slot) {
  struct batch_run *r = ctx;
  const struct mxi_batch *b = r->b;
  int64_t end = mxi_min(b->count, (chunk + 1) * r->each);
  for (int64_t i = chunk * r->each; i < end; i++) {
    int why = b->one(b->ctx, i, r->work + (size_t)slot * b->work_bytes);
    if (!why) continue;
    pthread_mutex_lock(&r->lock);
    if (r->failed < 0 || i < r->failed) {
      r->failed = i;
      r->why = why;
    }
    pthread_mutex_unlock(&r->lock);
    return;
  }
}

int mxi_batch_run(const struct mxi_batch *b, int64_t *failed, int *why) {
  struct mxi_batch padded = *b;
  struct batch_run r = {.b = &padded, .failed = -1, .lock = PTHREAD_MUTEX_INITIALIZER};
  double each = CHUNK_COST / (b->cost + 1);
  int64_t total;
  padded.work_bytes = (b->work_bytes + 127) & ~(size_t)63;
  r.each = each < 1 ? 1 : each > 4096 ? 4096 : (int64_t)each;
  int64_t chunks = mxi_ceil_div(b->count, r.each), slots = chunks > 1 ? mxi_pool_size() : 1;
  *failed = -1;
  if (b->count <= 0) return 0;
  if (!mxi_mul((int64_t)padded.work_bytes, slots, &total)) return mxi_fail_memory(SIZE_MAX);
  mx_buffer *memory = mxi_buffer_new((size_t)total);
  if (!memory) return -1;
  r.work = memory->data;
  int status = 0;
  if (chunks == 1)
    run_matrices(&r, 0, 0); // outside of a loop, so that the one matrix may use the pool
  else
    status = mxi_parallel_for_slots(chunks, run_matrices, &r);
  mxi_buffer_unref(memory);
  *failed = r.failed;
  *why = r.why;
  return status;
}
