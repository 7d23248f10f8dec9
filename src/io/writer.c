#include "io/writer.h"
#include "base/alloc.h"
#include "core/interrupt.h"
#include "io/place.h"
#include "mlx/ops.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Opens a new file "TARGET.tmp-HEX" with the permissions of `mode`. */
static int open_temporary(struct mxi_writer *w, const struct stat *old) {
  size_t n = strlen(w->target) + 32;
  w->temporary = mxi_malloc(n);
  if (!w->temporary) return -1;
  for (int attempt = 0; attempt < 100; attempt++) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(w->temporary, n, "%s.tmp-%x%08lx", w->target, (unsigned)getpid() & 0xffffff, (long)now.tv_nsec);
    w->fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (w->fd >= 0) {
      if (old) fchmod(w->fd, old->st_mode & 0777); // as if the old file had been written over
      return 0;
    }
    if (errno != EEXIST) break;
  }
  mxi_io_fail(w->op, "create", w->temporary, errno);
  mxi_free(w->temporary);
  w->temporary = NULL;
  return -1;
}

static int open_target(struct mxi_writer *w) {
  struct stat old;
  bool exists = stat(w->target, &old) == 0;
  if (!exists || S_ISREG(old.st_mode)) return open_temporary(w, exists ? &old : NULL);
  w->fd = open(w->target, O_WRONLY | O_CLOEXEC); // a device or a pipe is not replaced
  return w->fd < 0 ? mxi_io_fail(w->op, "open", w->target, errno) : 0;
}

int mxi_writer_open(struct mxi_writer *w, const char *op, const struct mxi_target *to) {
  *w = (struct mxi_writer){.op = op, .fd = -1};
  if (!to->path) {
    w->stream = to->stream;
    return 0;
  }
  char *real = realpath(to->path, NULL); // NULL: a new file
  w->target = mxi_strdup(real ? real : to->path);
  free(real);
  if (w->target && open_target(w) == 0) return 0;
  mxi_free(w->target);
  return -1;
}

int mxi_writer_write(struct mxi_writer *w, const void *data, size_t n) {
  w->at += n;
  if (w->stream.write) return n ? w->stream.write(w->stream.context, data, n) : 0;
  enum { AT_ONCE = 1 << 23 }; // some ms, so that an interrupt is heard
  for (const char *p = data; n;) {
    MXI_TRY(mxi_go_on(w->op));
    ssize_t done = write(w->fd, p, n < AT_ONCE ? n : AT_ONCE);
    if (done < 0 && errno != EINTR) return mxi_io_fail(w->op, "write", w->target, errno);
    if (done <= 0) continue;
    p += done;
    n -= (size_t)done;
  }
  return 0;
}

int mxi_with_rows(mx_array a, int (*use)(void *context, const void *data, size_t n), void *context) {
  int status = -1;
  MX_SCOPE {
    mx_array rows = mx_contiguous(a, false);
    if (mx_eval(rows) == 0) {
      const void *data = mx_size(rows) ? mx_data(rows) : NULL;
      status = !data && mx_size(rows) ? -1 : use(context, data, mx_nbytes(rows));
    }
  }
  return status;
}

static int write_rows(void *writer, const void *data, size_t n) { return mxi_writer_write(writer, data, n); }
int mxi_writer_array(struct mxi_writer *w, mx_array a) { return mxi_with_rows(a, write_rows, w); }

/* The rename itself must survive a crash: its folder is synced too, where the file system can. */
static void sync_folder(const char *path) {
  const char *slash = strrchr(path, '/');
  char folder[PATH_MAX];
  if (!slash)
    strcpy(folder, ".");
  else if ((size_t)(slash - path) < sizeof folder - 1)
    snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
  else
    return;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  fsync(fd);
  close(fd);
}

/* Starts the disk on all that was written, and waits for it piece by piece: fsync can't be interrupted. Where
   it isn't possible fsync does all of it. */
static int flush_pieces(struct mxi_writer *w) {
  enum { PIECE = 1 << 23 };
  int flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  for (uint64_t at = 0; at < w->at; at += PIECE) {
    MXI_TRY(mxi_go_on(w->op));
    if (sync_file_range(w->fd, (off_t)at, PIECE, flags) < 0) return 0;
  }
  return 0;
}

static int commit(struct mxi_writer *w) {
  if (!w->temporary) return 0;
  MXI_TRY(flush_pieces(w));
  if (fsync(w->fd) < 0) return mxi_io_fail(w->op, "sync", w->temporary, errno);
  if (rename(w->temporary, w->target) < 0) return mxi_io_fail(w->op, "replace", w->target, errno);
  sync_folder(w->target);
  return 0;
}

int mxi_writer_close(struct mxi_writer *w, int status) {
  if (w->stream.write) return status;
  if (!status) status = commit(w);
  if (status && w->temporary) unlink(w->temporary);
  if (close(w->fd) < 0 && !status) status = mxi_io_fail(w->op, "close", w->target, errno);
  mxi_free(w->temporary);
  mxi_free(w->target);
  return status;
}
