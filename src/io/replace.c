#include "io/replace.h"
#include "base/alloc.h"
#include "core/interrupt.h"
#include "core/mapped.h"
#include "io/place.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/sendfile.h>
#include <sys/xattr.h>
#include <unistd.h>

static int fail(const struct mxi_replacement *r, const char *verb) {
  return mxi_io_fail(r->op, verb, r->path, errno);
}

/* ---- Where a path leads ---- */
/* Replaces the path of a symbolic link by where it leads, also to a file that is not there yet. */
static int follow_links(char path[PATH_MAX]) {
  enum { MOST = 40 }; // as the system does
  char link[PATH_MAX];
  for (int i = 0; i < MOST; i++) {
    ssize_t n = readlink(path, link, sizeof link);
    if (n < 0) return 0; // no link
    const char *slash = strrchr(path, '/');
    size_t folder = link[0] == '/' || !slash ? 0 : (size_t)(slash + 1 - path);
    if (folder + (size_t)n >= PATH_MAX) return errno = ENAMETOOLONG, -1;
    memcpy(path + folder, link, (size_t)n);
    path[folder + (size_t)n] = 0;
  }
  return errno = ELOOP, -1;
}

static const char *name_of(const struct mxi_replacement *r) {
  const char *slash = strrchr(r->path, '/');
  return slash ? slash + 1 : r->path;
}

/* Without leave to read the folder it can still be written to, but not synced. */
static int open_folder(const struct mxi_replacement *r) {
  char folder[PATH_MAX] = ".";
  size_t n = (size_t)(name_of(r) - r->path);
  if (n) {
    memcpy(folder, r->path, n);
    folder[n] = 0;
  }
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return fd >= 0 || errno != EACCES ? fd : open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* ---- The new file is as the old one was ---- */
static int copy_attribute(int from, int to, const char *name) {
  ssize_t n = fgetxattr(from, name, NULL, 0);
  void *value = n < 0 ? NULL : mxi_malloc((size_t)n + 1);
  if (n >= 0 && !value) return errno = ENOMEM, -1;
  int status =
      n < 0 || fgetxattr(from, name, value, (size_t)n) != n ? -1 : fsetxattr(to, name, value, (size_t)n, 0);
  mxi_free(value);
  return status < 0 ? (errno = EPERM, -1) : 0;
}

/* Access lists and the user's attributes. Labels of security modules are theirs to set. */
static int copy_attributes(int from, int to) {
  ssize_t n = flistxattr(from, NULL, 0);
  if (n <= 0) return 0; // none, or a file system without
  char *names = mxi_malloc((size_t)n);
  if (!names) return errno = ENOMEM, -1;
  n = flistxattr(from, names, (size_t)n);
  int status = 0;
  for (const char *name = names; name < names + n && status == 0; name += strlen(name) + 1)
    if (!strncmp(name, "user.", 5) || !strncmp(name, "system.posix_acl_", 17))
      status = copy_attribute(from, to, name);
  mxi_free(names);
  return status;
}

static int keep_identity(int from, int to) {
  struct stat old, new;
  if (fstat(from, &old) < 0 || fstat(to, &new) < 0) return -1;
  bool owned = old.st_uid == new.st_uid &&old.st_gid == new.st_gid;
  if (!owned && fchown(to, old.st_uid, old.st_gid) < 0) return errno = EPERM, -1;
  if (copy_attributes(from, to) < 0) return -1;
  return fchmod(to, old.st_mode & 0777);
}

/* ---- The temporary file ---- */
/* Its name is short, whatever the target's. Nobody else may read it before it has the old one's permissions.
 */
static int create(struct mxi_replacement *r) {
  enum { ATTEMPTS = 100 };
  for (int i = 0; i < ATTEMPTS; i++) {
    uint64_t number = 0;
    if (getrandom(&number, sizeof number, 0) < 0) return -1;
    snprintf(r->temporary, sizeof r->temporary, ".mlx-%016llx", (unsigned long long)number);
    r->fd =
        openat(r->folder, r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, r->old >= 0 ? 0600 : 0666);
    if (r->fd >= 0 || errno != EEXIST) break;
  }
  return r->fd < 0 ? -1 : 0;
}

static void discard(struct mxi_replacement *r) {
  unlinkat(r->folder, r->temporary, 0);
  close(r->fd);
  r->fd = -1;
}

/* -1 with errno when there can be none. */
static int open_temporary(struct mxi_replacement *r) {
  r->folder = open_folder(r);
  if (r->folder < 0) return -1;
  int status = create(r);
  if (status == 0 && r->old >= 0 && (status = keep_identity(r->old, r->fd)) < 0) {
    int reason = errno;
    discard(r);
    errno = reason;
  }
  if (status == 0) return 0;
  int reason = errno;
  close(r->folder);
  r->folder = -1;
  return errno = reason, -1;
}

/* ---- In place ---- */
/* Would a plain write do where a rename fails like this? */
static bool in_place_may_do(int reason) {
  return reason == EACCES || reason == EPERM || reason == EROFS || reason == EBUSY || reason == EXDEV;
}

/* Empties the target, unless arrays, maybe those that are being saved, are read from it. */
static int empty_target(struct mxi_replacement *r) {
  struct stat file;
  if (r->old < 0) r->old = open(r->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (r->old < 0) return fail(r, "create");
  if (fstat(r->old, &file) < 0) return fail(r, "open");
  if (mxi_mapped_uses(&file))
    return mxi_fail(MX_IO_ERROR,
                    "[%s] expected a file that can be replaced, got %s, which arrays are read from", r->op,
                    mxi_path_end(r->path));
  return ftruncate(r->old, 0) < 0 ? fail(r, "empty") : 0;
}

static int open_in_place(struct mxi_replacement *r) {
  MXI_TRY(empty_target(r));
  r->fd = r->old;
  r->old = -1;
  return 0;
}

/* The temporary file's bytes to a target that can't be renamed over. */
static int copy_to_target(struct mxi_replacement *r) {
  MXI_TRY(empty_target(r));
  int from = openat(r->folder, r->temporary, O_RDONLY | O_CLOEXEC);
  if (from < 0) return fail(r, "read back");
  enum { AT_ONCE = 1 << 30 };
  ssize_t n;
  do n = sendfile(r->old, from, NULL, AT_ONCE);
  while (n > 0 || (n < 0 && errno == EINTR));
  int status = n < 0 || fsync(r->old) < 0 ? fail(r, "write") : 0;
  close(from);
  return status;
}

/* ---- Opening and closing ---- */
/* Is the file that is open for writing the one at the path? Links that /proc makes lead elsewhere. */
static bool found(const struct mxi_replacement *r, const struct stat *old) {
  struct stat now;
  return lstat(r->path, &now) == 0 && now.st_dev == old->st_dev && now.st_ino == old->st_ino;
}

static int open_target(struct mxi_replacement *r) {
  struct stat old;
  r->old = open(r->path, O_WRONLY | O_CLOEXEC);
  if (r->old < 0 && errno != ENOENT) return fail(r, "open");
  if (r->old >= 0 && fstat(r->old, &old) < 0) return fail(r, "open");
  if (r->old >= 0 && !S_ISREG(old.st_mode)) {
    r->fd = r->old;
    r->old = -1;
    return 0;
  }
  if (follow_links(r->path) < 0) return fail(r, "open");
  if (r->old >= 0 && !found(r, &old)) return open_in_place(r);
  if (!*name_of(r)) return errno = *r->path ? EISDIR : ENOENT, fail(r, "create");
  if (open_temporary(r) == 0) return 0;
  return in_place_may_do(errno) ? open_in_place(r) : fail(r, "create");
}

static void free_all(struct mxi_replacement *r) {
  if (r->old >= 0) close(r->old);
  if (r->folder >= 0) close(r->folder);
  mxi_free(r->path);
}

int mxi_replacement_open(struct mxi_replacement *r, const char *op, const char *path) {
  *r = (struct mxi_replacement){.op = op, .fd = -1, .old = -1, .folder = -1};
  if (strlen(path) >= PATH_MAX) return mxi_io_fail(op, "open", path, ENAMETOOLONG);
  r->path = mxi_malloc(PATH_MAX);
  if (!r->path) return -1;
  strcpy(r->path, path);
  if (open_target(r) == 0) return 0;
  free_all(r);
  return -1;
}

/* Starts the disk on all that was written, and waits for it piece by piece: fsync can't be interrupted. Where
   it isn't possible fsync does all of it. */
static int flush_pieces(const struct mxi_replacement *r) {
  enum { PIECE = 1 << 23 };
  int flags = SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
  struct stat written;
  if (fstat(r->fd, &written) < 0) return 0;
  for (off_t at = 0; at < written.st_size; at += PIECE) {
    MXI_TRY(mxi_go_on(r->op));
    if (sync_file_range(r->fd, at, PIECE, flags) < 0) return 0;
  }
  return 0;
}

/* A device can't be synced, and need not be. */
static int sync_file(const struct mxi_replacement *r) {
  MXI_TRY(flush_pieces(r));
  return fsync(r->fd) < 0 && errno != EINVAL && errno != EROFS ? fail(r, "sync") : 0;
}

static int replace(struct mxi_replacement *r) {
  if (renameat(r->folder, r->temporary, r->folder, name_of(r)) == 0) {
    fsync(r->folder); // the rename must survive a crash too, where the file system can tell
    return 0;
  }
  if (r->old < 0 || !in_place_may_do(errno)) return fail(r, "replace");
  MXI_TRY(copy_to_target(r));
  unlinkat(r->folder, r->temporary, 0);
  return 0;
}

int mxi_replacement_close(struct mxi_replacement *r, int status) {
  if (!status) status = sync_file(r);
  if (!status && r->folder >= 0) status = replace(r);
  if (status && r->folder >= 0) unlinkat(r->folder, r->temporary, 0);
  if (close(r->fd) < 0 && !status) status = fail(r, "close");
  free_all(r);
  return status;
}
