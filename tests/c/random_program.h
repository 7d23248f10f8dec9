/* Random programs of elementwise instructions (engine/program.h), of all ops and dtypes, and regions of all
   forms that their kernels have. */
#ifndef RANDOM_PROGRAM_H
#define RANDOM_PROGRAM_H
#include "core/dtype.h"
#include "core/node.h"
#include "cuda/codegen.h"
#include <string.h>

static uint64_t drawing_state = 1;
static int draw(int n) { /* 0 .. n - 1 */
  drawing_state = drawing_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (int)((drawing_state >> 33) % (uint64_t)n);
}

enum dtype_rule { SAME, FLOAT, REAL, COMPARE, LOGIC, BITS, TEST, PART, CAST, SELECT };
static const struct {
  int arity, rule;
} program_ops[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) {arity, rule},
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};
enum { PROGRAM_OPS = sizeof program_ops / sizeof *program_ops };

static bool op_takes(int op, int type) {
  if (type == MX_COMPLEX64 &&
      (op == MXI_REMAINDER || op == MXI_FLOOR_DIVIDE || op == MXI_FLOOR || op == MXI_CEIL || op == MXI_TRUNC))
    return false;
  switch (program_ops[op].rule) {
  case FLOAT: return mxi_is_inexact((mx_dtype)type);
  case REAL: return mxi_is_float((mx_dtype)type);
  case BITS: return !mxi_is_inexact((mx_dtype)type);
  case LOGIC: return type == MX_BOOL;
  default: return true;
  }
}
static int op_result(int op, int type) {
  switch (program_ops[op].rule) {
  case COMPARE:
  case LOGIC:
  case TEST: return MX_BOOL;
  case PART: return type == MX_COMPLEX64 ? MX_FLOAT32 : type;
  case CAST: return draw(MX_DTYPE_COUNT);
  default: return type;
  }
}

/* A value of the type among the first n, or -1. */
static int draw_value(const uint8_t *types, int n, int type) {
  int start = draw(n);
  for (int i = 0; i < n; i++)
    if (types[(start + i) % n] == type) return (start + i) % n;
  return -1;
}

static void add_instruction(struct mxi_program *p, uint8_t *types) {
  int n = p->ninputs + p->ninstructions;
  for (;;) {
    int op = draw(PROGRAM_OPS), v = draw(2) ? n - 1 : draw(n), type = types[v];
    if (!op_takes(op, type)) continue;
    struct mxi_instruction in = {
        .op = (uint8_t)op, .type = (uint8_t)type, .to = (uint8_t)op_result(op, type)};
    in.src[0] = (uint8_t)v;
    in.src[1] = (uint8_t)draw_value(types, n, type);
    if (program_ops[op].rule == SELECT) {
      int condition = draw_value(types, n, MX_BOOL);
      if (condition < 0) continue;
      in.src[0] = (uint8_t)condition;
      in.src[2] = (uint8_t)v;
    }
    types[n] = in.to;
    p->instructions[p->ninstructions++] = in;
    return;
  }
}

static void draw_program(struct mxi_program *p, int most_instructions) {
  static const uint8_t usual[] = {MX_FLOAT32, MX_BFLOAT16, MX_FLOAT16, MX_BOOL,
                                  MX_INT32,   MX_FLOAT32,  MX_BFLOAT16};
  uint8_t types[MXI_MAX_VALUES];
  memset(p, 0, sizeof *p);
  p->ninputs = 1 + draw(5);
  for (int i = 0; i < p->ninputs; i++)
    p->input_type[i] = types[i] = (uint8_t)(draw(3) ? usual[draw((int)sizeof usual)] : draw(MX_DTYPE_COUNT));
  for (int n = 1 + draw(most_instructions); n--;) add_instruction(p, types);
  int outputs = p->ninstructions < 3 ? 1 : 1 + draw(3);
  for (int o = 0; o < outputs; o++) { // the last instruction, and others
    int value = p->ninputs + (o ? draw(p->ninstructions) : p->ninstructions - 1);
    p->output_value[o] = (uint8_t)value;
    p->output_type[o] = types[value];
  }
  p->noutputs = outputs;
}

/* Strides in elements of an operand that is row-major, but for dims that repeat, spaces, and gaps. */
static void draw_strides(struct mxi_fused_region *r, int k, bool input) {
  int64_t stride = 1;
  int gap = draw(4) ? 1 : 1 + draw(4);
  for (int d = r->ndim - 1; d >= 0; d--) {
    r->strides[k][d] = stride * (draw(6) ? 1 : gap);
    stride = r->strides[k][d] * r->shape[d] + (draw(6) ? 0 : draw(3) * 16);
    if (input && !draw(3)) r->strides[k][d] = 0;
  }
}
/* A region that its operands fill from address 0, which is where the caller puts them. */
static void draw_region(const struct mxi_program *p, struct mxi_fused_region *r, bool contiguous) {
  memset(r, 0, sizeof *r);
  r->ndim = contiguous ? 1 : 1 + draw(4);
  for (int d = 0; d < r->ndim; d++) r->shape[d] = draw(3) ? 1 + draw(9) : 8 * (1 + draw(3));
  if (contiguous) r->shape[0] = 1 + draw(5000);
  for (int k = 0; k < p->ninputs + p->noutputs; k++) {
    bool input = k < p->ninputs;
    if (contiguous)
      r->strides[k][0] = input && !draw(4) ? 0 : 1;
    else
      draw_strides(r, k, input);
    if (input && !draw(5)) {
      r->by_value[k] = true;
      memset(r->strides[k], 0, sizeof r->strides[k]);
    }
  }
}
#endif
