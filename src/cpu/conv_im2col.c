/* Convolution as a matrix product of the unfolded input (im2col: K. Chellapilla, S. Puri, P. Simard, High
   performance convolutional neural networks for document processing, 2006): a row of A is the patch of the
   input under one output pixel, (taps, channels); B is the weight. A is never made whole: the product asks
   for a few rows at a time as it packs them. Each group is a product of its own. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "cpu/gemm.h"
#include <string.h>

/* ---- Patches ---- */
/* A patch is a sequence of runs of elements `step` apart, each of `pixels` taps along the last axis with
   `width` channels, all within one row of the input. */
struct patches {
  const struct mxi_conv *c;
  const char *x; /* of the group */
  int64_t item;
  int64_t pixels, width, step, run; /* run = pixels * width */
};

/* Can a run take all taps of the last axis: are they evenly spaced, as their channels are? */
static bool rows_are_even(const struct mxi_conv *c) {
  int64_t pixel = c->kernel_dilation[2] * c->x_axis[2];
  return c->input_dilation[2] == 1 &&
         (c->channels == 1 || c->taps[2] == 1 || pixel == c->channels * c->x_channel);
}

static struct patches make_patches(const struct mxi_conv *c, int64_t group) {
  bool even = rows_are_even(c);
  int64_t pixels = even ? c->taps[2] : 1, item = (int64_t)mx_dtype_size(c->dtype);
  return (struct patches){.c = c,
                          .x = c->x + group * c->channels * c->x_channel * item,
                          .item = item,
                          .pixels = pixels,
                          .width = c->channels,
                          .step = c->channels == 1 ? c->kernel_dilation[2] * c->x_axis[2] : c->x_channel,
                          .run = pixels * c->channels};
}

/* Elements as bits, whatever their dtype. */
typedef uint16_t __attribute__((may_alias)) bits16;
typedef uint32_t __attribute__((may_alias)) bits32;
typedef uint64_t __attribute__((may_alias)) bits64;

static void copy_strided(char *dst, const char *src, int64_t n, int64_t step, int64_t item) {
  if (step == 1)
    memcpy(dst, src, (size_t)(n * item));
  else if (item == 2)
    for (int64_t i = 0; i < n; i++) ((bits16 *)dst)[i] = ((const bits16 *)src)[i * step];
  else if (item == 4)
    for (int64_t i = 0; i < n; i++) ((bits32 *)dst)[i] = ((const bits32 *)src)[i * step];
  else
    for (int64_t i = 0; i < n; i++) ((bits64 *)dst)[i] = ((const bits64 *)src)[i * step];
}

/* The element of the input at a place of the dilated, padded one; -1 where that is a zero. */
static int64_t element_at(const struct mxi_conv *c, int axis, int64_t place) {
  if (place < 0 || place % c->input_dilation[axis]) return -1;
  int64_t i = place / c->input_dilation[axis];
  return i < c->in[axis] ? i : -1;
}

/* Elements [from, to) of a run whose first pixel is at `place` of the input row at src. */
static void copy_run(const struct patches *p, char *dst, const char *src, int64_t place, int64_t from,
                     int64_t to) {
  const struct mxi_conv *c = p->c;
  int64_t inside0 = 0, inside1 = p->run, dilation = c->kernel_dilation[2], origin = place;
  if (p->pixels == 1) {
    origin = element_at(c, 2, place);
    if (origin < 0) inside1 = 0;
  } else {
    if (place < 0) inside0 = mxi_min(p->pixels, mxi_ceil_div(-place, dilation)) * p->width;
    inside1 = place >= c->in[2] ? 0 : mxi_min(p->pixels, mxi_ceil_div(c->in[2] - place, dilation)) * p->width;
  }
  inside0 = mxi_min(mxi_max(inside0, from), to);
  inside1 = mxi_min(mxi_max(inside1, inside0), to);
  memset(dst, 0, (size_t)((inside0 - from) * p->item));
  if (inside1 > inside0)
    copy_strided(dst + (inside0 - from) * p->item,
                 src + (origin * c->x_axis[2] + inside0 * p->step) * p->item, inside1 - inside0, p->step,
                 p->item);
  memset(dst + (inside1 - from) * p->item, 0, (size_t)((to - inside1) * p->item));
}

/* Elements [k0, k0 + kc) of the patch of one output pixel. */
static void copy_patch(const struct patches *p, char *dst, int64_t pixel, int64_t k0, int64_t kc) {
  const struct mxi_conv *c = p->c;
  int64_t runs = c->taps[2] / p->pixels, place[MXI_CONV_AXES];
  for (int axis = MXI_CONV_AXES - 1; axis >= 0; axis--) {
    place[axis] = pixel % c->out[axis] * c->stride[axis] - c->low[axis];
    pixel /= c->out[axis]; /* at last the place in the batch */
  }
  const char *image = p->x + pixel * c->x_batch * p->item;
  for (int64_t i = k0 / p->run, from = k0 % p->run; kc > 0; i++, from = 0) {
    int64_t to = mxi_min(p->run, from + kc), line = i / runs;
    int64_t i0 = element_at(c, 0, place[0] + line / c->taps[1] * c->kernel_dilation[0]);
    int64_t i1 = element_at(c, 1, place[1] + line % c->taps[1] * c->kernel_dilation[1]);
    if (i0 < 0 || i1 < 0)
      memset(dst, 0, (size_t)((to - from) * p->item));
    else
      copy_run(p, dst, image + (i0 * c->x_axis[0] + i1 * c->x_axis[1]) * p->item,
               place[2] + i % runs * c->kernel_dilation[2], from, to);
    dst += (to - from) * p->item;
    kc -= to - from;
  }
}

static void gather_patches(const void *ctx, void *dst, int64_t m0, int64_t rows, int64_t k0, int64_t kc) {
  const struct patches *p = ctx;
  for (int64_t i = 0; i < rows; i++) copy_patch(p, (char *)dst + i * kc * p->item, m0 + i, k0, kc);
}

/* ---- Products ---- */
static int multiply_group(const struct mxi_conv *c, int64_t group) {
  struct patches p = make_patches(c, group);
  int64_t k = c->taps[0] * c->taps[1] * c->taps[2] * c->channels;
  struct mxi_gemm g = {.dtype = c->dtype,
                       .m = c->batch * c->out[0] * c->out[1] * c->out[2],
                       .n = c->outputs,
                       .k = k,
                       .batch = 1,
                       .b = c->w + group * c->outputs * k * p.item,
                       .b_row = 1,
                       .b_col = k,
                       .c = c->y + group * c->outputs * p.item,
                       .c_row = c->groups * c->outputs,
                       .alpha = 1,
                       .gather_a = gather_patches,
                       .gather_ctx = &p};
  return mxi_gemm_run(&g);
}

struct conv_groups {
  const struct mxi_conv *c;
  struct mxi_error *errors; /* one a group */
};
static void group_task(void *ctx, int64_t i) {
  const struct conv_groups *g = ctx;
  if (multiply_group(g->c, i) < 0) mxi_error_take(&g->errors[i]);
}
/* Many groups: each on one thread. */
static int multiply_groups_apart(const struct mxi_conv *c) {
  struct conv_groups g = {c, mxi_calloc((size_t)c->groups, sizeof *g.errors)};
  if (!g.errors) return -1;
  int failed = mxi_parallel_for(c->groups, group_task, &g);
  for (int64_t i = 0; i < c->groups && !failed; i++)
    if (g.errors[i].code != MX_OK) failed = mxi_error_put(&g.errors[i]);
  mxi_free(g.errors);
  return failed;
}

int mxi_conv_im2col(const struct mxi_conv *c) {
  if (c->groups >= 2 * mxi_pool_size()) return multiply_groups_apart(c);
  for (int64_t group = 0; group < c->groups; group++) MXI_TRY(multiply_group(c, group));
  return 0;
}
