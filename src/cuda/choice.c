#include "cuda/choice.h"
#include "base/checked.h"
#include "base/error.h"
#include "cuda/region.h"

/* What stands for one side: a list of indices, or a batch of matrices in its own order. */
struct choice_side {
  mx_ints shape;
  const int64_t *strides;
  int64_t matrices;
  int64_t own[MXI_MAX_NDIM];
};

static int64_t matrices_of(mx_array a) {
  int64_t n = 1;
  for (int i = 0; i + 2 < a->ndim; i++) n *= mxi_shape(a)[i];
  return n;
}

/* The batch of a, numbered. */
static void number_batch(mx_array a, struct choice_side *side) {
  int64_t step = 1;
  side->shape = (mx_ints){mxi_shape(a), a->ndim - 2};
  side->strides = side->own;
  for (int d = a->ndim - 3; d >= 0; d--) {
    side->own[d] = step;
    step *= mxi_shape(a)[d];
  }
}

/* The places with each side's strides over them, which are 0 where it broadcasts. */
static void find_places(const struct mxi_call *c, const struct choice_side *sides,
                        struct mxi_region *places) {
  int ndim = c->out[0]->ndim - 2;
  int64_t strides[MXI_CUDA_CHOICE_SIDES][MXI_MAX_NDIM];
  const int64_t *of_side[MXI_CUDA_CHOICE_SIDES];
  for (int s = 0; s < MXI_CUDA_CHOICE_SIDES; s++) {
    int missing = ndim - sides[s].shape.n;
    for (int d = 0; d < ndim; d++)
      strides[s][d] = d < missing || sides[s].shape.v[d - missing] == 1 ? 0 : sides[s].strides[d - missing];
    of_side[s] = strides[s];
  }
  mxi_region_init(places, ndim, mxi_shape(c->out[0]), MXI_CUDA_CHOICE_SIDES, of_side);
  if (places->size) mxi_region_merge(places);
}

bool mxi_cuda_can_choose(const struct mxi_call *c, int right, int lists, int64_t lhs, int64_t rhs) {
  const int64_t given[] = {lhs, rhs};
  const int operand[] = {0, right};
  struct choice_side sides[MXI_CUDA_CHOICE_SIDES];
  struct mxi_region places;
  mx_array out = c->out[0];
  for (int s = 0; s < MXI_CUDA_CHOICE_SIDES; s++) {
    if (!given[s]) {
      number_batch(c->in[operand[s]], &sides[s]);
      continue;
    }
    mx_array list = c->in[lists++];
    sides[s].shape = mxi_shape_of(list);
    sides[s].strides = mxi_strides(list);
  }
  find_places(c, sides, &places);
  int64_t rows = 0;
  return places.ndim <= MXI_CUDA_CHOICE_NDIM && mxi_mul(places.size, mxi_shape(out)[out->ndim - 2], &rows) &&
         rows < INT32_MAX / 2 && matrices_of(c->in[right]) < INT32_MAX / 2;
}

static void describe(struct mxi_cuda_choice *choice, const struct mxi_region *places) {
  choice->chosen = 1;
  choice->ndim = places->ndim;
  for (int d = 0; d < places->ndim; d++) {
    choice->shape[d] = mxi_cuda_divisor_of(places->shape[d]);
    for (int s = 0; s < MXI_CUDA_CHOICE_SIDES; s++) choice->side[s].strides[d] = places->strides[s][d];
  }
}

int mxi_cuda_choose(const struct mxi_call *c, int right, int lists, int64_t lhs, int64_t rhs,
                    struct mxi_cuda_chosen *chosen) {
  const int64_t given[] = {lhs, rhs};
  const int operand[] = {0, right};
  struct choice_side sides[MXI_CUDA_CHOICE_SIDES];
  struct mxi_region places;
  *chosen = (struct mxi_cuda_chosen){.nlists = 0};
  for (int s = 0; s < MXI_CUDA_CHOICE_SIDES; s++) {
    struct mxi_cuda_chosen_side *side = &chosen->choice.side[s];
    side->matrices = matrices_of(c->in[operand[s]]);
    if (!given[s]) {
      number_batch(c->in[operand[s]], &sides[s]);
      continue;
    }
    struct mxi_cuda_input *list = &chosen->lists[chosen->nlists];
    if (mxi_cuda_hold(c, lists++, list) < 0) {
      mxi_cuda_choice_end(chosen);
      return -1;
    }
    chosen->nlists++;
    sides[s].shape = list->shape;
    sides[s].strides = list->strides;
    side->indices = list->address;
    side->dtype = (int32_t)list->dtype;
  }
  find_places(c, sides, &places);
  chosen->places = places.size;
  describe(&chosen->choice, &places);
  chosen->choice.op = c->prim->id == MXI_GATHER_QMM ? MXI_CUDA_ERROR_GATHER_QMM : MXI_CUDA_ERROR_GATHER_MM;
  return 0;
}

void mxi_cuda_choice_end(struct mxi_cuda_chosen *chosen) {
  for (int i = 0; i < chosen->nlists; i++) mxi_cuda_let_go(&chosen->lists[i]);
}

int mxi_cuda_for_products(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen,
                          mxi_cuda_products_fn run, const void *ctx) {
  enum { MOST = 4096 }; /* each of which may be several blocks of a grid's dimension that has 65,535 */
  for (int64_t i = 0; i < chosen->places; i += MOST) {
    struct mxi_cuda_choice choice = chosen->choice;
    choice.first = (uint32_t)i;
    choice.error = mxi_cuda_error_word(c->stream, c->out[0]);
    if (!choice.error) return -1;
    MXI_TRY(run(c->stream, &choice, i, mxi_min(chosen->places - i, MOST), ctx));
  }
  return 0;
}
