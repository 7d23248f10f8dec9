/* What arrays use of all memories together; and the limits of one, the default device's. */
#include "engine/backend.h"
#include "base/error.h"

static const struct mxi_backend *gpu(void) {
  const struct mxi_backend *b = mxi_backend_of(MX_GPU);
  return b && b->memory ? b : NULL;
}
static const struct mxi_backend *default_backend(void) {
  const struct mxi_backend *b = mxi_backend_of(mx_default_device());
  return b && b->memory ? b : NULL;
}

static size_t of_all(enum mxi_memory_figure f) {
  const struct mxi_backend *b = gpu();
  return mxi_host_memory(f) + (b ? b->memory(f) : 0);
}

static size_t of_default(enum mxi_memory_figure f) {
  const struct mxi_backend *b = default_backend();
  return b ? b->memory(f) : mxi_host_memory(f);
}

static size_t swap(enum mxi_memory_figure f, size_t bytes) {
  const struct mxi_backend *b = default_backend();
  size_t old = of_default(f);
  if (b)
    b->set_memory(f, bytes);
  else
    mxi_host_memory_set(f, bytes);
  return old;
}

size_t mx_active_memory(void) { return of_all(MXI_MEMORY_ACTIVE); }
size_t mx_peak_memory(void) { return of_all(MXI_MEMORY_PEAK); }
size_t mx_cache_memory(void) { return of_all(MXI_MEMORY_CACHED); }
size_t mx_memory_limit(void) { return of_default(MXI_MEMORY_LIMIT); }
size_t mx_set_memory_limit(size_t bytes) { return swap(MXI_MEMORY_LIMIT, bytes); }
size_t mx_set_cache_limit(size_t bytes) { return swap(MXI_MEMORY_CACHE_LIMIT, bytes); }

void mx_reset_peak_memory(void) {
  const struct mxi_backend *b = gpu();
  if (b) b->set_memory(MXI_MEMORY_PEAK, b->memory(MXI_MEMORY_ACTIVE));
  mxi_host_memory_set(MXI_MEMORY_PEAK, mxi_host_memory(MXI_MEMORY_ACTIVE));
}

void mx_clear_cache(void) {
  const struct mxi_backend *b = gpu();
  if (b) b->trim();
  mxi_host_memory_trim();
}

int mx_device_describe(mx_device d, mx_device_info *info) {
  const struct mxi_backend *b = mxi_backend_of(d);
  if (info) *info = (mx_device_info){0};
  if (!b || !info)
    return mxi_fail(MX_DEVICE_ERROR, "[device_describe] expected an available device, got another");
  if (b->describe) return b->describe(info);
  info->memory_bytes = mxi_host_memory(MXI_MEMORY_LIMIT);
  return 0;
}
