#include "io/mapping.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "core/interrupt.h"
#include "io/place.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "files are read in place: a big-endian machine needs byte swaps here"
#endif

/* Maps fd, a regular file of `size` bytes. An empty file has no mapping and data NULL. */
static int map(struct mxi_mapping *m, const char *op, const char *path, int fd) {
  struct stat info;
  if (fstat(fd, &info) < 0) return mxi_io_fail(op, "read", path, errno);
  if (S_ISDIR(info.st_mode)) return mxi_io_fail(op, "read", path, EISDIR);
  if (!S_ISREG(info.st_mode)) return mxi_fail(MX_IO_ERROR, "[%s] expected a regular file, got %s", op, path);
  m->size = (size_t)info.st_size;
  if (!m->size) return 0;
  void *data = mmap(NULL, m->size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED)
    return errno == ENOMEM ? mxi_fail_memory(m->size) : mxi_io_fail(op, "map", path, errno);
  m->data = data;
  m->mapped = m->size;
  return 0;
}

static struct mxi_mapping *new_mapping(void) {
  struct mxi_mapping *m = mxi_calloc(1, sizeof *m);
  if (m) atomic_init(&m->refs, 1);
  return m;
}

struct mxi_mapping *mxi_mapping_open(const char *op, const char *path) {
  struct mxi_mapping *m = new_mapping();
  if (!m) return NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe without a writer must not block
  if (fd < 0) mxi_io_fail(op, "open", path, errno);
  int status = fd < 0 ? -1 : map(m, op, path, fd);
  if (fd >= 0) close(fd);
  if (!status) return m;
  mxi_free(m);
  return NULL;
}

void mxi_mapping_unref(struct mxi_mapping *m) {
  if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
  if (m->data) munmap((void *)m->data, m->mapped);
  mxi_free(m);
}

/* ---- Memory instead of a file ---- */
struct mxi_mapping *mxi_mapping_stream(const char *op, const mx_reader *reader) {
  struct mxi_mapping *m = new_mapping();
  if (!m) return NULL;
  m->op = op;
  m->reader = reader;
  return m;
}

/* Pages that were never touched cost nothing, and moving a mapping copies nothing. */
static int grow(struct mxi_mapping *m, size_t bytes) {
  if (bytes <= m->mapped) return 0;
  if (mxi_alloc_should_fail()) return mxi_fail_memory(bytes);
  void *data = m->data ? mremap((void *)m->data, m->mapped, bytes, MREMAP_MAYMOVE)
                       : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return mxi_fail_memory(bytes);
  if (bytes >= (size_t)4 << 20) madvise(data, bytes, MADV_HUGEPAGE);
  m->data = data;
  m->mapped = bytes;
  return 0;
}

struct mxi_mapping *mxi_mapping_memory(size_t size) {
  struct mxi_mapping *m = new_mapping();
  if (!m || !size) return m;
  m->size = size;
  if (grow(m, size) == 0) return m;
  mxi_free(m);
  return NULL;
}

int mxi_mapping_fill(struct mxi_mapping *m, size_t size) {
  enum { FIRST = 1 << 16 };
  while (m->reader && m->size < size) {
    if (m->size == m->mapped) {
      size_t twice = m->mapped ? 2 * m->mapped : FIRST; // an object in memory: twice its size is no overflow
      MXI_TRY(grow(m, m->mapped < size && size < twice ? size : twice));
    }
    size_t room = m->mapped - m->size, left = size - m->size, want = room < left ? room : left;
    MXI_TRY(mxi_go_on(m->op));
    int64_t n = m->reader->read(m->reader->context, (void *)(m->data + m->size), want);
    if (n < 0) return -1;
    if ((uint64_t)n > want)
      return mxi_fail(MX_IO_ERROR, "[%s] expected at most %zu bytes from the stream, got %lld", m->op, want,
                      (long long)n);
    m->size += (size_t)n;
    if (!n) m->reader = NULL;
  }
  return 0;
}

static void release(void *mapping) { mxi_mapping_unref(mapping); }

void mxi_mapping_drop(struct mxi_mapping *m, size_t begin, size_t end) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t first = (begin + page - 1) / page * page, last = end / page * page;
  if (first < last) madvise((void *)(m->data + first), last - first, MADV_DONTNEED);
}

int64_t mxi_tensor_bytes(mx_dtype t, mx_ints shape) {
  int64_t bytes = (int64_t)mx_dtype_size(t), empty = 0;
  for (int i = 0; i < shape.n; i++) {
    if (shape.v[i] < 0) return -1;
    if (!shape.v[i])
      empty = 1; // the product of the others must not overflow all the same
    else if (!mxi_mul(bytes, shape.v[i], &bytes))
      return -1;
  }
  return empty ? 0 : bytes;
}

static bool bools_valid(const uint8_t *p, int64_t n) {
  uint8_t all = 0;
  for (int64_t i = 0; i < n; i++) all |= p[i];
  return all <= 1;
}

/* A copy in fresh memory, in the same order of elements. */
static mx_array copy(const uint8_t *bytes, int64_t n, mx_dtype t, mx_ints shape, const int64_t *strides) {
  mx_array a = mxi_array_new(t, shape);
  if (!a) return NULL;
  mx_buffer *b = mxi_buffer_new((size_t)n);
  if (!b) {
    mxi_unref(a);
    return NULL;
  }
  if (n) memcpy(b->data, bytes, (size_t)n);
  if (t == MX_BOOL)
    for (int64_t i = 0; i < n; i++) ((uint8_t *)b->data)[i] = bytes[i] != 0;
  mxi_set_data(a, b, 0, strides);
  mxi_publish(a);
  return a;
}

mx_array mxi_mapping_array(struct mxi_mapping *m, size_t offset, mx_dtype t, mx_ints shape,
                           const int64_t *strides) {
  int64_t n = mxi_tensor_bytes(t, shape);
  const uint8_t *bytes = n ? m->data + offset : NULL;
  if (!n || (uintptr_t)bytes % mx_dtype_size(t) || (t == MX_BOOL && !bools_valid(bytes, n)))
    return copy(bytes, n, t, shape, strides);
  mx_array a = mxi_array_new(t, shape);
  if (!a) return NULL;
  mx_buffer *b =
      mxi_buffer_foreign((void *)bytes, (size_t)n, MXI_BUFFER_FOREIGN | MXI_BUFFER_READ_ONLY, release, m);
  if (!b) {
    mxi_unref(a);
    return NULL;
  }
  atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
  mxi_set_data(a, b, 0, strides);
  mxi_publish(a);
  return a;
}
