#include "cpu/lapack_open.h"
#include "base/alloc.h"
#include "base/env.h"
#include "base/error.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, NAME_BYTES = 64 };
/* OpenBLAS takes one buffer when it is opened and one for each of its threads. NumPy's builders make them
   smaller than they are by default. */
static const size_t package_buffer = (size_t)32 << 20, default_buffer = (size_t)128 << 20;
static const size_t library_bytes = (size_t)64 << 20; /* mapped by one whose file isn't known */
static const size_t slack = (size_t)4 << 20;          /* for the linker and constructors */

bool mxi_lapack_memory_for(size_t bytes) {
  if (mxi_alloc_should_fail()) return false;
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return false;
  munmap(p, bytes);
  return true;
}

/* The library that Python's package scipy-openblas32 has beside ours: this one is
 * site-packages/mlx/lib/libmlxc.so. */
static bool path_beside_us(char *path) {
  Dl_info here;
  if (!dladdr((void *)(size_t)mxi_lapack_open, &here) || !here.dli_fname) return false;
  int length = snprintf(path, PATH_BYTES, "%s", here.dli_fname);
  if (length < 0 || length >= PATH_BYTES) return false;
  for (int up = 0; up < 3; up++) {
    char *slash = strrchr(path, '/');
    if (!slash) return false;
    *slash = 0;
  }
  size_t n = strlen(path);
  length = snprintf(path + n, PATH_BYTES - n, "/scipy_openblas32/lib/libscipy_openblas.so");
  return length >= 0 && (size_t)length < PATH_BYTES - n;
}

static size_t mapped_bytes(const char *name) {
  struct stat s;
  return (strchr(name, '/') && stat(name, &s) == 0 ? (size_t)s.st_size : library_bytes) + slack;
}

/* ---- Threads ----
   OpenBLAS starts a thread for each further processor that the opening thread may run on. */
enum { MAX_THREADS = 256 };
static int further_cpus(void) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) - 1 : 0;
  return n < MAX_THREADS ? n : MAX_THREADS;
}
static void *wait_at(void *gate) {
  while (sem_wait(gate) < 0) continue;
  return NULL;
}
/* Can so many threads live beside those there are, and this memory be mapped with them? */
static bool room_for_threads(int n, size_t bytes) {
  pthread_t threads[MAX_THREADS];
  sem_t gate;
  if (mxi_alloc_should_fail() || sem_init(&gate, 0, 0) < 0) return false;
  int started = 0;
  while (started < n && pthread_create(&threads[started], NULL, wait_at, &gate) == 0) started++;
  bool enough = started == n && mxi_lapack_memory_for(bytes);
  for (int i = 0; i < started; i++) sem_post(&gate);
  for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
  sem_destroy(&gate);
  return enough;
}

/* ---- Opening ---- */
/* What became of it; dlerror tells why it failed. */
enum outcome { OPENED, FAILED, SHORT_OF_MEMORY };
static enum outcome opened(void **handle, const char *name) {
  *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
  return *handle ? OPENED : FAILED;
}

static enum outcome open_for_all_threads(void **handle, const char *name, size_t buffer_bytes) {
  int threads = further_cpus();
  if (!room_for_threads(threads, mapped_bytes(name) + (size_t)(1 + threads) * buffer_bytes))
    return SHORT_OF_MEMORY;
  return opened(handle, name);
}

static bool run_on_one_cpu(cpu_set_t *before) {
  if (sched_getaffinity(0, sizeof *before, before) < 0) return false;
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
    if (CPU_ISSET(i, before)) CPU_SET(i, &one);
  return sched_setaffinity(0, sizeof one, &one) == 0;
}
static enum outcome open_for_one_thread(void **handle, const char *name, size_t buffer_bytes) {
  cpu_set_t before;
  if (!run_on_one_cpu(&before)) return open_for_all_threads(handle, name, buffer_bytes);
  bool room = mxi_lapack_memory_for(mapped_bytes(name) + buffer_bytes);
  enum outcome result = room ? opened(handle, name) : SHORT_OF_MEMORY;
  sched_setaffinity(0, sizeof before, &before);
  return result;
}

/* As anybody would open it, if what it takes is there; else for one thread. */
static enum outcome open_shared(struct mxi_lapack_library *l, const char *name) {
  *l = (struct mxi_lapack_library){.shared = true, .buffer_bytes = default_buffer};
  l->handle = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (l->handle) return OPENED;
  enum outcome result = open_for_all_threads(&l->handle, name, default_buffer);
  return result == SHORT_OF_MEMORY ? open_for_one_thread(&l->handle, name, default_buffer) : result;
}
/* It is ours alone, unless somebody opened that very file before. */
static enum outcome open_of_package(struct mxi_lapack_library *l, const char *path) {
  *l = (struct mxi_lapack_library){.buffer_bytes = package_buffer};
  l->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  l->shared = l->handle;
  if (l->handle) return OPENED;
  return access(path, R_OK) == 0 ? open_for_one_thread(&l->handle, path, package_buffer) : FAILED;
}

int mxi_lapack_open(struct mxi_lapack_library *l) {
  static const char *const system_names[] = {"libopenblas.so.0", "liblapack.so.3"};
  const char *asked = mxi_env()->lapack;
  char beside[PATH_BYTES];
  enum outcome result = asked                    ? open_shared(l, asked)
                        : path_beside_us(beside) ? open_of_package(l, beside)
                                                 : FAILED;
  for (int i = 0; i < 2 && result == FAILED && !asked; i++) result = open_shared(l, system_names[i]);
  if (result == OPENED) return 0;
  if (result == SHORT_OF_MEMORY) return mxi_fail_memory(library_bytes + l->buffer_bytes);
  if (asked)
    return mxi_fail(MX_DEVICE_ERROR, "[lapack] expected a LAPACK library at MLX_LAPACK=%s, got: %s", asked,
                    dlerror());
  return mxi_fail(
      MX_DEVICE_ERROR,
      "[lapack] expected the Python package scipy-openblas32 beside this one, or "
      "libopenblas.so.0 or liblapack.so.3 in the system, or MLX_LAPACK to name a library; got: %s",
      dlerror());
}

void *mxi_lapack_symbol(const struct mxi_lapack_library *l, const char *name) {
  char prefixed[NAME_BYTES];
  snprintf(prefixed, sizeof prefixed, "scipy_%s", name);
  void *found = dlsym(l->handle, prefixed);
  return found ? found : dlsym(l->handle, name);
}
