/* Depthwise convolution: directly, vectorised over channels. The work is cut into segments of output lines;
   within one, the pixels whose window lies inside the input go to the kernel together, those at the borders
   and those of dilated inputs one by one, each with the taps that meet the input. */
#include "cpu/conv.h"
#include "cpu/cpu.h"
#include "cpu/kernels/conv_depthwise.h"

enum { CHUNK = 131072 /* multiply-adds of a task, about 10 us */, SEGMENT = 32 /* least pixels of one */ };

struct depthwise_conv {
  const struct mxi_conv *c;
  struct mxi_depthwise d;
  void (*kernel)(const struct mxi_depthwise *, const void *, const struct mxi_window *, int64_t, void *);
  int64_t item;
  int64_t inside0, inside1;  /* output pixels of a line whose window lies inside the input */
  int64_t segment, segments; /* pixels of a segment, segments of a line */
  int64_t units, group;      /* segments in all, and of a task */
};

static int64_t greatest_divisor(int64_t a, int64_t b) {
  while (b) {
    int64_t r = a % b;
    a = b;
    b = r;
  }
  return a;
}

/* The taps over elements of the input: place + tap d = i e, for 0 <= i < n. They are evenly spaced. */
static struct mxi_window window_at(const struct mxi_conv *c, int axis, int64_t place) {
  int64_t d = c->kernel_dilation[axis], e = c->input_dilation[axis], taps = c->taps[axis], n = c->in[axis];
  int64_t common = greatest_divisor(d, e), step = e / common;
  struct mxi_window w = {.tap_step = step, .in_step = d / common};
  int64_t tap = place < 0 ? mxi_ceil_div(-place, d) : 0, end = mxi_min(taps, tap + step);
  while (tap < end && (place + tap * d) % e) tap++;
  if (tap >= end || (place + tap * d) / e >= n) return w;
  w.tap = tap;
  w.in = (place + tap * d) / e;
  w.count = mxi_min((taps - 1 - tap) / step, (n - 1 - w.in) / w.in_step) + 1;
  return w;
}

/* Pixels [from, to) of a line; window[0] and [1] are the line's. */
static void convolve_segment(const struct depthwise_conv *k, const char *image, struct mxi_window window[3],
                             int64_t from, int64_t to, char *y) {
  const struct mxi_conv *c = k->c;
  int64_t pixel_bytes = k->d.channels * k->item;
  for (int64_t o = from; o < to;) {
    int64_t pixels = o >= k->inside0 && o < k->inside1 ? mxi_min(to, k->inside1) - o : 1;
    window[2] = window_at(c, 2, o * c->stride[2] - c->low[2]);
    k->kernel(&k->d, image, window, pixels, y + o * pixel_bytes);
    o += pixels;
  }
}

static void convolve_segments(void *ctx, int64_t task) {
  const struct depthwise_conv *k = ctx;
  const struct mxi_conv *c = k->c;
  int64_t end = mxi_min((task + 1) * k->group, k->units);
  for (int64_t unit = task * k->group; unit < end; unit++) {
    int64_t line = unit / k->segments, from = unit % k->segments * k->segment;
    int64_t o1 = line % c->out[1], o0 = line / c->out[1] % c->out[0], image = line / c->out[1] / c->out[0];
    struct mxi_window window[3] = {window_at(c, 0, o0 * c->stride[0] - c->low[0]),
                                   window_at(c, 1, o1 * c->stride[1] - c->low[1])};
    convolve_segment(k, c->x + image * c->x_batch * k->item, window, from,
                     mxi_min(from + k->segment, c->out[2]),
                     c->y + line * c->out[2] * k->d.channels * k->item);
  }
}

static void find_inside(struct depthwise_conv *k) {
  const struct mxi_conv *c = k->c;
  int64_t reach = (c->taps[2] - 1) * c->kernel_dilation[2], s = c->stride[2], low = c->low[2];
  int64_t last = c->in[2] - 1 - reach + low; /* the largest o * s */
  if (c->input_dilation[2] != 1 || last < 0) return;
  k->inside0 = low > 0 ? mxi_ceil_div(low, s) : 0;
  k->inside1 = mxi_min(last / s + 1, c->out[2]);
}

static void cut_segments(struct depthwise_conv *k) {
  const struct mxi_conv *c = k->c;
  double pixel = (double)k->d.channels * (double)c->taps[0] * (double)c->taps[1] * (double)c->taps[2];
  int64_t wanted = pixel < CHUNK ? (int64_t)(CHUNK / pixel) + 1 : 1; /* pixels of a task */
  k->segment = mxi_min(mxi_max(wanted, SEGMENT), c->out[2]);
  k->segments = mxi_ceil_div(c->out[2], k->segment);
  k->units = c->batch * c->out[0] * c->out[1] * k->segments;
  k->group = mxi_ceil_div(wanted, k->segment);
}

/* (channels, taps) as stored to (taps, channels) as the kernel multiplies; owned by the caller. */
static void *arrange_weight(const struct mxi_conv *c, int64_t taps) {
  int64_t bytes, channels = c->groups, item = c->dtype == MX_FLOAT64 ? 8 : 4;
  if (!mxi_mul(taps * channels, item, &bytes)) return mxi_fail_memory(SIZE_MAX), NULL;
  void *out = mxi_malloc_aligned((size_t)bytes);
  if (!out) return NULL;
  for (int64_t i = 0; i < channels; i++)
    for (int64_t t = 0; t < taps; t++) {
      int64_t from = i * taps + t, to = t * channels + i;
      if (c->dtype == MX_FLOAT64)
        ((double *)out)[to] = ((const double *)c->w)[from];
      else if (c->dtype == MX_FLOAT32)
        ((float *)out)[to] = ((const float *)c->w)[from];
      else {
        uint16_t h = ((const uint16_t *)c->w)[from];
        ((float *)out)[to] = c->dtype == MX_FLOAT16 ? mxi_float_from_f16(h) : mxi_float_from_bf16(h);
      }
    }
  return out;
}

int mxi_conv_depthwise(const struct mxi_conv *c) {
  void *w = arrange_weight(c, c->taps[0] * c->taps[1] * c->taps[2]);
  if (!w) return -1;
  struct depthwise_conv k = {
      .c = c,
      .d = {.dtype = c->dtype,
            .channels = c->groups,
            .x_axis = {c->x_axis[0], c->x_axis[1], c->x_axis[2]},
            .w_axis = {c->taps[1] * c->taps[2] * c->groups, c->taps[2] * c->groups, c->groups},
            .stride = c->stride[2] * c->x_axis[2],
            .w = w},
      .kernel = MXI_DISPATCH(mxi_depthwise_pixels),
      .item = (int64_t)mx_dtype_size(c->dtype)};
  find_inside(&k);
  cut_segments(&k);
  int failed = mxi_parallel_for(mxi_ceil_div(k.units, k.group), convolve_segments, &k);
  mxi_free(w);
  return failed;
}
