#include "cpu/sort_rows.h"
#include "base/error.h"
#include "cpu/pool.h"
#include <stdatomic.h>

enum {
  CHUNK = 8192,       /* elements of a chunk of rows */
  LONG_ROW = 1 << 16, /* a row of this length is worth the pool alone, if there are */
  FEW_ROWS = 4,       /* fewer rows than this */
  HUGE_ROW = 1 << 24, /* always worth it */
  LONG_PART = 1 << 20
};

struct row_chunks {
  const struct mxi_rows *rows;
  const struct mxi_row_steps *steps;
  int64_t batch; /* rows of a chunk */
  atomic_int out_of_memory;
};
static void run_rows_chunk(void *ctx, int64_t chunk) {
  struct row_chunks *c = ctx;
  size_t bytes = (size_t)c->rows->length * mxi_sort_item_size(&c->rows->sort);
  char *items = mxi_scratch((size_t)c->steps->copies * bytes);
  if (!items) {
    c->out_of_memory = 1;
    return;
  }
  int64_t end = mxi_min(c->rows->count, (chunk + 1) * c->batch);
  for (int64_t i = chunk * c->batch; i < end; i++) c->steps->short_row(c->rows, i, items, items + bytes);
}
static int run_short_rows(const struct mxi_rows *r, const struct mxi_row_steps *steps) {
  struct row_chunks c = {.rows = r, .steps = steps, .batch = mxi_max(1, CHUNK / r->length)};
  MXI_TRY(mxi_parallel_for(mxi_ceil_div(r->count, c.batch), run_rows_chunk, &c));
  return c.out_of_memory ? mxi_fail_memory((size_t)(steps->copies * r->length) * mxi_sort_item_size(&r->sort))
                         : 0;
}

static int run_long_rows(const struct mxi_rows *r, const struct mxi_row_steps *steps) {
  int64_t bytes;
  if (!mxi_mul(r->length, steps->copies * (int64_t)mxi_sort_item_size(&r->sort), &bytes))
    return mxi_fail_memory(SIZE_MAX);
  mx_buffer *memory = mxi_buffer_new((size_t)bytes);
  if (!memory) return -1;
  char *items = memory->data;
  int result = 0;
  for (int64_t i = 0; i < r->count && result == 0; i++)
    result = steps->long_row(r, i, items, items + bytes / steps->copies);
  mxi_buffer_unref(memory);
  return result;
}

int mxi_rows_run(const struct mxi_rows *r, const struct mxi_row_steps *steps) {
  bool is_long = r->length >= HUGE_ROW || (r->length >= LONG_ROW && r->count < FEW_ROWS);
  return is_long ? run_long_rows(r, steps) : run_short_rows(r, steps);
}

struct mxi_row_parts mxi_row_parts(const struct mxi_rows *r) {
  int64_t count = mxi_min(MXI_ROW_PARTS, mxi_max(mxi_pool_size(), r->length / LONG_PART));
  return (struct mxi_row_parts){count, mxi_round_up(mxi_ceil_div(r->length, count), 16), r->length};
}
