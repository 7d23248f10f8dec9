#include "base/env.h"
#include <pthread.h>
#include <stdlib.h>

static struct mxi_env env;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int integer(const char *name) {
  const char *s = getenv(name);
  return s ? (int)strtol(s, NULL, 10) : 0;
}

/* NULL where the variable is empty, too. */
static const char *text(const char *name) {
  const char *s = getenv(name);
  return s && *s ? s : NULL;
}

static void read_environment(void) {
  env.num_threads = integer("MLX_NUM_THREADS");
  env.cpu_isa = text("MLX_CPU_ISA");
  env.no_fusion = integer("MLX_DISABLE_FUSION");
  env.lapack = text("MLX_LAPACK");
  env.mock_gpu = integer("MLX_MOCK_GPU");
  env.cuda_cache = text("MLX_CUDA_CACHE");
  env.cuda_compile = text("MLX_CUDA_COMPILE");
  env.xdg_cache_home = text("XDG_CACHE_HOME");
  env.home = text("HOME");
  env.cuda_driver = text("MLX_CUDA_DRIVER");
  env.no_compile = getenv("MLX_DISABLE_COMPILE") != NULL;
}

const struct mxi_env *mxi_env(void) {
  pthread_once(&once, read_environment);
  return &env;
}
