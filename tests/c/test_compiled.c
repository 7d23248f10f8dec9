/* Programs as kernels (cuda/compiled.h) on the emulated device: they compute the interpreter's bits in every
   form, and are there when they should be. With an argument: what a second process does. */
#include "scope.h"
#include "base/alloc.h"
#include "cuda/compiled.h"
#include "cuda/context.h"
#include "cuda/cuda.h"
#include "random_program.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROGRAMS = 25, INSTRUCTIONS = 12, MANY = 1 << 20 };

static int type_of(const struct mxi_program *p, int k) {
  return k < p->ninputs ? p->input_type[k] : p->output_type[k - p->ninputs];
}
static size_t bytes_of(const struct mxi_program *p, int k) { return mx_dtype_size((mx_dtype)type_of(p, k)); }
static void fill(char *to, int type, int64_t n) {
  static const double values[] = {0, 1, -1, 0.5, 3, -2.25, 100, 1e-3, 0.1, 7, -0.75, 1e9, INFINITY, NAN};
  for (int64_t i = 0; i < n; i++) {
    double x = draw(3) ? (draw(2000) - 1000) / 128.0 : values[draw((int)(sizeof values / sizeof *values))];
    mxi_scalar_store(to + i * (int64_t)mx_dtype_size((mx_dtype)type), (mx_dtype)type, x,
                     draw(100) / 50.0 - 1);
  }
}

/* ---- Forms ---- */
static int64_t elements_of(const struct mxi_fused_region *r, int k) {
  int64_t last = 0;
  for (int d = 0; d < r->ndim; d++) last += (r->shape[d] - 1) * r->strides[k][d];
  return last + 1;
}

static CUfunction kernel_of(const struct mxi_program *p, const struct mxi_cuda_form *form) {
  struct mxi_compiled *c = mxi_compiled_take(p);
  CUfunction f = mxi_compiled_function(c, form, MANY);
  mxi_compiler_wait();
  if (!f) f = mxi_compiled_function(c, form, MANY);
  mxi_compiled_release(c);
  return f;
}
static void run_form(const struct mxi_program *p, const struct mxi_cuda_form *form,
                     const struct mxi_cuda_words *words) {
  CUfunction f = kernel_of(p, form);
  assert_non_null(f);
  struct mxi_cuda_grid grid = {.x = mxi_cuda_form_blocks(p, form, words), .threads = MXI_CODEGEN_THREADS};
  assert_int_equal(mxi_cuda_launch_function(mx_default_stream(MX_GPU), f, MXI_CODEGEN_KERNEL, grid,
                                            words->word, (size_t)words->n * sizeof *words->word),
                   0);
  assert_int_equal(mxi_cuda.cuCtxSynchronize(), CUDA_SUCCESS);
}

/* Every operand by its strides, one element at a time. */
static struct mxi_cuda_form plainest(const struct mxi_program *p, const struct mxi_fused_region *r) {
  struct mxi_cuda_form form = {.ndim = (uint8_t)r->ndim, .vector = 1, .wide = 1};
  for (int k = 0; k < p->ninputs + p->noutputs; k++)
    form.kind[k] = k < p->ninputs && r->by_value[k] ? MXI_OPERAND_VALUE : MXI_OPERAND_STRIDED;
  return form;
}

static void every_form_computes_what_the_plainest_computes(void **state) {
  for (int i = 0; i < PROGRAMS; i++) {
    struct mxi_program p;
    struct mxi_fused_region r;
    struct mxi_cuda_form form, plain;
    struct mxi_cuda_words words;
    char *blocks[MXI_CODEGEN_OPERANDS] = {NULL}, *expected[MXI_MAX_OPERANDS];
    draw_program(&p, INSTRUCTIONS);
    draw_region(&p, &r, i % 2);
    size_t shift = !draw(4); // elements, from an address that vectors need
    for (int k = 0; k < p.ninputs + p.noutputs; k++) {
      size_t size = bytes_of(&p, k), n = (size_t)elements_of(&r, k);
      char *first = (blocks[k] = mxi_malloc_aligned((n + 1) * size)) + shift * size;
      fill(first, type_of(&p, k), (int64_t)n); // outputs too: what isn't theirs must stay
      r.at[k] = (uint64_t)(uintptr_t)first;
      if (r.by_value[k]) memcpy(&r.at[k], first, size);
    }
    plain = plainest(&p, &r);
    struct mxi_fused_region plain_region = r;
    for (int o = 0; o < p.noutputs; o++) {
      int k = p.ninputs + o;
      size_t bytes = (size_t)elements_of(&r, k) * bytes_of(&p, k);
      expected[o] = mxi_malloc(bytes);
      memcpy(expected[o], (void *)(uintptr_t)r.at[k], bytes);
      plain_region.at[k] = (uint64_t)(uintptr_t)expected[o];
    }
    mxi_cuda_form_words(&p, &plain_region, &plain, &words);
    run_form(&p, &plain, &words);
    assert_true(mxi_cuda_form_of(&p, &r, &form, &words));
    run_form(&p, &form, &words);
    for (int o = 0; o < p.noutputs; o++) {
      int k = p.ninputs + o;
      if (memcmp(expected[o], (void *)(uintptr_t)r.at[k], (size_t)elements_of(&r, k) * bytes_of(&p, k)))
        fail_msg("expected the same of both kernels, got another output %d of\n%s", o,
                 mxi_cuda_program_source(&p, &form, ""));
      mxi_free(expected[o]);
    }
    for (int k = 0; k < p.ninputs + p.noutputs; k++) mxi_free(blocks[k]);
  }
}

static void vectors_are_of_16_bytes_where_operands_allow(void **state) {
  struct mxi_program p = {.ninstructions = 1,
                          .ninputs = 2,
                          .noutputs = 1,
                          .input_type = {MX_BFLOAT16, MX_BFLOAT16},
                          .output_type = {MX_BFLOAT16},
                          .output_value = {2}};
  p.instructions[0] = (struct mxi_instruction){MXI_ADD, MX_BFLOAT16, MX_BFLOAT16, {0, 1}};
  struct mxi_fused_region row = {
      .ndim = 1, .shape = {1000}, .strides = {{1}, {1}, {1}}, .at = {256, 512, 1024}};
  struct mxi_cuda_form form;
  struct mxi_cuda_words words;
  assert_true(mxi_cuda_form_of(&p, &row, &form, &words));
  assert_int_equal(form.vector, 8);
  row.at[1] += 4; // aligned to 4 bytes
  assert_true(mxi_cuda_form_of(&p, &row, &form, &words));
  assert_int_equal(form.vector, 2);
  struct mxi_fused_region bias = {.ndim = 2, .shape = {30, 24}, .strides = {{24, 1}, {0, 1}, {24, 1}}};
  assert_true(mxi_cuda_form_of(&p, &bias, &form, &words));
  assert_int_equal(form.vector, 8);
  assert_int_equal(form.kind[0], MXI_OPERAND_LINE);
  assert_int_equal(form.kind[1], MXI_OPERAND_UNIT);
  bias.shape[1] = 20; // rows that vectors of 8 don't divide
  bias.strides[0][0] = bias.strides[2][0] = 20;
  assert_true(mxi_cuda_form_of(&p, &bias, &form, &words));
  assert_int_equal(form.vector, 4);
  struct mxi_fused_region huge = {.ndim = 1, .shape = {INT64_C(1) << 33}, .strides = {{1}, {1}, {1}}};
  assert_true(mxi_cuda_form_of(&p, &huge, &form, &words));
  assert_int_equal(form.wide, 1);
}

/* ---- Arrays ---- */
mx_array mx_rint(mx_array a); /* the library's own */
static const struct {
  int arity;
  void (*function)(void);
} op_functions[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) {arity, (void (*)(void))mx_##name},
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};
static mx_array apply(const struct mxi_instruction *in, const mx_array *values) {
  void (*f)(void) = op_functions[in->op].function;
  mx_array a = values[in->src[0]], b = values[in->src[1]];
  if (in->op == MXI_ASTYPE) return mx_astype(a, (mx_dtype)in->to);
  if (op_functions[in->op].arity == 3) return mx_where(a, b, values[in->src[2]]);
  return op_functions[in->op].arity == 1 ? ((mx_array(*)(mx_array))f)(a)
                                         : ((mx_array(*)(mx_array, mx_array))f)(a, b);
}

/* Inputs of one shape: in a row, transposed, a part of a larger array, along the last axis alone, one
 * element. */
static mx_array draw_input(int type, int rows, int columns) {
  enum { MOST = 100 * 100 };
  static char bytes[MOST * 8];
  int kind = draw(6), padded = kind == 2 ? columns + 3 : columns;
  fill(bytes, type, rows * padded);
  mx_dtype t = (mx_dtype)type;
  switch (kind) {
  case 0: return mx_transpose(mx_array_from(bytes, MX_SHAPE(columns, rows), t), MX_ALL_AXES);
  case 1: return mx_array_from(bytes, MX_SHAPE(columns), t);
  case 2:
    return mx_slice(mx_array_from(bytes, MX_SHAPE(rows, padded), t), MX_SHAPE(0, 1),
                    MX_SHAPE(rows, columns + 1), MX_SHAPE(1, 1));
  case 3: return mx_array_from(bytes, MX_SHAPE(1), t);
  default: return mx_array_from(bytes, MX_SHAPE(rows, columns), t);
  }
}
/* Do the ops take it? Some refuse what their kernels could do. */
static bool is_taken(const struct mxi_program *p, const mx_array *inputs) {
  mx_array values[MXI_MAX_VALUES];
  for (int i = 0; i < p->ninputs; i++) values[i] = inputs[i];
  for (int k = 0; k < p->ninstructions; k++)
    if (!mx_ok(values[p->ninputs + k] = apply(&p->instructions[k], values))) return false;
  return true;
}
/* Makes the program's outputs of the inputs anew, and copies their bytes. */
static int run_program(const struct mxi_program *p, const mx_array *inputs, char **bytes, size_t *nbytes) {
  mx_array values[MXI_MAX_VALUES], outputs[MXI_MAX_OPERANDS];
  for (int i = 0; i < p->ninputs; i++) values[i] = inputs[i];
  for (int k = 0; k < p->ninstructions; k++) values[p->ninputs + k] = apply(&p->instructions[k], values);
  for (int o = 0; o < p->noutputs; o++) outputs[o] = values[p->output_value[o]];
  if (mx_eval_all(p->noutputs, outputs) < 0) return -1;
  for (int o = 0; o < p->noutputs; o++) {
    mx_array row = mx_contiguous(outputs[o], false);
    if (mx_eval(row) < 0 || !mx_data(row)) return -1;
    bytes[o] = mxi_malloc(nbytes[o] = mx_nbytes(row));
    memcpy(bytes[o], mx_data(row), nbytes[o]);
  }
  return 0;
}

static void kernels_compute_what_the_interpreter_computes(void **state) {
  struct mxi_compiler_counts before = mxi_compiler_counts();
  for (int i = 0; i < PROGRAMS; i++) {
    struct mxi_program p;
    mx_array inputs[MXI_MAX_OPERANDS];
    char *first[MXI_MAX_OPERANDS], *later[MXI_MAX_OPERANDS];
    size_t nbytes[MXI_MAX_OPERANDS];
    int rows = 1 + draw(40), columns = draw(2) ? 8 * (1 + draw(10)) : 1 + draw(90);
    do {
      draw_program(&p, INSTRUCTIONS);
      for (int k = 0; k < p.ninputs; k++) inputs[k] = draw_input(p.input_type[k], rows, columns);
    } while (!is_taken(&p, inputs));
    mx_error_clear();
    if (run_program(&p, inputs, first, nbytes) < 0) fail_msg("%s", mx_error());
    for (int run = 0; run < 3; run++) { // on the interpreter until it is worth a kernel
      mxi_compiler_wait();
      if (run_program(&p, inputs, later, nbytes) < 0) fail_msg("%s", mx_error());
      for (int o = 0; o < p.noutputs; o++) {
        if (memcmp(first[o], later[o], nbytes[o]))
          fail_msg("expected the same bits in run %d of program %d", run, i);
        mxi_free(later[o]);
      }
    }
    for (int o = 0; o < p.noutputs; o++) mxi_free(first[o]);
    mx_scope_drain();
  }
  struct mxi_compiler_counts after = mxi_compiler_counts();
  assert_int_equal(after.failed, before.failed);
  assert_true(after.compiled >= before.compiled + PROGRAMS / 2);
}

/* Evaluates what f makes, by the interpreter first, and then by kernels: always the same bits, but for NaN's.
   How many kernels were compiled.
 */
static int has_the_same_bits_by_kernels(mx_array (*f)(void *), void *with,
                                        bool (*is_nan)(const void *, int64_t)) {
  struct mxi_compiler_counts before = mxi_compiler_counts();
  char *first = NULL;
  for (int run = 0; run < 4; run++) {
    mx_array r = f(with);
    if (mx_eval(r) < 0 || !mx_data(r)) fail_msg("%s", mx_error());
    size_t size = mx_nbytes(r) / (size_t)mx_size(r);
    if (!first) memcpy(first = mxi_malloc(mx_nbytes(r)), mx_data(r), mx_nbytes(r));
    for (int64_t i = 0; i < mx_size(r); i++) {
      const char *now = (const char *)mx_data(r) + (size_t)i * size;
      bool same =
          is_nan && is_nan(first, i) ? is_nan(mx_data(r), i) : !memcmp(first + (size_t)i * size, now, size);
      if (!same) fail_msg("expected the same bits in run %d of element %lld", run, (long long)i);
    }
    mxi_compiler_wait();
  }
  mxi_free(first);
  struct mxi_compiler_counts after = mxi_compiler_counts();
  assert_int_equal(after.failed, before.failed);
  return (int)(after.compiled - before.compiled);
}

/* ---- Halves ---- */
static bool is_bfloat16_nan(const void *x, int64_t i) { return (((const uint16_t *)x)[i] & 0x7fff) > 0x7f80; }
static bool is_float16_nan(const void *x, int64_t i) { return (((const uint16_t *)x)[i] & 0x7fff) > 0x7c00; }
struct of_half {
  mx_array (*function)(mx_array);
  mx_array x;
};
static mx_array of_half_program(void *with) {
  struct of_half *h = with;
  return mx_negative(h->function(h->x));
}
static mx_array sum_of_half(mx_array x) { return mx_add(x, mx_flip(x, MX_ALL_AXES)); }
static mx_array difference_of_half(mx_array x) { return mx_subtract(x, mx_flip(x, MX_ALL_AXES)); }
static mx_array product_of_half(mx_array x) { return mx_multiply(x, mx_flip(x, MX_ALL_AXES)); }
static mx_array choice_of_half(mx_array x) { return mx_where(mx_less(x, mx_square(x)), x, mx_abs(x)); }
static void every_half_has_its_bits_in_pairs(void **state) {
  static mx_array (*const functions[])(mx_array) = {
      mx_exp, mx_sigmoid, mx_tanh, mx_erf, sum_of_half, difference_of_half, product_of_half, choice_of_half};
  static uint16_t bits[1 << 16];
  for (int i = 0; i < 1 << 16; i++) bits[i] = (uint16_t)i;
  for (int t = 0; t < 2; t++)
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
      struct of_half h = {functions[i], mx_array_from(bits, MX_SHAPE(1 << 16), t ? MX_BFLOAT16 : MX_FLOAT16)};
      assert_int_equal(
          has_the_same_bits_by_kernels(of_half_program, &h, t ? is_bfloat16_nan : is_float16_nan), 1);
    }
}

/* ---- Reductions ---- */
struct reduced {
  mx_array x, mean;
  int axis, op;
};
static mx_array reduce_program(void *with) {
  struct reduced *r = with;
  mx_array y = mx_square(mx_subtract(r->x, r->mean));
  mx_ints axes = r->axis < 0 ? MX_ALL_AXES : MX_AXES(r->axis);
  return r->op == 0   ? mx_sum(y, axes, false)
         : r->op == 1 ? mx_max(y, axes, false)
                      : mx_any(mx_greater(y, mx_astype(mx_float(5), mx_dtype_of(y))), axes, false);
}
static void reductions_of_programs_have_the_bits_of_stored_values(void **state) {
  static const int shapes[][2] = {{5, 64}, {3, 2400}, {1, 40000}, {2, 40000}, {7, 33}};
  static const mx_dtype dtypes[] = {MX_FLOAT32, MX_BFLOAT16, MX_FLOAT16, MX_INT32, MX_FLOAT64};
  static char bytes[80000 * 8];
  int compiled = 0;
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes * 15; i++) {
    const int *shape = shapes[i % 5];
    mx_dtype t = dtypes[i / 5 % 5];
    for (int k = 0; k < shape[0] * shape[1]; k++)
      mxi_scalar_store(bytes + (size_t)k * mx_dtype_size(t), t, (draw(2000) - 1000) / 128.0, 0);
    struct reduced r = {.x = mx_array_from(bytes, MX_SHAPE(shape[0], shape[1]), t),
                        .mean = mx_array_from(bytes, MX_SHAPE(shape[0], 1), t),
                        .axis = i % 2 ? 1 : -1,
                        .op = (int)(i / 25)};
    mx_array mean = mx_add(r.mean, r.mean);
    assert_int_equal(mx_eval(mean), 0);
    r.mean = mean;
    compiled += has_the_same_bits_by_kernels(reduce_program, &r, NULL);
    mx_scope_drain();
  }
  assert_true(compiled >= 15); // of each dtype and op
}

/* ---- The folder ---- */
static int second_process(void) {
  float values[100] = {0};
  mx_array a = mx_array_from(values, MX_SHAPE(100), MX_FLOAT32);
  if (mx_eval(mx_exp(mx_add(a, a))) < 0) return 1;
  mxi_compiler_wait();
  struct mxi_compiler_counts counts = mxi_compiler_counts();
  return counts.found == 1 && counts.compiled == 0 ? 0 : 2;
}
static char *program_path;
static void kept_kernels_are_found_at_the_first_run(void **state) {
  float values[100] = {0};
  mx_array a = mx_array_from(values, MX_SHAPE(100), MX_FLOAT32);
  struct mxi_compiler_counts before = mxi_compiler_counts();
  for (int run = 0; run < 3; run++) {
    assert_int_equal(mx_eval(mx_exp(mx_add(a, a))), 0);
    mxi_compiler_wait();
  }
  struct mxi_compiler_counts after = mxi_compiler_counts();
  assert_int_equal(after.compiled - before.compiled, 1);
  pid_t child = fork();
  if (!child) {
    execl("/proc/self/exe", program_path, "second", NULL);
    _exit(127);
  }
  int status;
  waitpid(child, &status, 0);
  assert_int_equal(status, 0);
}

static char folder[] = "/tmp/test_compiled_XXXXXX";
static int remove_folder(void **state) {
  char command[64];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

int main(int argc, char **argv) {
  enum { SKIPPED = 77 };
  program_path = argv[0];
  if (argc > 1) {
    mx_scope s = mx_scope_open();
    int result = second_process();
    mx_scope_close(&s);
    return result;
  }
  if (!mkdtemp(folder) || setenv("MLX_CUDA_CACHE", folder, 1) < 0 ||
      setenv("MLX_CUDA_COMPILE", "later", 1) < 0)
    return 1;
  if (mxi_cuda_enter() < 0) return printf("%s\n", mx_error()), SKIPPED;
#define IN_SCOPE(f) cmocka_unit_test_setup_teardown(f, open_scope, close_scope)
  const struct CMUnitTest tests[] = {IN_SCOPE(vectors_are_of_16_bytes_where_operands_allow),
                                     IN_SCOPE(every_form_computes_what_the_plainest_computes),
                                     IN_SCOPE(kernels_compute_what_the_interpreter_computes),
                                     IN_SCOPE(every_half_has_its_bits_in_pairs),
                                     IN_SCOPE(reductions_of_programs_have_the_bits_of_stored_values),
                                     IN_SCOPE(kept_kernels_are_found_at_the_first_run)};
  return cmocka_run_group_tests(tests, NULL, remove_folder);
}
