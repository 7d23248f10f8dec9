/* The sources of random programs, compiled by NVIDIA's compiler for a GPU, where there is such a compiler: no
   GPU is needed. Arguments: how many programs; an architecture; a folder that gets the sources. */
#include "base/alloc.h"
#include "cuda/nvrtc.h"
#include "random_program.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void keep_source(const char *folder, int i, const char *source) {
  char path[4096];
  snprintf(path, sizeof path, "%s/program%d.cu", folder, i);
  FILE *f = fopen(path, "w");
  if (!f) return;
  fputs(source, f);
  fclose(f);
}

int main(int argc, char **argv) {
  enum { SKIPPED = 77, MOST_INSTRUCTIONS = 20 };
  int n = argc > 1 ? atoi(argv[1]) : 20, failed = 0;
  const char *architecture = argc > 2 ? argv[2] : "sm_90", *folder = argc > 3 ? argv[3] : NULL;
  static atomic_bool stop;
  if (mxi_nvrtc_open() < 0) return printf("%s\n", mx_error()), SKIPPED;
  double total = 0, longest = 0;
  for (int i = 0; i < n; i++) {
    struct mxi_program p;
    struct mxi_fused_region r;
    struct mxi_cuda_form form;
    struct mxi_cuda_words words;
    size_t bytes = 0;
    draw_program(&p, MOST_INSTRUCTIONS);
    draw_region(&p, &r, i % 2);
    if (!mxi_cuda_form_of(&p, &r, &form, &words)) continue;
    char *source = mxi_cuda_program_source(&p, &form, architecture);
    if (folder) keep_source(folder, i, source);
    double start = seconds();
    void *code = mxi_nvrtc_compile(source, architecture, false, &stop, &bytes);
    double took = seconds() - start;
    if (!code) {
      printf("program %d: %s\n%s\n", i, mx_error(), source);
      failed++;
    }
    if (i) total += took, longest = took > longest ? took : longest;
    printf("%2d instructions, %d operands, vectors of %2d: %6zu bytes in %4.0f ms\n", p.ninstructions,
           p.ninputs + p.noutputs, form.vector, bytes, took * 1e3);
    mxi_free(code);
    mxi_free(source);
  }
  printf("%d programs, %.0f ms each, %.0f ms at most, %d failed\n", n, total / (n - 1) * 1e3, longest * 1e3,
         failed);
  return failed > 0;
}
