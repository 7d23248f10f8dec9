/* The choice of matrices, and the order in which their products are made: by the matrix on the right. The
   rows that meet it are gathered, unless they lie side by side already, and so are their results. */
#include "cpu/cpu.h"
#include "cpu/gather_mm.h"
#include "cpu/kernels/copy.h"
#include "core/region.h"
#include <stdlib.h>
#include <string.h>

/* ---- The choice ---- */
static int64_t matrices_of(mx_array a) {
  int64_t n = 1;
  for (int i = 0; i + 2 < a->ndim; i++) n *= mxi_shape(a)[i];
  return n;
}

/* Strides over the places' `ndim` dims of what has `own` of them, aligned at the last; 0 where it broadcasts.
 */
static void align_strides(int ndim, int own, const int64_t *shape, const int64_t *strides, int64_t *out) {
  for (int d = 0; d < ndim; d++) {
    int at = d - (ndim - own);
    out[d] = at < 0 || shape[at] == 1 ? 0 : strides[at];
  }
}

static int report(const struct mxi_call *c, mx_array indices, const char *element, int64_t bound) {
  mx_dtype t = (mx_dtype)indices->dtype;
  long long value = mxi_scalar_load_int(element, t), n = bound;
  const char *form = t == MX_UINT64 ? "[%s] expected indices in [-%lld, %lld) on axis 0, got %llu"
                                    : "[%s] expected indices in [-%lld, %lld) on axis 0, got %lld";
  return mxi_fail(MX_INDEX_ERROR, form, c->prim->name, n, n, value);
}

/* Numbers at the indices. */
static int resolve(const struct mxi_call *c, const struct mxi_region *places, mx_array indices, int64_t bound,
                   int64_t *numbers) {
  struct mxi_region_iter it;
  int64_t item = (int64_t)mxi_itemsize(indices),
          step = places->ndim ? places->strides[0][places->ndim - 1] : 0;
  if (places->size == 0) return 0;
  mxi_region_iter_init(&it, places, 0);
  for (int64_t done = 0; done < places->size;) {
    int64_t run = mxi_region_iter_run(&it, places);
    const char *from = mxi_data(char, indices) + it.offset[0] * item;
    memset(numbers + done, 0, (size_t)run * sizeof *numbers);
    int64_t bad = MXI_DISPATCH(mxi_index_run)((mx_dtype)indices->dtype, from, step, run, bound, bound, 1,
                                              numbers + done);
    if (bad >= 0) return report(c, indices, from + bad * step * item, bound);
    done += run;
    mxi_region_iter_advance(&it, places, run);
  }
  return 0;
}
/* Numbers of the batch in its own order. */
static void count(const struct mxi_region *places, int64_t *numbers) {
  struct mxi_region_iter it;
  if (places->size == 0) return;
  mxi_region_iter_init(&it, places, 0);
  for (int64_t i = 0; i < places->size; i++) {
    numbers[i] = it.offset[0];
    mxi_region_iter_advance(&it, places, 1);
  }
}

static int find_side(const struct mxi_call *c, mx_array a, mx_array indices, int64_t *numbers) {
  int ndim = c->out[0]->ndim - 2;
  int64_t strides[MXI_MAX_NDIM], own[MXI_MAX_NDIM];
  if (indices) {
    align_strides(ndim, indices->ndim, mxi_shape(indices), mxi_strides(indices), strides);
  } else {
    for (int64_t d = a->ndim - 3, step = 1; d >= 0; d--) {
      own[d] = step;
      step *= mxi_shape(a)[d];
    }
    align_strides(ndim, a->ndim - 2, mxi_shape(a), own, strides);
  }
  struct mxi_region places;
  mxi_region_init(&places, ndim, mxi_shape(c->out[0]), 1, (const int64_t *[]){strides});
  mxi_region_merge(&places);
  if (indices) return resolve(c, &places, indices, matrices_of(a), numbers);
  count(&places, numbers);
  return 0;
}

int mxi_chosen_find(const struct mxi_call *c, mx_array a, mx_array b, mx_array lhs, mx_array rhs,
                    struct mxi_chosen *chosen) {
  chosen->places = 1;
  for (int i = 0; i < c->out[0]->ndim - 2; i++) chosen->places *= mxi_shape(c->out[0])[i];
  chosen->lhs = mxi_calloc((size_t)mxi_max(chosen->places, 1), 2 * sizeof *chosen->lhs);
  if (!chosen->lhs) return -1;
  chosen->rhs = chosen->lhs + chosen->places;
  if (find_side(c, a, lhs, chosen->lhs) == 0 && find_side(c, b, rhs, chosen->rhs) == 0) return 0;
  mxi_chosen_free(chosen);
  return -1;
}
void mxi_chosen_free(struct mxi_chosen *chosen) { mxi_free(chosen->lhs); }

/* ---- Places by the matrix on the right ---- */
struct ordered_place {
  int64_t matrix, place;
};
static int compare_places(const void *a, const void *b) {
  const struct ordered_place *x = a, *y = b;
  if (x->matrix != y->matrix) return x->matrix < y->matrix ? -1 : 1;
  return x->place < y->place ? -1 : x->place > y->place;
}
/* The caller frees it. NULL with the error set. */
static struct ordered_place *ordered_places(const struct mxi_chosen *chosen) {
  struct ordered_place *order = mxi_calloc((size_t)mxi_max(chosen->places, 1), sizeof *order);
  bool sorted = true;
  if (!order) return NULL;
  for (int64_t i = 0; i < chosen->places; i++) {
    order[i] = (struct ordered_place){chosen->rhs[i], i};
    sorted = sorted && (i == 0 || order[i - 1].matrix <= order[i].matrix);
  }
  if (!sorted) qsort(order, (size_t)chosen->places, sizeof *order, compare_places);
  return order;
}

bool mxi_chosen_repeats(const struct mxi_chosen *chosen) {
  enum { FEW = 64 }; /* more are taken to repeat */
  if (chosen->places > FEW) return true;
  for (int64_t i = 0; i < chosen->places; i++)
    for (int64_t j = 0; j < i; j++)
      if (chosen->rhs[i] == chosen->rhs[j]) return true;
  return false;
}

/* ---- Products ---- */
struct chosen_run {
  const struct mxi_chosen *chosen;
  const struct mxi_chosen_rows *r;
  const struct ordered_place *order;
  char *x, *y; /* gathered; NULL: they lie side by side as they are */
};

static bool x_in_order(const struct chosen_run *run) {
  for (int64_t i = 1; i < run->chosen->places; i++)
    if (run->order[i].matrix == run->order[i - 1].matrix &&
        run->chosen->lhs[run->order[i].place] != run->chosen->lhs[run->order[i - 1].place] + 1)
      return false;
  return true;
}
static bool y_in_order(const struct chosen_run *run) {
  for (int64_t i = 1; i < run->chosen->places; i++)
    if (run->order[i].matrix == run->order[i - 1].matrix &&
        run->order[i].place != run->order[i - 1].place + 1)
      return false;
  return true;
}

static void gather_x(void *ctx, int64_t i) {
  const struct chosen_run *run = ctx;
  int64_t bytes = run->r->m * run->r->k * run->r->item;
  memcpy(run->x + i * bytes, run->r->x + run->chosen->lhs[run->order[i].place] * bytes, (size_t)bytes);
}
static void scatter_y(void *ctx, int64_t i) {
  const struct chosen_run *run = ctx;
  int64_t bytes = run->r->m * run->r->n * run->r->item;
  memcpy(run->r->y + run->order[i].place * bytes, run->y + i * bytes, (size_t)bytes);
}

static int multiply_runs(const struct chosen_run *run) {
  const struct mxi_chosen_rows *r = run->r;
  int64_t x_bytes = r->m * r->k * r->item, y_bytes = r->m * r->n * r->item;
  for (int64_t i = 0, next; i < run->chosen->places; i = next) {
    const struct ordered_place *o = &run->order[i];
    for (next = i + 1; next < run->chosen->places && run->order[next].matrix == o->matrix;) next++;
    const char *x = run->x ? run->x + i * x_bytes : r->x + run->chosen->lhs[o->place] * x_bytes;
    char *y = run->y ? run->y + i * y_bytes : r->y + o->place * y_bytes;
    MXI_TRY(r->multiply(r->ctx, o->matrix, (next - i) * r->m, x, y));
  }
  return 0;
}

static int gather_and_multiply(struct chosen_run *run) {
  int64_t rows = run->chosen->places * run->r->m, bytes;
  bool x = !x_in_order(run), y = !y_in_order(run);
  if (!mxi_mul(rows * run->r->item, (x ? run->r->k : 0) + (y ? run->r->n : 0), &bytes))
    return mxi_fail_memory(SIZE_MAX);
  char *gathered = x || y ? mxi_malloc_aligned((size_t)bytes) : NULL;
  if ((x || y) && !gathered) return -1;
  if (x) run->x = gathered;
  if (y) run->y = gathered + (x ? rows * run->r->k * run->r->item : 0);
  int status = x ? mxi_parallel_for(run->chosen->places, gather_x, run) : 0;
  if (!status) status = multiply_runs(run);
  if (!status && y) status = mxi_parallel_for(run->chosen->places, scatter_y, run);
  mxi_free(gathered);
  return status;
}

/* Matrices with many rows are worth a product each, and no copy. */
static int multiply_each(const struct mxi_chosen *chosen, const struct mxi_chosen_rows *r) {
  int64_t x_bytes = r->m * r->k * r->item, y_bytes = r->m * r->n * r->item;
  for (int64_t i = 0; i < chosen->places; i++)
    MXI_TRY(r->multiply(r->ctx, chosen->rhs[i], r->m, r->x + chosen->lhs[i] * x_bytes, r->y + i * y_bytes));
  return 0;
}

int mxi_multiply_chosen(const struct mxi_chosen *chosen, const struct mxi_chosen_rows *r) {
  enum { MANY_ROWS = 256 };
  if (r->m >= MANY_ROWS) return multiply_each(chosen, r);
  struct ordered_place *order = ordered_places(chosen);
  if (!order) return -1;
  struct chosen_run run = {chosen, r, order, NULL, NULL};
  int status = gather_and_multiply(&run);
  mxi_free(order);
  return status;
}
