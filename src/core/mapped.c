#include "core/mapped.h"
#include "core/guard.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

struct mxi_mapped {
  atomic_int refs;
  atomic_bool changed; // stays: a file may get its old time back, but not its bytes
  const uint8_t *data;
  size_t bytes;
  int fd;           // -1: none to spare; then path tells
  char *path;       // absolute
  struct stat file; // as it was mapped
  int guard;
  struct mxi_mapped *next, **at; // in the list
};
static struct mxi_mapped *list; // under MXI_LOCK_MAPPED
atomic_int mxi_mapped_count;

/* ---- Has it changed? ---- */
static bool same_file(const struct stat *a, const struct stat *b) {
  return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}
static bool same_time(const struct timespec *a, const struct timespec *b) {
  return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The file now. A program may close descriptors that it doesn't know. Without one, a path that leads
   elsewhere means that the file was replaced or removed; its bytes stay while they are mapped. */
static bool look(const struct mxi_mapped *m, struct stat *now) {
  if (m->fd >= 0 && fstat(m->fd, now) == 0 && same_file(now, &m->file)) return true;
  return stat(m->path, now) == 0 && same_file(now, &m->file);
}

/* The end of a long path tells more than its start. */
static const char *path_end(const struct mxi_mapped *m) {
  size_t n = strlen(m->path);
  return n > 200 ? m->path + n - 200 : m->path;
}

int mxi_mapped_check(struct mxi_mapped *m) {
  struct stat now;
  bool there = look(m, &now), cut = there && now.st_size < m->file.st_size;
  bool changed = there && (now.st_size != m->file.st_size || !same_time(&now.st_mtim, &m->file.st_mtim));
  bool unreadable = mxi_guard_was_needed(m->guard);
  if (!changed && !unreadable && !atomic_load(&m->changed)) return 0;
  atomic_store(&m->changed, true);
  return mxi_fail(MX_IO_ERROR,
                  "[load] expected %s to stay as it was while its arrays are in use, got a file %s",
                  path_end(m),
                  cut                      ? "cut short"
                  : unreadable && !changed ? "that can't be read"
                                           : "written to");
}

bool mxi_mapped_uses(const struct stat *file) {
  bool found = false;
  mxi_lock(MXI_LOCK_MAPPED);
  for (struct mxi_mapped *m = list; m && !found; m = m->next) found = same_file(&m->file, file);
  mxi_unlock(MXI_LOCK_MAPPED);
  return found;
}

void mxi_mapped_guard(void) { mxi_guard_renew(); }

/* ---- Mapping ---- */
/* Was the file changed in the tick of the kernel's clock that `now` is in, or a little later, as finer clocks
   tell? */
static bool just_changed(const struct timespec *changed, const struct timespec *now) {
  enum { SECOND = 1000000000, LONGEST_TICK = SECOND / 100 };
  if (changed->tv_sec < now->tv_sec || changed->tv_sec > now->tv_sec + 1) return false;
  int64_t ahead = (changed->tv_sec - now->tv_sec) * (int64_t)SECOND + changed->tv_nsec - now->tv_nsec;
  return ahead >= 0 && ahead < LONGEST_TICK;
}

/* A write in the same tick as the last one may leave the time as it is. So the file is looked at in a later
   tick: some milliseconds later, for a file just written. */
static int look_settled(int fd, struct stat *file) {
  enum { PAUSE = 1000000 /* nanoseconds */, MOST = 20 };
  for (int i = 0; i < MOST; i++) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (fstat(fd, file) < 0) return -1;
    if (!just_changed(&file->st_mtim, &now)) return 0;
    nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL);
  }
  return 0;
}

/* Descriptors are scarce: mappings keep those of the lower half. */
static int spare(int fd) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || (rlim_t)fd < limit.rlim_cur / 2) return fd;
  close(fd);
  return -1;
}

static void add(struct mxi_mapped *m) {
  mxi_lock(MXI_LOCK_MAPPED);
  m->next = list;
  m->at = &list;
  if (list) list->at = &m->next;
  list = m;
  mxi_unlock(MXI_LOCK_MAPPED);
  atomic_fetch_add(&mxi_mapped_count, 1);
}
static void take_out(struct mxi_mapped *m) {
  mxi_lock(MXI_LOCK_MAPPED);
  *m->at = m->next;
  if (m->next) m->next->at = m->at;
  mxi_unlock(MXI_LOCK_MAPPED);
  atomic_fetch_sub(&mxi_mapped_count, 1);
}

/* Maps and guards the file; false with errno. */
static bool map(struct mxi_mapped *m, int fd) {
  if (look_settled(fd, &m->file) < 0) return false;
  m->bytes = (size_t)m->file.st_size;
  void *data = mmap(NULL, m->bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) return false;
  m->data = data;
  m->guard = mxi_guard(data, m->bytes);
  if (m->guard != MXI_UNGUARDED) return true;
  munmap(data, m->bytes);
  errno = ENOMEM;
  return false;
}

static char *absolute(const char *path) {
  char *real = realpath(path, NULL), *copy = mxi_strdup(real ? real : path);
  free(real);
  return copy;
}

static int open_mapping(struct mxi_mapped *m, const char *op, const char *path, int fd) {
  if (!(m->path = absolute(path))) return -1;
  if (map(m, fd)) return 0;
  if (errno == ENOMEM) return mxi_fail_memory(m->bytes);
  char reason[128];
  return mxi_fail(MX_IO_ERROR, "[%s] expected to map %s, got: %s", op, path_end(m),
                  strerror_r(errno, reason, sizeof reason));
}

struct mxi_mapped *mxi_mapped_new(const char *op, const char *path, int fd) {
  struct mxi_mapped *m = mxi_calloc(1, sizeof *m);
  if (!m || open_mapping(m, op, path, fd) < 0) {
    close(fd);
    if (m) mxi_free(m->path);
    mxi_free(m);
    return NULL;
  }
  atomic_init(&m->refs, 1);
  m->fd = spare(fd);
  add(m);
  return m;
}

const uint8_t *mxi_mapped_data(const struct mxi_mapped *m) { return m->data; }
size_t mxi_mapped_bytes(const struct mxi_mapped *m) { return m->bytes; }

void mxi_mapped_unref(struct mxi_mapped *m) {
  struct stat now;
  if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) != 1) return;
  take_out(m);
  mxi_unguard(m->guard);
  munmap((void *)m->data, m->bytes);
  if (m->fd >= 0 && fstat(m->fd, &now) == 0 && same_file(&now, &m->file)) close(m->fd); // still ours
  mxi_free(m->path);
  mxi_free(m);
}

static void release(void *mapped) { mxi_mapped_unref(mapped); }

mx_buffer *mxi_mapped_buffer(struct mxi_mapped *m, size_t offset, size_t bytes) {
  mx_buffer *b = mxi_buffer_foreign((void *)(m->data + offset), bytes,
                                    MXI_BUFFER_READ_ONLY | MXI_BUFFER_OURS | MXI_BUFFER_MAPPED, release, m);
  if (b) atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
  return b;
}
