/* The source of a program whose values go into a reduction of runs: kernels/reduce.cuh, reading from the
   program instead of memory. */
#include "cuda/codegen_parts.h"
#include "core/reduce.h"
#include "cuda/kernels/reduce.h"

static bool is_read(const struct mxi_cuda_form *f, int k) { return f->kind[k] == MXI_OPERAND_UNIT; }

/* What a run has of each input: a pointer, or one element for all its values. */
static void print_members(struct mxi_string *t, const struct mxi_program *p, const struct mxi_cuda_form *f) {
  for (int k = 0; k < p->ninputs; k++)
    mxi_string_print(t, is_read(f, k) ? "  const %s *a%d;\n" : "  %s x%d;\n", mxi_codegen_stored(p, k), k);
  mxi_string_print(
      t, "  __device__ __forceinline__ mxi_program_run(const mxi_program_words &p, int64_t run) {\n");
  for (int k = 0; k < p->ninputs; k++) {
    const char *type = mxi_codegen_stored(p, k);
    if (f->kind[k] == MXI_OPERAND_VALUE) {
      mxi_string_print(t, "    x%d = mxi_scalar<%s>(p.words[%d]);\n", k, type, 2 * k);
      continue;
    }
    mxi_string_print(t, "    %c%d = ", is_read(f, k) ? 'a' : 'x', k);
    mxi_string_print(t,
                     is_read(f, k) ? "(const %s *)p.words[%d] + run * (int64_t)p.words[%d];\n"
                                   : "((const %s *)p.words[%d])[run * (int64_t)p.words[%d]];\n",
                     type, 2 * k, 2 * k + 1);
  }
  mxi_string_print(t, "  }\n");
}

static void print_one(struct mxi_string *t, const struct mxi_program *p, const struct mxi_cuda_form *f,
                      const char *value) {
  mxi_string_print(t, "  __device__ __forceinline__ %s element(int64_t i) const {\n    %s y;\n    ::element(",
                   value, mxi_codegen_stored(p, p->ninputs));
  for (int k = 0; k < p->ninputs; k++) mxi_string_print(t, is_read(f, k) ? "a%d[i], " : "x%d, ", k);
  mxi_string_print(t, "y);\n    return (%s)y;\n  }\n", value);
}

static void print_vector(struct mxi_string *t, const struct mxi_program *p, const struct mxi_cuda_form *f,
                         const char *value) {
  bool by_two = mxi_codegen_goes_by_two(p, f->vector);
  const char *type = mxi_codegen_stored(p, p->ninputs);
  mxi_string_print(
      t, "  template <int N> __device__ __forceinline__ mxi_vector<%s, N> vector(int64_t i) const {\n",
      value);
  for (int k = 0; k < p->ninputs; k++)
    if (is_read(f, k))
      mxi_string_print(t, "    const mxi_elements<%s, N> x%d = mxi_load<N>(a%d + i);\n",
                       mxi_codegen_stored(p, k), k, k);
  mxi_string_print(t, "    mxi_elements<%s, N> y;\n    mxi_vector<%s, N> values;\n", type, value);
  mxi_string_print(t, "#pragma unroll\n    for (int e = 0; e < N; e += %d) {\n", by_two ? 2 : 1);
  if (by_two) mxi_string_print(t, "      mxi_two<%s> z;\n", type);
  mxi_string_print(t, by_two ? "      ::elements(" : "      ::element(");
  for (int k = 0; k < p->ninputs; k++)
    mxi_string_print(t,
                     !is_read(f, k) ? (by_two ? "mxi_twice(x%d), " : "x%d, ")
                                    : (by_two ? "mxi_two_from(x%d, e), " : "x%d.v[e], "),
                     k);
  mxi_string_print(t, by_two ? "z);\n      mxi_two_to(y, e, z);\n    }\n" : "y.v[e]);\n    }\n");
  mxi_string_print(t, "#pragma unroll\n    for (int e = 0; e < N; e++) values.v[e] = (%s)y.v[e];\n", value);
  mxi_string_print(t, "    return values;\n  }\n");
}

void mxi_codegen_reduction(struct mxi_string *t, const struct mxi_program *p, const struct mxi_cuda_form *f) {
  static const char *const ops[] = {[MXI_REDUCE_SUM] = "mxi_sum",
                                    [MXI_REDUCE_PROD] = "mxi_product",
                                    [MXI_REDUCE_MIN] = "mxi_least",
                                    [MXI_REDUCE_MAX] = "mxi_greatest"};
  const char *value = mxi_codegen_types[f->values], *partial = mxi_codegen_types[f->partial];
  mxi_string_print(t, "#include \"cuda/kernels/reduction.cuh\"\n");
  mxi_string_print(t, "struct mxi_program_words {\n  mxi_cuda_reduce_runs runs;\n  uint64_t words[%d];\n};\n",
                   2 * p->ninputs);
  mxi_codegen_element(t, p);
  if (mxi_codegen_goes_by_two(p, f->vector)) mxi_codegen_elements_by_two(t, p);
  mxi_string_print(t, "struct mxi_program_run {\n");
  print_members(t, p, f);
  print_one(t, p, f, value);
  print_vector(t, p, f, value);
  mxi_string_print(t, "};\nMXI_KERNEL(" MXI_CODEGEN_KERNEL ", mxi_program_words, %d) {\n",
                   MXI_CUDA_REDUCE_BLOCK);
  mxi_string_print(t, "  mxi_reduce_program<mxi_reduce_by<%s, %s, %s, %s>, mxi_program_run>(p);\n}\n",
                   ops[f->reduce - 1], value, value, partial);
}
