#include "cuda/groups.h"
#include "base/checked.h"
#include "base/error.h"
#include "cuda/order.h"

static struct mxi_cuda_kernel numbers_kernel = MXI_CUDA_KERNEL(grouped, grouped_numbers);
static struct mxi_cuda_kernel tiles_kernel = MXI_CUDA_KERNEL(grouped, grouped_tiles);
static struct mxi_cuda_kernel rows_kernel = MXI_CUDA_KERNEL(grouped, grouped_rows);

static struct mxi_cuda_grid a_thread_each(int64_t n) {
  return (struct mxi_cuda_grid){.x = mxi_cuda_blocks(n, MXI_CUDA_GROUPED_THREADS),
                                .threads = MXI_CUDA_GROUPED_THREADS};
}

/* Fills the groups from the numbers. */
static int make_tiles(mx_stream s, const struct mxi_cuda_chosen_numbers *numbers, int64_t rows_each,
                      struct mxi_cuda_groups *g) {
  int64_t matrices = numbers->choice.side[1].matrices;
  struct mxi_cuda_order order = {.keys = numbers->right};
  MXI_TRY(mxi_cuda_order(s, numbers->right, numbers->places, matrices, &order));
  struct mxi_cuda_chosen_tiles tiles = {order.keys, g->tiles,  numbers->places,
                                        matrices,   rows_each, g->ntiles};
  struct mxi_cuda_chosen_rows rows = {
      order.positions, numbers->left, g->x_rows, g->y_rows, numbers->places * rows_each, rows_each};
  int status = mxi_cuda_launch(s, &tiles_kernel, a_thread_each(1), &tiles, sizeof tiles);
  if (!status) status = mxi_cuda_launch(s, &rows_kernel, a_thread_each(rows.rows), &rows, sizeof rows);
  mxi_cuda_scratch_free(&order.scratch);
  return status;
}

int mxi_cuda_group(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen, int64_t rows_each,
                   struct mxi_cuda_groups *g) {
  int64_t places = chosen->places, rows = places * rows_each;
  struct mxi_cuda_chosen_numbers numbers = {.choice = chosen->choice, .places = places};
  g->ntiles = rows / MXI_CUDA_GROUPED_ROWS + mxi_min(chosen->choice.side[1].matrices, places);
  size_t lists = (size_t)(2 * places + 2 * rows) * sizeof(int64_t);
  MXI_TRY(mxi_cuda_scratch_take(c->stream, lists + (size_t)g->ntiles * sizeof *g->tiles, &g->scratch));
  numbers.left = g->scratch.address;
  numbers.right = numbers.left + places;
  g->x_rows = numbers.right + places;
  g->y_rows = g->x_rows + rows;
  g->tiles = (struct mxi_cuda_tile *)(g->y_rows + rows);
  numbers.choice.error = mxi_cuda_error_word(c->stream, c->out[0]);
  int status = numbers.choice.error ? mxi_cuda_launch(c->stream, &numbers_kernel, a_thread_each(places),
                                                      &numbers, sizeof numbers)
                                    : -1;
  if (!status) status = make_tiles(c->stream, &numbers, rows_each, g);
  if (status < 0) mxi_cuda_groups_end(g);
  return status;
}
