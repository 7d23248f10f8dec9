#include "ops/custom_source.h"
#include "base/text.h"
#include "core/kernel_code.h"
#include "ops/common.h"
#include <ctype.h>

static const char op[] = "cuda_kernel";

/* As kernels/custom.cuh has them. */
static const char *const element_types[MX_DTYPE_COUNT] = {
    [MX_BOOL] = "bool",       [MX_UINT8] = "uint8_t",           [MX_UINT16] = "uint16_t",
    [MX_UINT32] = "uint32_t", [MX_UINT64] = "uint64_t",         [MX_INT8] = "int8_t",
    [MX_INT16] = "int16_t",   [MX_INT32] = "int32_t",           [MX_INT64] = "int64_t",
    [MX_FLOAT16] = "__half",  [MX_BFLOAT16] = "__nv_bfloat16",  [MX_FLOAT32] = "float",
    [MX_FLOAT64] = "double",  [MX_COMPLEX64] = "mxi_complex64",
};

/* ---- Names ---- */
static int check_name(const char *what, const char *name) {
  bool good = name && *name && !isdigit((unsigned char)*name);
  for (const char *c = good ? name : ""; *c; c++) good &= isalnum((unsigned char)*c) || *c == '_';
  if (good) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a C identifier for the name of %s, got '%.100s'", op,
                  what, name ? name : "nothing");
}

/* The names that the function knows: inputs, outputs, constants. */
static const char *name_at(const mx_cuda_kernel_opts *k, int i) {
  if (i < k->ninputs) return k->input_names[i];
  i -= k->ninputs;
  return i < k->launch.noutputs ? k->output_names[i] : k->constants[i - k->launch.noutputs].name;
}
static int check_names(const mx_cuda_kernel_opts *k) {
  int n = k->ninputs + k->launch.noutputs + k->nconstants;
  MXI_TRY(check_name("the kernel", k->name));
  for (int i = 0; i < n; i++) {
    bool is_input = i < k->ninputs, is_output = !is_input && i < k->ninputs + k->launch.noutputs;
    MXI_TRY(check_name(is_input    ? "an input"
                       : is_output ? "an output"
                                   : "a template argument",
                       name_at(k, i)));
    for (int j = 0; j < i; j++)
      if (!strcmp(name_at(k, i), name_at(k, j)))
        return mxi_fail(
            MX_INVALID_ARGUMENT,
            "[%s] expected different names of inputs, outputs and template arguments, got '%.100s' twice", op,
            name_at(k, i));
  }
  return 0;
}

static int check_constants(const mx_cuda_kernel_opts *k) {
  for (int i = 0; i < k->nconstants; i++) {
    const mx_kernel_constant *c = &k->constants[i];
    if (c->kind > MX_KERNEL_BOOL || (c->kind == MX_KERNEL_TYPE && (unsigned)c->dtype >= MX_DTYPE_COUNT))
      return mxi_fail(MX_INVALID_ARGUMENT,
                      "[%s] expected a dtype, an int or a bool for template argument '%s', got none of them",
                      op, c->name);
  }
  return 0;
}

/* ---- Parameters ---- */
static bool speaks_of(const char *source, const char *name, const char *what) {
  size_t n = strlen(name), m = strlen(what);
  for (const char *at = source; (at = strstr(at, name)); at++)
    if (!strncmp(at + n, what, m)) return true;
  return false;
}
static int uses_of(const mx_cuda_kernel_opts *k, int i) {
  const char *name = k->input_names[i];
  return (speaks_of(k->source, name, "_shape") ? MXI_KERNEL_USES_SHAPE : 0) |
         (speaks_of(k->source, name, "_strides") ? MXI_KERNEL_USES_STRIDES : 0) |
         (speaks_of(k->source, name, "_ndim") ? MXI_KERNEL_USES_NDIM : 0);
}

/* What the kernel gets, in one structure. */
static void print_structure(struct mxi_string *t, const mx_cuda_kernel_opts *k, const mx_array *inputs,
                            const uint8_t *uses) {
  mxi_string_print(t, "struct mxi_custom_parameters {\n");
  for (int i = 0; i < k->ninputs; i++) {
    int n = mxi_kernel_list(inputs[i]->ndim);
    mxi_string_print(t, "  const %s *in%d;\n", element_types[inputs[i]->dtype], i);
    if (uses[i] & MXI_KERNEL_USES_SHAPE) mxi_string_print(t, "  mxi_list<int32_t, %d> shape%d;\n", n, i);
    if (uses[i] & MXI_KERNEL_USES_STRIDES) mxi_string_print(t, "  mxi_list<int64_t, %d> strides%d;\n", n, i);
    if (uses[i] & MXI_KERNEL_USES_NDIM) mxi_string_print(t, "  int32_t ndim%d;\n", i);
  }
  for (int i = 0; i < k->launch.noutputs; i++)
    mxi_string_print(t, "  %s *out%d;\n", element_types[k->launch.output_dtypes[i]], i);
  mxi_string_print(t, "};\n");
}

/* The function of the source, by its parameters' names. */
static void print_function(struct mxi_string *t, const mx_cuda_kernel_opts *k, const mx_array *inputs,
                           const uint8_t *uses) {
  const char *comma = "";
  mxi_string_print(t, "static __device__ __forceinline__ void mxi_custom_function(");
  for (int i = 0; i < k->ninputs; i++, comma = ", ") {
    int n = mxi_kernel_list(inputs[i]->ndim);
    const char *name = k->input_names[i];
    mxi_string_print(t, "%sconst %s *%s", comma, element_types[inputs[i]->dtype], name);
    if (uses[i] & MXI_KERNEL_USES_SHAPE)
      mxi_string_print(t, ", const mxi_list<int32_t, %d> &%s_shape", n, name);
    if (uses[i] & MXI_KERNEL_USES_STRIDES)
      mxi_string_print(t, ", const mxi_list<int64_t, %d> &%s_strides", n, name);
    if (uses[i] & MXI_KERNEL_USES_NDIM) mxi_string_print(t, ", int32_t %s_ndim", name);
  }
  for (int i = 0; i < k->launch.noutputs; i++, comma = ", ")
    mxi_string_print(t, "%s%s *%s", comma, element_types[k->launch.output_dtypes[i]], k->output_names[i]);
  mxi_string_print(t, ") {\n");
}

static void print_constants(struct mxi_string *t, const mx_cuda_kernel_opts *k) {
  for (int i = 0; i < k->nconstants; i++) {
    const mx_kernel_constant *c = &k->constants[i];
    if (c->kind == MX_KERNEL_TYPE)
      mxi_string_print(t, "  using %s = %s;\n", c->name, element_types[c->dtype]);
    else if (c->kind == MX_KERNEL_BOOL)
      mxi_string_print(t, "  constexpr bool %s = %s;\n", c->name, c->value ? "true" : "false");
    else if (c->value == (int32_t)c->value)
      mxi_string_print(t, "  constexpr int %s = (int)%lld;\n", c->name, (long long)c->value);
    else
      mxi_string_print(t, "  constexpr int64_t %s = (int64_t)%lluull;\n", c->name,
                       (unsigned long long)c->value);
  }
}

static void print_call(struct mxi_string *t, const mx_cuda_kernel_opts *k, const uint8_t *uses) {
  const char *comma = "";
  mxi_string_print(t, "  mxi_custom_function(");
  for (int i = 0; i < k->ninputs; i++, comma = ", ") {
    mxi_string_print(t, "%sp.in%d", comma, i);
    if (uses[i] & MXI_KERNEL_USES_SHAPE) mxi_string_print(t, ", p.shape%d", i);
    if (uses[i] & MXI_KERNEL_USES_STRIDES) mxi_string_print(t, ", p.strides%d", i);
    if (uses[i] & MXI_KERNEL_USES_NDIM) mxi_string_print(t, ", p.ndim%d", i);
  }
  for (int i = 0; i < k->launch.noutputs; i++, comma = ", ") mxi_string_print(t, "%sp.out%d", comma, i);
  mxi_string_print(t, ");\n");
}

/* Registers are shared out for blocks of so many threads: few sizes, so that few kernels are compiled. */
static int64_t most_threads(const mx_kernel_launch *l) {
  enum { LEAST = 128 };
  int64_t threads = l->threadgroup[0] * l->threadgroup[1] * l->threadgroup[2], most = LEAST;
  while (most < threads) most *= 2;
  return most;
}

char *mxi_custom_source(const mx_cuda_kernel_opts *k, const mx_array *inputs, uint8_t *uses) {
  struct mxi_string t = {0};
  if (check_names(k) < 0 || check_constants(k) < 0) return NULL;
  for (int i = 0; i < k->ninputs; i++) uses[i] = (uint8_t)uses_of(k, i);
  mxi_string_print(&t, "#include \"cuda/kernels/custom.cuh\"\n");
  if (k->header && *k->header) { /* messages count the user's lines */
    mxi_string_print(&t, "#line 1 \"header of %s\"\n", k->name);
    mxi_string_add(&t, k->header);
    mxi_string_print(&t, "\n");
  }
  print_structure(&t, k, inputs, uses);
  print_function(&t, k, inputs, uses);
  print_constants(&t, k);
  mxi_string_print(&t, "#line 1 \"%s\"\n", k->name);
  mxi_string_add(&t, k->source);
  mxi_string_print(&t, "\n#line 1 \"call of %s\"\n}\n", k->name);
  mxi_string_print(&t, "MXI_KERNEL(" MXI_CUSTOM_ENTRY "%s, mxi_custom_parameters, %lld) {\n", k->name,
                   (long long)most_threads(&k->launch));
  print_call(&t, k, uses);
  mxi_string_print(&t, "}\n");
  return mxi_string_take(&t);
}
