#include "cpu/conv_polyphase.h"
#include "cpu/cpu.h"
#include <string.h>

enum { MOST_PHASES = 64 };

bool mxi_conv_is_polyphase(const struct mxi_conv *c) {
  int64_t phases = 1;
  for (int axis = 0; axis < MXI_CONV_AXES; axis++) {
    int64_t dilation = c->input_dilation[axis];
    if (dilation == 1) continue;
    if (c->stride[axis] != 1 || dilation > MOST_PHASES) return false;
    phases *= dilation;
  }
  return phases > 1 && phases <= MOST_PHASES;
}

/* Along one axis, with e and d the dilations of input and kernel: outputs o = offset + e j over taps t with
   o - low + t d a multiple of e. Those are tap + i e / gcd(d, e). */
static void enter_axis(struct mxi_polyphase *p, int axis, int64_t offset) {
  const struct mxi_conv *c = p->c;
  int64_t e = c->input_dilation[axis], d = c->kernel_dilation[axis], step = 1;
  p->offset[axis] = offset;
  p->step[axis] = e;
  p->tap[axis] = 0;
  p->tap_step[axis] = 1;
  if (e == 1) return;
  while (step * d % e) step++;
  int64_t tap = 0, place = offset - c->low[axis], end = mxi_min(step, c->taps[axis]);
  while (tap < end && (place + tap * d) % e) tap++;
  p->tap[axis] = tap;
  p->tap_step[axis] = step;
  p->phase.taps[axis] = tap < end ? (c->taps[axis] - 1 - tap) / step + 1 : 0;
  p->phase.out[axis] = offset < c->out[axis] ? (c->out[axis] - 1 - offset) / e + 1 : 0;
  p->phase.low[axis] = -(place + tap * d) / e;
  p->phase.kernel_dilation[axis] = step * d / e;
  p->phase.input_dilation[axis] = 1;
}

static void copy_taps(const struct mxi_polyphase *p, char *dst) {
  const struct mxi_conv *c = p->c;
  const int64_t *taps = p->phase.taps;
  int64_t bytes = c->channels * (int64_t)mx_dtype_size(c->dtype);
  for (int64_t o = 0; o < c->groups * c->outputs; o++)
    for (int64_t i = 0; i < taps[0]; i++)
      for (int64_t j = 0; j < taps[1]; j++)
        for (int64_t k = 0; k < taps[2]; k++, dst += bytes) {
          int64_t t0 = p->tap[0] + i * p->tap_step[0], t1 = p->tap[1] + j * p->tap_step[1],
                  t2 = p->tap[2] + k * p->tap_step[2];
          memcpy(dst, c->w + (((o * c->taps[0] + t0) * c->taps[1] + t1) * c->taps[2] + t2) * bytes,
                 (size_t)bytes);
        }
}

static void interleave_line(void *ctx, int64_t line) {
  const struct mxi_polyphase *p = ctx;
  const struct mxi_conv *c = p->c;
  const int64_t *out = p->phase.out;
  int64_t o1 = p->offset[1] + line % out[1] * p->step[1], at = line / out[1];
  int64_t o0 = p->offset[0] + at % out[0] * p->step[0], image = at / out[0];
  const char *src = p->phase.y + line * out[2] * p->pixel;
  char *dst = c->y + (((image * c->out[0] + o0) * c->out[1] + o1) * c->out[2] + p->offset[2]) * p->pixel;
  for (int64_t i = 0; i < out[2]; i++, src += p->pixel, dst += p->step[2] * p->pixel)
    memcpy(dst, src, (size_t)p->pixel);
}

int mxi_polyphase_begin(struct mxi_polyphase *p, const struct mxi_conv *c) {
  const int64_t *e = c->input_dilation;
  int64_t item = (int64_t)mx_dtype_size(c->dtype);
  *p = (struct mxi_polyphase){.c = c, .count = e[0] * e[1] * e[2], .pixel = c->groups * c->outputs * item};
  int64_t w_bytes = mxi_round_up(p->pixel * c->taps[0] * c->taps[1] * c->taps[2] * c->channels, 64),
          pixels = c->batch;
  for (int axis = 0; axis < MXI_CONV_AXES; axis++) pixels *= mxi_ceil_div(c->out[axis], e[axis]);
  p->w = mxi_malloc_aligned((size_t)(w_bytes + pixels * p->pixel));
  if (!p->w) return -1;
  p->y = p->w + w_bytes;
  return 0;
}

bool mxi_polyphase_enter(struct mxi_polyphase *p, int64_t i) {
  const int64_t *e = p->c->input_dilation;
  struct mxi_conv *phase = &p->phase;
  *phase = *p->c;
  enter_axis(p, 0, i / e[2] / e[1]);
  enter_axis(p, 1, i / e[2] % e[1]);
  enter_axis(p, 2, i % e[2]);
  phase->w = p->w;
  phase->y = p->y;
  int64_t pixels = phase->batch * phase->out[0] * phase->out[1] * phase->out[2];
  if (pixels == 0) return false;
  if (phase->taps[0] * phase->taps[1] * phase->taps[2] == 0) {
    memset(p->y, 0, (size_t)(pixels * p->pixel));
    return false;
  }
  copy_taps(p, p->w);
  return true;
}

int mxi_polyphase_interleave(struct mxi_polyphase *p) {
  const struct mxi_conv *phase = &p->phase;
  return mxi_parallel_for(phase->batch * phase->out[0] * phase->out[1], interleave_line, p);
}

void mxi_polyphase_end(struct mxi_polyphase *p) { mxi_free(p->w); }
