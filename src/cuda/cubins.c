#include "cuda/cubins.h"
#include "base/alloc.h"
#include "base/env.h"
#include "base/vec.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file: this header, the source, the code. */
struct cubin_header {
  char magic[8];
  uint64_t checksum; /* of the source and the code */
  uint64_t source_bytes, code_bytes;
};
static const char cubin_magic[8] = "mlxcub1";
static const size_t most_file_bytes = (size_t)64 << 20;
enum { NAME_BYTES = 48, HEX_DIGITS = 32 };

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n) {
  for (size_t i = 0; i < n; i += 8) {
    uint64_t word = 0;
    memcpy(&word, (const char *)bytes + i, n - i < 8 ? n - i : 8);
    h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 32;
  }
  return (h ^ n) * UINT64_C(0xd6e8feb86659fd93);
}

static void name_of(const char *source, char name[NAME_BYTES]) {
  size_t n = strlen(source);
  snprintf(name, NAME_BYTES, "%016llx%016llx.cubin", (unsigned long long)hash_bytes(1, source, n),
           (unsigned long long)hash_bytes(2, source, n));
}
static bool is_cubin_name(const char *name) {
  return strspn(name, "0123456789abcdef") == HEX_DIGITS && !strcmp(name + HEX_DIGITS, ".cubin");
}
static bool is_temporary_name(const char *name) { return !strncmp(name, "cubin.tmp.", 10); }

static uint64_t checksum_of(const void *source, size_t source_bytes, const void *code, size_t code_bytes) {
  return hash_bytes(hash_bytes(3, source, source_bytes), code, code_bytes);
}

/* ---- The folder ---- */
static void make_folders(char *path) {
  for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(path, 0700);
    *slash = '/';
  }
  mkdir(path, 0700);
}

int mxi_cubins_open(const char *path) {
  char copy[PATH_MAX];
  if ((size_t)snprintf(copy, sizeof copy, "%s", path) >= sizeof copy) return -1;
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 && errno == ENOENT) {
    make_folders(copy);
    folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  }
  struct stat s;
  if (folder < 0 || (fstat(folder, &s) == 0 && s.st_uid == geteuid() && !(s.st_mode & (S_IWGRP | S_IWOTH))))
    return folder;
  close(folder);
  return -1;
}

int mxi_cubins_folder(void) {
  const struct mxi_env *env = mxi_env();
  char path[PATH_MAX];
  int n = env->cuda_cache       ? snprintf(path, sizeof path, "%s", env->cuda_cache)
          : env->xdg_cache_home ? snprintf(path, sizeof path, "%s/mlx.c", env->xdg_cache_home)
          : env->home           ? snprintf(path, sizeof path, "%s/.cache/mlx.c", env->home)
                                : -1;
  return n < 0 || (size_t)n >= sizeof path ? -1 : mxi_cubins_open(path);
}

/* ---- Reading ---- */
static bool read_all(int fd, void *to, size_t bytes) {
  for (char *at = to; bytes;) {
    ssize_t n = read(fd, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= (size_t)n;
  }
  return true;
}

static void *read_code(int fd, const char *source, size_t *bytes) {
  struct cubin_header h;
  struct stat s;
  size_t source_bytes = strlen(source);
  if (fstat(fd, &s) < 0 || !S_ISREG(s.st_mode) || !read_all(fd, &h, sizeof h)) return NULL;
  if (memcmp(h.magic, cubin_magic, sizeof h.magic) || h.source_bytes != source_bytes || h.code_bytes == 0 ||
      h.code_bytes > most_file_bytes || (uint64_t)s.st_size != sizeof h + h.source_bytes + h.code_bytes)
    return NULL;
  char *both = mxi_malloc(source_bytes + h.code_bytes);
  if (!both) return NULL;
  bool whole = read_all(fd, both, source_bytes + h.code_bytes) && !memcmp(both, source, source_bytes) &&
               h.checksum == checksum_of(both, source_bytes, both + source_bytes, h.code_bytes);
  if (!whole) {
    mxi_free(both);
    return NULL;
  }
  memmove(both, both + source_bytes, h.code_bytes);
  *bytes = h.code_bytes;
  return both;
}

void *mxi_cubins_load(int folder, const char *source, size_t *bytes) {
  char name[NAME_BYTES];
  name_of(source, name);
  int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return NULL;
  void *code = read_code(fd, source, bytes);
  if (code) futimens(fd, NULL); // the time of its last use
  close(fd);
  return code;
}

/* ---- Writing ---- */
static bool write_all(int fd, const void *from, size_t bytes) {
  for (const char *at = from; bytes;) {
    ssize_t n = write(fd, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= (size_t)n;
  }
  return true;
}

void mxi_cubins_save(int folder, const char *source, const void *code, size_t bytes) {
  static atomic_uint count;
  char name[NAME_BYTES], temporary[NAME_BYTES];
  size_t source_bytes = strlen(source);
  if (bytes == 0 || bytes > most_file_bytes) return;
  name_of(source, name);
  snprintf(temporary, sizeof temporary, "cubin.tmp.%ld.%u", (long)getpid(), atomic_fetch_add(&count, 1));
  int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return;
  struct cubin_header h = {.checksum = checksum_of(source, source_bytes, code, bytes),
                           .source_bytes = source_bytes,
                           .code_bytes = bytes};
  memcpy(h.magic, cubin_magic, sizeof h.magic);
  bool written =
      write_all(fd, &h, sizeof h) && write_all(fd, source, source_bytes) && write_all(fd, code, bytes);
  if (close(fd) < 0 || !written || renameat(folder, temporary, folder, name) < 0)
    unlinkat(folder, temporary, 0);
}

/* ---- Trimming ---- */
struct kept_file {
  char name[NAME_BYTES];
  struct timespec used;
  uint64_t bytes;
};
static int by_use(const void *a, const void *b) {
  const struct timespec *x = &((const struct kept_file *)a)->used, *y = &((const struct kept_file *)b)->used;
  if (x->tv_sec != y->tv_sec) return x->tv_sec < y->tv_sec ? -1 : 1;
  return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

uint64_t mxi_cubins_trim(int folder, uint64_t most) {
  int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *listing = copy < 0 ? NULL : fdopendir(copy);
  if (!listing) {
    if (copy >= 0) close(copy);
    return 0;
  }
  mxi_vec(struct kept_file) files = {0};
  uint64_t total = 0;
  for (struct dirent *d; (d = readdir(listing));) { // others' files stay, and don't count
    struct kept_file f = {0};
    struct stat s;
    if (!is_cubin_name(d->d_name) && !is_temporary_name(d->d_name)) continue;
    if (strlen(d->d_name) >= sizeof f.name || fstatat(folder, d->d_name, &s, AT_SYMLINK_NOFOLLOW) < 0 ||
        !S_ISREG(s.st_mode))
      continue;
    strcpy(f.name, d->d_name);
    f.used = s.st_mtim;
    f.bytes = (uint64_t)s.st_size;
    if (mxi_push(&files, f) < 0) break;
    total += f.bytes;
  }
  closedir(listing);
  if (total > most) qsort(files.v, files.n, sizeof *files.v, by_use);
  for (size_t i = 0; i < files.n && total > most; i++) {
    unlinkat(folder, files.v[i].name, 0);
    total -= files.v[i].bytes;
  }
  mxi_vec_free(&files);
  return total;
}
