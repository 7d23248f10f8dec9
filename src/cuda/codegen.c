#include "cuda/codegen.h"
#include "core/dtype.h"
#include "core/node.h"
#include "base/text.h"
#include <string.h>

/* ---- Types ---- */
/* How an element lies in memory. Halves are computed with as floats on the half's grid. */
static const char *const stored_types[MX_DTYPE_COUNT] = {
    [MX_BOOL] = "bool",       [MX_UINT8] = "uint8_t",     [MX_UINT16] = "uint16_t",
    [MX_UINT32] = "uint32_t", [MX_UINT64] = "uint64_t",   [MX_INT8] = "int8_t",
    [MX_INT16] = "int16_t",   [MX_INT32] = "int32_t",     [MX_INT64] = "int64_t",
    [MX_FLOAT16] = "mxi_f16", [MX_BFLOAT16] = "mxi_bf16", [MX_FLOAT32] = "float",
    [MX_FLOAT64] = "double",  [MX_COMPLEX64] = "mxi_c64",
};
static const char *const op_names[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) #name,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};

static mx_dtype operand_type(const struct mxi_program *p, int k) {
  return (mx_dtype)(k < p->ninputs ? p->input_type[k] : p->output_type[k - p->ninputs]);
}
static const char *stored(const struct mxi_program *p, int k) { return stored_types[operand_type(p, k)]; }
static bool is_constant(const struct mxi_cuda_form *f, int k) { return f->kind[k] <= MXI_OPERAND_ONE; }

/* ---- How much a thread takes ---- */
/* How long an instruction's code is, by its op's rule. */
enum {
  SAME = 1,
  COMPARE = 1,
  LOGIC = 1,
  BITS = 1,
  TEST = 1,
  PART = 1,
  SELECT = 1,
  CAST = 2,
  FLOAT = 8,
  REAL = 8
};
static const uint8_t code_lengths[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) rule,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};
static int code_length(const struct mxi_program *p) {
  int length = 0;
  for (int i = 0; i < p->ninstructions; i++) {
    const struct mxi_instruction *in = &p->instructions[i];
    bool wide = in->type == MX_FLOAT64 || in->type == MX_COMPLEX64;
    length += code_lengths[in->op] * (wide ? 4 : 1);
  }
  return length;
}

int mxi_form_unroll(const struct mxi_program *p, const struct mxi_cuda_form *f) {
  enum { BYTES_IN_FLIGHT = 64, MOST_CODE = 256 }; // of loads; of copies of the instructions
  int bytes = 0, length = code_length(p), unroll = 4;
  for (int k = 0; k < p->ninputs; k++)
    if (!is_constant(f, k))
      bytes += (f->kind[k] == MXI_OPERAND_REPEAT ? 1 : f->vector) * (int)mx_dtype_size(operand_type(p, k));
  while (unroll > 1 && (unroll * bytes > BYTES_IN_FLIGHT || unroll * f->vector * length > MOST_CODE))
    unroll /= 2;
  return unroll;
}

/* ---- One element, or two ---- */
static bool is_half(int type) { return mxi_is_half((mx_dtype)type); }

/* Programs of halves go by two neighbours where threads take vectors. */
static bool goes_by_two(const struct mxi_program *p, const struct mxi_cuda_form *f) {
  bool halves = false;
  for (int k = 0; k < p->ninputs; k++) halves |= is_half(p->input_type[k]);
  for (int i = 0; i < p->ninstructions; i++) halves |= is_half(p->instructions[i].to);
  return halves && f->vector > 1;
}

/* Ops that a pair of halves has whole, and the functions that are shorter for some halves. */
static bool is_of_pairs(const struct mxi_instruction *in) {
  switch (in->op) {
  case MXI_ABS:
  case MXI_NEGATIVE:
  case MXI_SQUARE:
  case MXI_ADD:
  case MXI_SUBTRACT:
  case MXI_MULTIPLY:
  case MXI_SELECT: return is_half(in->type);
  default: return false;
  }
}
static bool is_for_half(const struct mxi_instruction *in) {
  bool has = in->op == MXI_EXP || in->op == MXI_SIGMOID || in->op == MXI_TANH || in->op == MXI_ERF;
  return has && is_half(in->to);
}

/* The op on values as they are computed with, the `part` of each; for casts to halves from others, which
   round in a way of their own, as stored. */
static void print_op(struct mxi_string *t, const struct mxi_instruction *in, const char *part) {
  const char *to = stored_types[in->to];
  if (in->op == MXI_ASTYPE) {
    mxi_string_print(t, "mxi_cast<%s>(v%d%s)", to, in->src[0], part);
    return;
  }
  if (is_for_half(in))
    mxi_string_print(t, "mxi_functions_for<%s>::%s(", to, op_names[in->op]);
  else
    mxi_string_print(t, "mxi_e_%s(", op_names[in->op]);
  for (int k = 0; k < mxi_arity(in->op); k++) mxi_string_print(t, "%sv%d%s", k ? ", " : "", in->src[k], part);
  mxi_string_print(t, ")");
}

/* Half results are rounded: h is the value as stored, v as the next instructions take it. */
static void print_instruction(struct mxi_string *t, const struct mxi_instruction *in, int value) {
  mxi_string_print(t, "  const %s %c%d = ", stored_types[in->to], is_half(in->to) ? 'h' : 'v', value);
  bool rounds = is_half(in->to) && in->op != MXI_ASTYPE;
  if (rounds) mxi_string_print(t, "mxi_of_float<%s>(", stored_types[in->to]);
  print_op(t, in, "");
  mxi_string_print(t, rounds ? ");\n" : ";\n");
  if (is_half(in->to)) mxi_string_print(t, "  const float v%d = mxi_to_float(h%d);\n", value, value);
}

/* The same of two elements, which a value rounds together if it is one of halves. */
static void print_instruction_by_two(struct mxi_string *t, const struct mxi_instruction *in, int value) {
  mxi_string_print(t, "  const mxi_two<%s> v%d = ", stored_types[in->to], value);
  if (is_of_pairs(in)) {
    mxi_string_print(t, "mxi_pair_%s(", op_names[in->op]);
    for (int k = 0; k < mxi_arity(in->op); k++) mxi_string_print(t, "%sv%d", k ? ", " : "", in->src[k]);
    mxi_string_print(t, ");\n");
    return;
  }
  mxi_string_print(t, "mxi_two<%s>::of(", stored_types[in->to]);
  if (in->op == MXI_ASTYPE && is_half(in->to) && (is_half(in->type) || in->type == MX_FLOAT32)) {
    mxi_string_print(t, "v%d.first(), v%d.second());\n", in->src[0], in->src[0]);
    return;
  }
  print_op(t, in, ".first()");
  mxi_string_print(t, ", ");
  print_op(t, in, ".second()");
  mxi_string_print(t, ");\n");
}

/* A function of the inputs as stored, by value, and the outputs, by reference. */
static void print_element(struct mxi_string *t, const struct mxi_program *p) {
  mxi_string_print(t, "MXI_DEVICE void element(");
  for (int k = 0; k < p->ninputs; k++)
    mxi_string_print(t, "%sconst %s %c%d", k ? ", " : "", stored(p, k), is_half(p->input_type[k]) ? 'h' : 'v',
                     k);
  for (int o = 0; o < p->noutputs; o++)
    mxi_string_print(t, "%s%s &y%d", o + p->ninputs ? ", " : "", stored(p, p->ninputs + o), o);
  mxi_string_print(t, ") {\n");
  for (int k = 0; k < p->ninputs; k++)
    if (is_half(p->input_type[k])) mxi_string_print(t, "  const float v%d = mxi_to_float(h%d);\n", k, k);
  for (int i = 0; i < p->ninstructions; i++) print_instruction(t, &p->instructions[i], p->ninputs + i);
  for (int o = 0; o < p->noutputs; o++)
    mxi_string_print(t, "  y%d = %c%d;\n", o, is_half(p->output_type[o]) ? 'h' : 'v', p->output_value[o]);
  mxi_string_print(t, "}\n");
}
static void print_elements_by_two(struct mxi_string *t, const struct mxi_program *p) {
  mxi_string_print(t, "MXI_DEVICE void elements(");
  for (int k = 0; k < p->ninputs; k++)
    mxi_string_print(t, "%sconst mxi_two<%s> &v%d", k ? ", " : "", stored(p, k), k);
  for (int o = 0; o < p->noutputs; o++)
    mxi_string_print(t, "%smxi_two<%s> &y%d", o + p->ninputs ? ", " : "", stored(p, p->ninputs + o), o);
  mxi_string_print(t, ") {\n");
  for (int i = 0; i < p->ninstructions; i++) print_instruction_by_two(t, &p->instructions[i], p->ninputs + i);
  for (int o = 0; o < p->noutputs; o++) mxi_string_print(t, "  y%d = v%d;\n", o, p->output_value[o]);
  mxi_string_print(t, "}\n");
}

/* ---- The kernel ---- */
struct kernel {
  const struct mxi_program *p;
  const struct mxi_cuda_form *f;
  int unroll, first_divisor, first_stride[MXI_CODEGEN_OPERANDS], nwords;
};
enum { WORD_VECTORS, WORD_SIZE, WORD_OPERANDS };

/* The words as form.c puts them. */
static struct kernel lay_out(const struct mxi_program *p, const struct mxi_cuda_form *f) {
  struct kernel k = {.p = p, .f = f, .unroll = mxi_form_unroll(p, f)};
  int noperands = p->ninputs + p->noutputs;
  k.first_divisor = WORD_OPERANDS + noperands;
  k.nwords = k.first_divisor + (f->ndim - 1) * (f->wide ? 1 : 2);
  for (int i = 0; i < noperands; i++) {
    k.first_stride[i] = k.nwords;
    k.nwords += mxi_form_strides(f, i);
  }
  return k;
}

static void print_operands(struct mxi_string *t, const struct kernel *k) {
  for (int i = 0; i < k->p->ninputs + k->p->noutputs; i++) {
    bool output = i >= k->p->ninputs;
    int word = WORD_OPERANDS + i;
    const char *type = stored(k->p, i);
    if (k->f->kind[i] == MXI_OPERAND_VALUE)
      mxi_string_print(t, "  const %s x%d = mxi_scalar<%s>(p.words[%d]);\n", type, i, type, word);
    else if (k->f->kind[i] == MXI_OPERAND_ONE)
      mxi_string_print(t, "  const %s x%d = *(const %s *)p.words[%d];\n", type, i, type, word);
    else
      mxi_string_print(t, "  %s%s *a%d = (%s%s *)p.words[%d];\n", output ? "" : "const ", type, i,
                       output ? "" : "const ", type, word);
  }
}

/* Arrays of what a thread has of each operand. */
static void print_arrays(struct mxi_string *t, const struct kernel *k) {
  for (int i = 0; i < k->p->ninputs + k->p->noutputs; i++) {
    if (is_constant(k->f, i)) continue;
    int n = k->f->kind[i] == MXI_OPERAND_REPEAT ? 1 : k->f->vector;
    if (i < k->p->ninputs)
      mxi_string_print(t, "  mxi_elements<%s, %d> x%d[%d];\n", stored(k->p, i), n, i, k->unroll);
    else if (k->f->kind[i] != MXI_OPERAND_LINE)
      mxi_string_print(t, "  index o%d[%d];\n", i, k->unroll);
  }
}

/* The indices along the dims: those along the last in vectors. */
static void print_indices(struct mxi_string *t, const struct kernel *k) {
  int word = k->first_divisor, ndim = k->f->ndim;
  bool used = false;
  for (int i = 0; i < k->p->ninputs + k->p->noutputs; i++) used |= k->f->kind[i] > MXI_OPERAND_LINE;
  if (used) mxi_string_print(t, "    index i0 = i;\n");
  for (int d = ndim - 1; d > 0; d--) {
    if (k->f->wide)
      mxi_string_print(t, "    const index i%d = mxi_take_index(i0, p.words[%d]);\n", d, word);
    else
      mxi_string_print(t, "    const index i%d = mxi_take_index(i0, p.words[%d], p.words[%d]);\n", d, word,
                       word + 1);
    word += k->f->wide ? 1 : 2;
  }
}

/* The operand's offset for the vector. */
static void print_offset(struct mxi_string *t, const struct kernel *k, int operand) {
  int kind = k->f->kind[operand], last = k->f->ndim - 1, vector = k->f->vector;
  if (kind == MXI_OPERAND_LINE) {
    mxi_string_print(t, "i * %d", vector);
    return;
  }
  const char *plus = "";
  for (int d = 0; d < mxi_form_strides(k->f, operand); d++, plus = " + ") {
    mxi_string_print(t, "%si%d * (index)p.words[%d]", plus, d, k->first_stride[operand] + d);
    if (d == last) mxi_string_print(t, " * %d", vector);
  }
  if (kind == MXI_OPERAND_UNIT) mxi_string_print(t, "%si%d * %d", plus, last, vector);
}
/* The stride of the last dim. */
static void print_last_stride(struct mxi_string *t, const struct kernel *k, int operand) {
  mxi_string_print(t, "(index)p.words[%d]", k->first_stride[operand] + k->f->ndim - 1);
}

/* Reads all vectors of the thread: those beyond the end are the last one instead, so that nothing branches.
 */
static void print_loads(struct mxi_string *t, const struct kernel *k) {
  mxi_string_print(t, "#pragma unroll\n  for (int u = 0; u < %d; u++) {\n", k->unroll);
  mxi_string_print(t, "    const index at = first + u * %d, i = at < n ? at : n - 1;\n", MXI_CODEGEN_THREADS);
  print_indices(t, k);
  for (int i = 0; i < k->p->ninputs + k->p->noutputs; i++) {
    int kind = k->f->kind[i];
    if (is_constant(k->f, i) || (i >= k->p->ninputs && kind == MXI_OPERAND_LINE)) continue;
    if (i >= k->p->ninputs) {
      mxi_string_print(t, "    o%d[u] = ", i);
      print_offset(t, k, i);
      mxi_string_print(t, ";\n");
      continue;
    }
    if (kind == MXI_OPERAND_STRIDED) {
      mxi_string_print(t, "    x%d[u] = mxi_load_strided<%d>(a%d + (", i, k->f->vector, i);
      print_offset(t, k, i);
      mxi_string_print(t, "), ");
      print_last_stride(t, k, i);
      mxi_string_print(t, ");\n");
    } else {
      mxi_string_print(t, "    x%d[u] = mxi_load<%d>(a%d + (", i,
                       kind == MXI_OPERAND_REPEAT ? 1 : k->f->vector, i);
      print_offset(t, k, i);
      mxi_string_print(t, "));\n");
    }
  }
  mxi_string_print(t, "  }\n");
}

static void print_call(struct mxi_string *t, const struct kernel *k) {
  mxi_string_print(t, "element(");
  for (int i = 0; i < k->p->ninputs; i++)
    mxi_string_print(t,
                     is_constant(k->f, i)                  ? "%sx%d"
                     : k->f->kind[i] == MXI_OPERAND_REPEAT ? "%sx%d[u].v[0]"
                                                           : "%sx%d[u].v[e]",
                     i ? ", " : "", i);
  for (int o = 0; o < k->p->noutputs; o++)
    mxi_string_print(t, "%sy%d.v[e]", o + k->p->ninputs ? ", " : "", o);
  mxi_string_print(t, ");\n");
}
static void print_call_by_two(struct mxi_string *t, const struct kernel *k) {
  for (int o = 0; o < k->p->noutputs; o++)
    mxi_string_print(t, "      mxi_two<%s> z%d;\n", stored(k->p, k->p->ninputs + o), o);
  mxi_string_print(t, "      elements(");
  for (int i = 0; i < k->p->ninputs; i++)
    mxi_string_print(t,
                     is_constant(k->f, i)                  ? "%smxi_twice(x%d)"
                     : k->f->kind[i] == MXI_OPERAND_REPEAT ? "%smxi_twice(x%d[u].v[0])"
                                                           : "%smxi_two_from(x%d[u], e)",
                     i ? ", " : "", i);
  for (int o = 0; o < k->p->noutputs; o++) mxi_string_print(t, "%sz%d", o + k->p->ninputs ? ", " : "", o);
  mxi_string_print(t, ");\n");
  for (int o = 0; o < k->p->noutputs; o++) mxi_string_print(t, "      mxi_two_to(y%d, e, z%d);\n", o, o);
}

/* All of the vector's elements, from x to y. */
static void print_elements(struct mxi_string *t, const struct kernel *k) {
  bool by_two = goes_by_two(k->p, k->f);
  mxi_string_print(t, "#pragma unroll\n    for (int e = 0; e < %d; e += %d) {\n", k->f->vector,
                   by_two ? 2 : 1);
  if (by_two)
    print_call_by_two(t, k);
  else
    print_call(t, k);
  mxi_string_print(t, "    }\n");
}

static void print_stores(struct mxi_string *t, const struct kernel *k) {
  mxi_string_print(t, "#pragma unroll\n  for (int u = 0; u < %d; u++) {\n", k->unroll);
  mxi_string_print(t, "    const index i = first + u * %d;\n    if (i >= n) continue;\n",
                   MXI_CODEGEN_THREADS);
  for (int o = 0; o < k->p->noutputs; o++)
    mxi_string_print(t, "    mxi_elements<%s, %d> y%d;\n", stored(k->p, k->p->ninputs + o), k->f->vector, o);
  print_elements(t, k);
  for (int o = 0; o < k->p->noutputs; o++) {
    int i = k->p->ninputs + o, kind = k->f->kind[i];
    if (kind == MXI_OPERAND_LINE)
      mxi_string_print(t, "    mxi_store(a%d + i * %d, y%d);\n", i, k->f->vector, o);
    else if (kind == MXI_OPERAND_UNIT)
      mxi_string_print(t, "    mxi_store(a%d + o%d[u], y%d);\n", i, i, o);
    else {
      mxi_string_print(t, "    mxi_store_strided(a%d + o%d[u], ", i, i);
      print_last_stride(t, k, i);
      mxi_string_print(t, ", y%d);\n", o);
    }
  }
  mxi_string_print(t, "  }\n");
}

/* What is left of a line after its vectors: one element for each of the last block's first threads. */
static void print_rest(struct mxi_string *t, const struct kernel *k) {
  if (k->f->ndim > 1 || k->f->vector == 1) return;
  mxi_string_print(t, "  const index rest = n * %d + threadIdx.x;\n", k->f->vector);
  mxi_string_print(t, "  if (blockIdx.x == gridDim.x - 1 && rest < (index)p.words[%d])\n    element(",
                   WORD_SIZE);
  for (int i = 0; i < k->p->ninputs; i++)
    mxi_string_print(t, is_constant(k->f, i) ? "%sx%d" : "%sa%d[rest]", i ? ", " : "", i);
  for (int o = 0; o < k->p->noutputs; o++)
    mxi_string_print(t, "%sa%d[rest]", o + k->p->ninputs ? ", " : "", k->p->ninputs + o);
  mxi_string_print(t, ");\n");
}

char *mxi_cuda_program_source(const struct mxi_program *p, const struct mxi_cuda_form *f, const char *head) {
  struct kernel k = lay_out(p, f);
  struct mxi_string t = {0};
  mxi_string_print(&t, "// %s\n#include \"cuda/kernels/compiled.cuh\"\n", head);
  mxi_string_print(&t, "struct mxi_program_words {\n  uint64_t words[%d];\n};\n", k.nwords);
  print_element(&t, p);
  if (goes_by_two(p, f)) print_elements_by_two(&t, p);
  mxi_string_print(&t, "MXI_KERNEL(" MXI_CODEGEN_KERNEL ", mxi_program_words, %d) {\n", MXI_CODEGEN_THREADS);
  mxi_string_print(&t, "  typedef %s index;\n", f->wide ? "int64_t" : "int");
  mxi_string_print(&t, "  const index n = (index)p.words[%d];\n", WORD_VECTORS);
  mxi_string_print(&t, "  const index first = (index)blockIdx.x * %d + threadIdx.x;\n",
                   k.unroll * MXI_CODEGEN_THREADS);
  print_operands(&t, &k);
  print_arrays(&t, &k);
  print_loads(&t, &k);
  print_stores(&t, &k);
  print_rest(&t, &k);
  mxi_string_print(&t, "}\n");
  return mxi_string_take(&t);
}
