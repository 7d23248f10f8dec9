/* Direct convolution in float32. The output is cut into blocks of lines and pixels; the input under a block
   is copied, with its padding, into a strip that stays in the near caches, and tiles of output pixels are
   summed from there: nothing is unfolded. The weight is packed once, as for a matrix product.

   Every output is one sum over taps and channels in order, so how the work is cut never shows in a result. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "cpu/kernels/conv_tile.h"
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/workspace.h"
#include <string.h>

enum {
  LEAST_OUTPUTS = 12,      /* fewer would leave most of a tile's columns idle */
  BLOCK_TILES = 8,         /* most tiles along a line of a block */
  BLOCK_LINES = 4,         /* times a tile's height: most lines of a block */
  LARGEST_STRIP = 1 << 19, /* elements */
  LARGEST_PATCH = 1 << 13  /* elements: a panel of the weight is that many rows */
};
static const double block_work = 4e6; /* multiply-adds that a block aims at, about 60 us */

struct direct_conv {
  const struct mxi_conv *c;
  const struct mxi_conv_tiles *kern;
  struct mxi_patch patch;
  int64_t k, panels;                                      /* elements of a patch, panels of a group */
  int64_t height, pixels, lines;                          /* of a tile; of a block */
  int64_t across, down;                                   /* blocks along a line; along axis 1 */
  int64_t strip_planes, strip_lines, strip_pixels, strip; /* the input under a block; its elements */
  int64_t parts, part;                                    /* a block's panels in so many tasks, of so many */
  float *packed, *strips;                                 /* (groups, panels, k, nr); one a slot */
};

static int64_t span(const struct mxi_conv *c, int axis, int64_t outputs) {
  return (outputs - 1) * c->stride[axis] + (c->taps[axis] - 1) * c->kernel_dilation[axis] + 1;
}

/* ---- Planning ---- */
static void cut_blocks(struct direct_conv *d) {
  const struct mxi_conv *c = d->c;
  int64_t most = BLOCK_TILES * d->kern->mr;
  d->pixels = mxi_ceil_div(c->out[2], mxi_ceil_div(c->out[2], most));
  d->height = mxi_ceil_div(d->pixels, mxi_ceil_div(d->pixels, d->kern->mr));
  d->across = mxi_ceil_div(c->out[2], d->pixels);
  double line_work = (double)d->pixels * (double)d->k * (double)(d->panels * d->kern->nr);
  int64_t wanted = line_work < block_work ? (int64_t)(block_work / line_work) : 1;
  wanted = mxi_max(wanted, BLOCK_LINES * d->kern->mr / d->pixels); /* the weight is read once a block */
  wanted = mxi_min(mxi_max(wanted, 1), mxi_min(BLOCK_LINES * d->kern->mr, c->out[1]));
  d->down = mxi_ceil_div(c->out[1], wanted);
  d->lines = mxi_ceil_div(c->out[1], d->down);
  int64_t blocks = c->batch * c->groups * c->out[0] * d->down * d->across;
  d->parts = mxi_min(d->panels, mxi_ceil_div(4 * (int64_t)mxi_pool_size(), blocks));
  d->part = mxi_ceil_div(d->panels, d->parts);
  d->parts = mxi_ceil_div(d->panels, d->part);
}

bool mxi_conv_is_direct(const struct mxi_conv *c) {
  const struct mxi_conv_tiles *kern = MXI_DISPATCH(mxi_conv_tiles)();
  int64_t least = mxi_min(kern->mr, 6);
  if (c->dtype != MX_FLOAT32 || c->outputs < LEAST_OUTPUTS || c->out[2] < least || c->channels == 0)
    return false;
  /* Each factor is below the bound before the product is taken. */
  int64_t patch = c->channels;
  for (int axis = 0; axis < MXI_CONV_AXES; axis++) {
    if (c->input_dilation[axis] != 1 || patch > LARGEST_PATCH || c->taps[axis] > LARGEST_PATCH ||
        c->kernel_dilation[axis] > LARGEST_PATCH || c->stride[axis] > LARGEST_PATCH)
      return false;
    patch *= c->taps[axis];
  }
  if (patch > LARGEST_PATCH) return false;
  double line = (double)span(c, 2, mxi_min(c->out[2], BLOCK_TILES * kern->mr)) * (double)c->channels;
  double lines = (double)span(c, 0, 1) * (double)span(c, 1, mxi_min(c->out[1], BLOCK_LINES * kern->mr));
  return line * lines <= LARGEST_STRIP;
}

/* ---- Strips ---- */
/* Elements [first, first + n) of one axis of the padded input that are there; the others are zeros. */
struct extent {
  int64_t from, to; /* within [0, n] */
};
static struct extent inside(const struct mxi_conv *c, int axis, int64_t first, int64_t n) {
  int64_t from = mxi_min(mxi_max(-first, 0), n);
  return (struct extent){from, mxi_max(from, mxi_min(n, c->in[axis] - first))};
}

/* One line of pixels, (n, channels). */
static void copy_line(const struct mxi_conv *c, float *dst, const float *src, int64_t first, int64_t n) {
  struct extent e = inside(c, 2, first, n);
  int64_t channels = c->channels, pixel = c->x_axis[2];
  memset(dst, 0, (size_t)(e.from * channels) * sizeof *dst);
  memset(dst + e.to * channels, 0, (size_t)((n - e.to) * channels) * sizeof *dst);
  dst += e.from * channels;
  src += (first + e.from) * pixel;
  if (c->x_channel == 1 && pixel == channels) {
    memcpy(dst, src, (size_t)((e.to - e.from) * channels) * sizeof *dst);
    return;
  }
  for (int64_t i = e.from; i < e.to; i++, src += pixel, dst += channels)
    for (int64_t j = 0; j < channels; j++) dst[j] = src[j * c->x_channel];
}

static void copy_strip(const struct direct_conv *d, float *strip, const float *image, const int64_t *first) {
  const struct mxi_conv *c = d->c;
  struct extent planes = inside(c, 0, first[0], d->strip_planes),
                lines = inside(c, 1, first[1], d->strip_lines);
  int64_t line_size = d->strip_pixels * c->channels;
  for (int64_t i = 0; i < d->strip_planes; i++)
    for (int64_t j = 0; j < d->strip_lines; j++, strip += line_size) {
      if (i < planes.from || i >= planes.to || j < lines.from || j >= lines.to)
        memset(strip, 0, (size_t)line_size * sizeof *strip);
      else
        copy_line(c, strip, image + (first[0] + i) * c->x_axis[0] + (first[1] + j) * c->x_axis[1], first[2],
                  d->strip_pixels);
    }
}

/* ---- Blocks ---- */
/* The outputs of some panels over a block of lines x pixels; y points at the first, of all groups' outputs.
 */
static void sum_block(const struct direct_conv *d, const float *strip, const float *panel, int64_t col,
                      int64_t lines, int64_t pixels, float *y) {
  const struct mxi_conv *c = d->c;
  int64_t cols = mxi_min(d->kern->nr, c->outputs - col), y_row = c->groups * c->outputs;
  int64_t strip_line = c->stride[1] * d->strip_pixels * c->channels;
  for (int64_t i = 0; i < lines; i++)
    for (int64_t j = 0; j < pixels; j += d->height)
      d->kern->tiles[mxi_min(d->height, pixels - j) - 1](&d->patch,
                                                         strip + i * strip_line + j * d->patch.pixel, panel,
                                                         y + (i * c->out[2] + j) * y_row + col, y_row, cols);
}

static void convolve_block(void *ctx, int64_t task, int slot) {
  const struct direct_conv *d = ctx;
  const struct mxi_conv *c = d->c;
  int64_t part = task % d->parts, at = task / d->parts;
  int64_t group = at % c->groups, o2 = at / c->groups % d->across * d->pixels;
  at = at / c->groups / d->across;
  int64_t o1 = at % d->down * d->lines, o0 = at / d->down % c->out[0], image = at / d->down / c->out[0];
  int64_t lines = mxi_min(d->lines, c->out[1] - o1), pixels = mxi_min(d->pixels, c->out[2] - o2);
  int64_t first[MXI_CONV_AXES] = {o0 * c->stride[0] - c->low[0], o1 * c->stride[1] - c->low[1],
                                  o2 * c->stride[2] - c->low[2]};
  float *strip = d->strips + slot * d->strip;
  copy_strip(d, strip, (const float *)c->x + image * c->x_batch + group * c->channels * c->x_channel, first);
  float *y =
      (float *)c->y +
      ((((image * c->out[0] + o0) * c->out[1] + o1) * c->out[2] + o2) * c->groups + group) * c->outputs;
  for (int64_t p = part * d->part; p < mxi_min((part + 1) * d->part, d->panels); p++)
    sum_block(d, strip, d->packed + (group * d->panels + p) * d->k * d->kern->nr, p * d->kern->nr, lines,
              pixels, y);
}

static void pack_weight_panel(void *ctx, int64_t i) {
  const struct direct_conv *d = ctx;
  const struct mxi_conv *c = d->c;
  int64_t nr = d->kern->nr, col = i % d->panels * nr;
  const float *w = (const float *)c->w + (i / d->panels * c->outputs + col) * d->k;
  MXI_DISPATCH(mxi_gemm_f32)
  ()->pack[MX_FLOAT32](d->packed + i * d->k * nr, w, d->k, 1, mxi_min(nr, c->outputs - col), nr, d->k);
}

/* Where each run of a patch lies in the strip: a line's taps are one run where they are neighbours. */
static int find_runs(struct direct_conv *d) {
  const struct mxi_conv *c = d->c;
  int64_t merged = c->kernel_dilation[2] == 1 ? c->taps[2] : 1, runs = d->k / (merged * c->channels);
  int64_t *offsets = mxi_malloc((size_t)runs * sizeof *offsets);
  if (!offsets) return -1;
  for (int64_t r = 0; r < runs; r++) {
    int64_t tap = r * merged, t2 = tap % c->taps[2], t1 = tap / c->taps[2] % c->taps[1],
            t0 = tap / c->taps[2] / c->taps[1];
    offsets[r] =
        ((t0 * c->kernel_dilation[0] * d->strip_lines + t1 * c->kernel_dilation[1]) * d->strip_pixels +
         t2 * c->kernel_dilation[2]) *
        c->channels;
  }
  d->patch = (struct mxi_patch){runs, merged * c->channels, offsets, c->stride[2] * c->channels};
  return 0;
}

static int run_planned(struct direct_conv *d) {
  const struct mxi_conv *c = d->c;
  int64_t packed = c->groups * d->panels * d->k * d->kern->nr, tasks;
  float *workspace = mxi_workspace_take((size_t)(packed + mxi_pool_size() * d->strip) * sizeof *workspace);
  if (!workspace) return -1;
  d->packed = workspace;
  d->strips = workspace + packed;
  tasks = c->batch * c->out[0] * d->down * d->across * c->groups * d->parts;
  int failed = mxi_parallel_for_if(packed > 65536, c->groups * d->panels, pack_weight_panel, d);
  if (!failed) failed = mxi_parallel_for_slots(tasks, convolve_block, d);
  mxi_workspace_give(workspace);
  return failed;
}

int mxi_conv_direct(const struct mxi_conv *c) {
  struct direct_conv d = {.c = c, .kern = MXI_DISPATCH(mxi_conv_tiles)()};
  d.k = c->taps[0] * c->taps[1] * c->taps[2] * c->channels;
  d.panels = mxi_ceil_div(c->outputs, d.kern->nr);
  cut_blocks(&d);
  d.strip_planes = span(c, 0, 1);
  d.strip_lines = span(c, 1, d.lines);
  d.strip_pixels = span(c, 2, d.pixels);
  d.strip = mxi_round_up(d.strip_planes * d.strip_lines * d.strip_pixels * c->channels, 16);
  MXI_TRY(find_runs(&d));
  int failed = run_planned(&d);
  mxi_free((void *)d.patch.offsets);
  return failed;
}
