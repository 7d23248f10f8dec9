/* What the sources of generated kernels are made of: text, types, and the function of an element. */
#ifndef MXI_CUDA_CODEGEN_PARTS_H
#define MXI_CUDA_CODEGEN_PARTS_H
#include "base/text.h"
#include "cuda/codegen.h"

/* How elements lie in memory, by dtype. Halves are computed with as floats on the half's grid. */
extern const char *const mxi_codegen_types[MX_DTYPE_COUNT];
/* Of operand k: inputs first, then outputs. */
mx_dtype mxi_codegen_type(const struct mxi_program *p, int k);
const char *mxi_codegen_stored(const struct mxi_program *p, int k);

/* element(inputs as stored, by value; outputs, by reference) */
void mxi_codegen_element(struct mxi_string *t, const struct mxi_program *p);
/* elements(...): the same of two neighbours, mxi_two<...>, as programs of halves take vectors. */
bool mxi_codegen_goes_by_two(const struct mxi_program *p, int vector);
void mxi_codegen_elements_by_two(struct mxi_string *t, const struct mxi_program *p);

/* The source of a program that ends in a reduction (form->reduce). */
void mxi_codegen_reduction(struct mxi_string *t, const struct mxi_program *p,
                           const struct mxi_cuda_form *form);
#endif
