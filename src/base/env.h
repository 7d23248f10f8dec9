/* Every environment variable the library reads, read once, in env.c alone. */
#ifndef MXI_BASE_ENV_H
#define MXI_BASE_ENV_H
struct mxi_env {
  int num_threads;     /* MLX_NUM_THREADS: threads of the CPU pool; 0 = what affinity and the cgroup allow */
  const char *cpu_isa; /* MLX_CPU_ISA forces an instruction set; NULL = the best; see cpu/isa.h */
  const char *lapack;  /* MLX_LAPACK: path of the LAPACK library; NULL = the one beside the package */
  int no_fusion;       /* MLX_DISABLE_FUSION=1 runs each elementwise op alone; for tests */
  int mock_gpu;        /* MLX_MOCK_GPU=1, in builds for tests, makes mx.gpu a device that is an imitation */
  const char *cuda_cache;   /* MLX_CUDA_CACHE: folder of compiled kernels; NULL = mlx.c in the user's cache */
  const char *cuda_compile; /* MLX_CUDA_COMPILE: when programs become kernels: never, now, or later (NULL;
                               never in the emulation) */
  const char *xdg_cache_home; /* XDG_CACHE_HOME */
  const char *home;           /* HOME */
  const char *cuda_driver; /* MLX_CUDA_DRIVER, in builds for tests: path of the emulation that stands in for
                              NVIDIA's libraries; NULL = they themselves */
  int no_compile;          /* MLX_DISABLE_COMPILE=1 makes mx_compile the identity */
};
const struct mxi_env *mxi_env(void);
#endif
