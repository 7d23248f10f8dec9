#include "core/stream.h"
#include "core/thread.h"
#include "core/upcalls.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include <stdatomic.h>

/* By device type. */
static struct mxi_stream first_streams[] = {{.device = {MX_CPU_DEVICE, 0}, .index = 0},
                                            {.device = {MX_GPU_DEVICE, 0}, .index = 1}};
static atomic_int stream_count = 2;
static _Atomic(mx_stream) last_stream = &first_streams[MX_CPU_DEVICE];
static mx_device initial_device; // under MXI_LOCK_DEVICE; the GPU where there is one
static bool has_initial_device;

static int check_device(const char *op, mx_device d) {
  if (mx_is_available(d)) return 0;
  if (d.type == MX_CPU_DEVICE || d.type == MX_GPU_DEVICE)
    return mxi_fail(MX_DEVICE_ERROR,
                    "[%s] expected an available device, got %s:%d, which this machine or build lacks", op,
                    d.type == MX_GPU_DEVICE ? "gpu" : "cpu", d.index);
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a device type, got %d", op, (int)d.type);
}

static int no_stream(const char *op) {
  return mxi_fail(MX_TYPE_ERROR, "[%s] expected a stream, got NULL", op);
}

mx_device mx_default_device(void) {
  if (!mxi_thread.has_device) {
    mx_device first = mx_is_available(MX_GPU) ? MX_GPU : MX_CPU;
    mxi_lock(MXI_LOCK_DEVICE);
    mxi_thread.device = has_initial_device ? initial_device : first;
    mxi_unlock(MXI_LOCK_DEVICE);
    mxi_thread.has_device = true;
  }
  return mxi_thread.device;
}

int mx_set_default_device(mx_device d) {
  MXI_TRY(check_device("set_default_device", d));
  mxi_thread.device = d;
  mxi_thread.has_device = true;
  mxi_lock(MXI_LOCK_DEVICE);
  initial_device = d;
  has_initial_device = true;
  mxi_unlock(MXI_LOCK_DEVICE);
  return 0;
}

mx_stream mx_default_stream(mx_device d) {
  if (check_device("stream", d) < 0) return NULL;
  mx_stream s = mxi_thread.default_streams[d.type];
  return s ? s : &first_streams[d.type];
}

int mx_set_default_stream(mx_stream s) {
  if (!s) return no_stream("set_default_stream");
  mxi_thread.default_streams[s->device.type] = s;
  return 0;
}

mx_stream mx_stream_new(mx_device d) {
  if (check_device("new_stream", d) < 0) return NULL;
  mx_stream s = mxi_calloc(1, sizeof *s);
  if (!s) return NULL;
  s->device = d;
  s->index = atomic_fetch_add(&stream_count, 1);
  s->earlier = atomic_load(&last_stream);
  while (!atomic_compare_exchange_weak(&last_stream, &s->earlier, s)) continue;
  return s;
}

mx_device mx_stream_device(mx_stream s) {
  return s ? s->device : (mx_device){MX_CPU_DEVICE, no_stream("stream_device")};
}
int mx_stream_index(mx_stream s) { return s ? s->index : no_stream("stream_index"); }

mx_stream mxi_ambient_stream(void) {
  if (mxi_thread.ambient) return mxi_thread.ambient;
  if (mxi_thread.stream_failed) return NULL;
  return mx_default_stream(mx_default_device());
}

mx_stream_mark mx_stream_push(mx_stream s) {
  mx_stream_mark mark = {mxi_thread.ambient, mxi_thread.stream_failed ? 2 : 1};
  mxi_thread.ambient = s;
  mxi_thread.stream_failed = !s;
  return mark;
}

void mx_stream_pop(mx_stream_mark *mark) {
  if (!mark->open) return;
  mxi_thread.ambient = mark->previous;
  mxi_thread.stream_failed = mark->open == 2;
  mark->open = 0;
}
