#include "cuda/codegen_parts.h"
#include "core/dtype.h"
#include "core/node.h"

/* ---- Types ---- */
const char *const mxi_codegen_types[MX_DTYPE_COUNT] = {
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

mx_dtype mxi_codegen_type(const struct mxi_program *p, int k) {
  return (mx_dtype)(k < p->ninputs ? p->input_type[k] : p->output_type[k - p->ninputs]);
}
const char *mxi_codegen_stored(const struct mxi_program *p, int k) {
  return mxi_codegen_types[mxi_codegen_type(p, k)];
}

/* ---- One element, or two ---- */
static bool is_half(int type) { return mxi_is_half((mx_dtype)type); }

/* Programs of halves go by two neighbours where threads take vectors. */
bool mxi_codegen_goes_by_two(const struct mxi_program *p, int vector) {
  bool halves = false;
  for (int k = 0; k < p->ninputs; k++) halves |= is_half(p->input_type[k]);
  for (int i = 0; i < p->ninstructions; i++) halves |= is_half(p->instructions[i].to);
  return halves && vector > 1;
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
  const char *to = mxi_codegen_types[in->to];
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
  mxi_string_print(t, "  const %s %c%d = ", mxi_codegen_types[in->to], is_half(in->to) ? 'h' : 'v', value);
  bool rounds = is_half(in->to) && in->op != MXI_ASTYPE;
  if (rounds) mxi_string_print(t, "mxi_of_float<%s>(", mxi_codegen_types[in->to]);
  print_op(t, in, "");
  mxi_string_print(t, rounds ? ");\n" : ";\n");
  if (is_half(in->to)) mxi_string_print(t, "  const float v%d = mxi_to_float(h%d);\n", value, value);
}

/* The same of two elements, which a value rounds together if it is one of halves. */
static void print_instruction_by_two(struct mxi_string *t, const struct mxi_instruction *in, int value) {
  mxi_string_print(t, "  const mxi_two<%s> v%d = ", mxi_codegen_types[in->to], value);
  if (is_of_pairs(in)) {
    mxi_string_print(t, "mxi_pair_%s(", op_names[in->op]);
    for (int k = 0; k < mxi_arity(in->op); k++) mxi_string_print(t, "%sv%d", k ? ", " : "", in->src[k]);
    mxi_string_print(t, ");\n");
    return;
  }
  mxi_string_print(t, "mxi_two<%s>::of(", mxi_codegen_types[in->to]);
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
void mxi_codegen_element(struct mxi_string *t, const struct mxi_program *p) {
  mxi_string_print(t, "MXI_DEVICE void element(");
  for (int k = 0; k < p->ninputs; k++)
    mxi_string_print(t, "%sconst %s %c%d", k ? ", " : "", mxi_codegen_stored(p, k),
                     is_half(p->input_type[k]) ? 'h' : 'v', k);
  for (int o = 0; o < p->noutputs; o++)
    mxi_string_print(t, "%s%s &y%d", o + p->ninputs ? ", " : "", mxi_codegen_stored(p, p->ninputs + o), o);
  mxi_string_print(t, ") {\n");
  for (int k = 0; k < p->ninputs; k++)
    if (is_half(p->input_type[k])) mxi_string_print(t, "  const float v%d = mxi_to_float(h%d);\n", k, k);
  for (int i = 0; i < p->ninstructions; i++) print_instruction(t, &p->instructions[i], p->ninputs + i);
  for (int o = 0; o < p->noutputs; o++)
    mxi_string_print(t, "  y%d = %c%d;\n", o, is_half(p->output_type[o]) ? 'h' : 'v', p->output_value[o]);
  mxi_string_print(t, "}\n");
}
void mxi_codegen_elements_by_two(struct mxi_string *t, const struct mxi_program *p) {
  mxi_string_print(t, "MXI_DEVICE void elements(");
  for (int k = 0; k < p->ninputs; k++)
    mxi_string_print(t, "%sconst mxi_two<%s> &v%d", k ? ", " : "", mxi_codegen_stored(p, k), k);
  for (int o = 0; o < p->noutputs; o++)
    mxi_string_print(t, "%smxi_two<%s> &y%d", o + p->ninputs ? ", " : "",
                     mxi_codegen_stored(p, p->ninputs + o), o);
  mxi_string_print(t, ") {\n");
  for (int i = 0; i < p->ninstructions; i++) print_instruction_by_two(t, &p->instructions[i], p->ninputs + i);
  for (int o = 0; o < p->noutputs; o++) mxi_string_print(t, "  y%d = v%d;\n", o, p->output_value[o]);
  mxi_string_print(t, "}\n");
}
