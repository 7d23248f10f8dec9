#include "core/stream.h"
#include "core/thread.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include <stdatomic.h>

static struct mxi_stream first_cpu_stream = {.device = {MX_CPU_DEVICE, 0}, .index = 0};
static atomic_int stream_count = 1;
static _Atomic(mx_stream) last_stream = &first_cpu_stream;
static mx_device initial_device = {MX_CPU_DEVICE, 0}; // under MXI_LOCK_DEVICE

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

bool mx_is_available(mx_device d) { return d.type == MX_CPU_DEVICE && d.index == 0; }
int mx_device_count(mx_device_type t) { return t == MX_CPU_DEVICE; }

mx_device mx_default_device(void) {
  if (!mxi_thread.has_device) {
    mxi_lock(MXI_LOCK_DEVICE);
    mxi_thread.device = initial_device;
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
  mxi_unlock(MXI_LOCK_DEVICE);
  return 0;
}

mx_stream mx_default_stream(mx_device d) {
  if (check_device("stream", d) < 0) return NULL;
  mx_stream s = mxi_thread.default_streams[d.type];
  return s ? s : &first_cpu_stream;
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
