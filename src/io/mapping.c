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

/* Reading costs 0.2 ms a MiB, and what was read stays as it is whoever writes to the file. Mapping costs
   nothing until a page is used, and the file can be larger than the memory. */
static _Atomic size_t mapped_from = (size_t)16 << 20;
size_t mxi_set_mapped_from(size_t bytes) { return atomic_exchange(&mapped_from, bytes); }

static struct mxi_mapping *new_mapping(void) {
  struct mxi_mapping *m = mxi_calloc(1, sizeof *m);
  if (m) atomic_init(&m->refs, 1);
  return m;
}

struct mxi_mapping *mxi_mapping_memory(size_t size) {
  struct mxi_mapping *m = new_mapping();
  if (!m || !size) return m;
  m->memory = mxi_buffer_new(size);
  if (m->memory) {
    m->data = m->memory->data;
    m->size = size;
    return m;
  }
  mxi_free(m);
  return NULL;
}

/* ---- Files ---- */
static int check_regular(const char *op, const char *path, int fd, struct stat *info) {
  if (fstat(fd, info) < 0) return mxi_io_fail(op, "read", path, errno);
  if (S_ISDIR(info->st_mode)) return mxi_io_fail(op, "read", path, EISDIR);
  if (!S_ISREG(info->st_mode)) return mxi_fail(MX_IO_ERROR, "[%s] expected a regular file, got %s", op, path);
  return 0;
}

/* Reads n bytes at most; *got: how many there were. */
static int read_bytes(int fd, uint8_t *to, size_t n, size_t *got) {
  for (*got = 0; *got < n;) {
    ssize_t some = read(fd, to + *got, n - *got);
    if (some < 0 && errno != EINTR) return -1;
    if (!some) return 0;
    if (some > 0) *got += (size_t)some;
  }
  return 0;
}

static bool same_state(const struct stat *a, const struct stat *b) {
  return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static struct mxi_mapping *read_whole(const char *op, const char *path, int fd, const struct stat *before) {
  struct stat after;
  size_t got = 0, size = (size_t)before->st_size;
  struct mxi_mapping *m = mxi_mapping_memory(size);
  if (!m || !size) return m;
  if (read_bytes(fd, m->memory->data, size, &got) < 0 || fstat(fd, &after) < 0)
    mxi_io_fail(op, "read", path, errno);
  else if (got < size || !same_state(before, &after))
    mxi_fail(MX_IO_ERROR, "[%s] expected %s to stay as it was while it is read, got a file written to", op,
             path);
  else
    return m;
  mxi_mapping_unref(m);
  return NULL;
}

/* Takes over fd. */
static struct mxi_mapping *map_file(const char *op, const char *path, int fd) {
  struct mxi_mapping *m = new_mapping();
  if (!m) {
    close(fd);
    return NULL;
  }
  m->file = mxi_mapped_new(op, path, fd);
  if (m->file) {
    m->data = mxi_mapped_data(m->file);
    m->size = mxi_mapped_bytes(m->file);
    return m;
  }
  mxi_free(m);
  return NULL;
}

struct mxi_mapping *mxi_mapping_open(const char *op, const char *path) {
  struct stat info;
  if (!mxi_given_path(op, path)) return NULL;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe without a writer must not block
  if (fd < 0) {
    mxi_io_fail(op, "open", path, errno);
    return NULL;
  }
  struct mxi_mapping *m = NULL;
  if (check_regular(op, path, fd, &info) == 0) {
    if (info.st_size && (size_t)info.st_size >= atomic_load(&mapped_from)) return map_file(op, path, fd);
    m = read_whole(op, path, fd, &info);
  }
  close(fd);
  return m;
}

void mxi_mapping_unref(struct mxi_mapping *m) {
  if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
  if (m->room) munmap((void *)m->data, m->room);
  mxi_buffer_unref(m->memory);
  mxi_mapped_unref(m->file);
  mxi_free(m);
}

int mxi_mapping_close(struct mxi_mapping *m, int status) {
  if (m->file && mxi_mapped_check(m->file) < 0) status = -1;
  mxi_mapping_unref(m);
  return status;
}

/* ---- Streams ---- */
struct mxi_mapping *mxi_mapping_stream(const char *op, const mx_reader *reader) {
  struct mxi_mapping *m = mxi_given_function(op, "read", (void (*)(void))reader->read) ? new_mapping() : NULL;
  if (!m) return NULL;
  m->op = op;
  m->reader = reader;
  return m;
}

/* Pages that were never touched cost nothing, and moving a mapping copies nothing. */
static int grow(struct mxi_mapping *m, size_t bytes) {
  if (bytes <= m->room) return 0;
  if (mxi_alloc_should_fail()) return mxi_fail_memory(bytes);
  void *data = m->data ? mremap((void *)m->data, m->room, bytes, MREMAP_MAYMOVE)
                       : mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED) return mxi_fail_memory(bytes);
  if (bytes >= (size_t)4 << 20) madvise(data, bytes, MADV_HUGEPAGE);
  m->data = data;
  m->room = bytes;
  return 0;
}

int mxi_mapping_fill(struct mxi_mapping *m, size_t size) {
  enum { FIRST = 1 << 16 };
  while (m->reader && m->size < size) {
    if (m->size == m->room) {
      size_t twice = m->room ? 2 * m->room : FIRST; // an object in memory: twice its size is no overflow
      MXI_TRY(grow(m, m->room < size && size < twice ? size : twice));
    }
    size_t room = m->room - m->size, left = size - m->size, want = room < left ? room : left;
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

void mxi_mapping_drop(struct mxi_mapping *m, size_t begin, size_t end) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t first = (begin + page - 1) / page * page, last = end / page * page;
  if (!m->memory && first < last) madvise((void *)(m->data + first), last - first, MADV_DONTNEED);
}

/* ---- Arrays ---- */
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

/* A copy in fresh memory, in the same order of elements. */
static mx_buffer *copy(struct mxi_mapping *m, size_t offset, size_t n, mx_dtype t) {
  mx_buffer *b = mxi_buffer_new(n);
  if (!b || !n) return b;
  if (t == MX_BOOL)
    mxi_normalise_bools(b->data, m->data + offset, (int64_t)n);
  else
    memcpy(b->data, m->data + offset, n);
  mxi_mapping_drop(m, offset, offset + n);
  return b;
}

static void release(void *mapping) { mxi_mapping_unref(mapping); }

static mx_buffer *stream_buffer(struct mxi_mapping *m, size_t offset, size_t n) {
  mx_buffer *b =
      mxi_buffer_foreign((void *)(m->data + offset), n, MXI_BUFFER_READ_ONLY | MXI_BUFFER_OURS, release, m);
  if (b) atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
  return b;
}

/* Is the tensor to stay where it is? An array must not hold much more memory than its own, small streams must
   not hold a mapping each, and what is small is better read at once than watched. */
static bool in_place(const struct mxi_mapping *m, size_t offset, size_t n, mx_dtype t) {
  enum { OF_FILE = 1 << 16, OF_STREAM = 1 << 20 };
  if (t == MX_BOOL || !n || (uintptr_t)(m->data + offset) % mx_dtype_size(t)) return false;
  return n >= (m->memory ? m->size / 2 : m->file ? OF_FILE : OF_STREAM);
}

/* The bytes, and where in the buffer they begin: at *at. */
static mx_buffer *buffer_of(struct mxi_mapping *m, size_t offset, size_t n, mx_dtype t, size_t *at) {
  *at = 0;
  if (!in_place(m, offset, n, t)) return copy(m, offset, n, t);
  if (m->file) return mxi_mapped_buffer(m->file, offset, n);
  if (!m->memory) return stream_buffer(m, offset, n);
  *at = offset;
  return mxi_buffer_ref(m->memory);
}

mx_array mxi_mapping_array(struct mxi_mapping *m, size_t offset, mx_dtype t, mx_ints shape,
                           const int64_t *strides) {
  size_t at = 0;
  mx_array a = mxi_array_new(t, shape);
  mx_buffer *b = a ? buffer_of(m, offset, (size_t)mxi_tensor_bytes(t, shape), t, &at) : NULL;
  if (!b) {
    mxi_unref(a);
    return NULL;
  }
  mxi_set_data(a, b, (int64_t)at, strides);
  mxi_publish(a);
  return a;
}
