#include "io/gguf_types.h"

const struct mxi_gguf_value_type mxi_gguf_values[] = {
    {MX_UINT8, MX_META_INT},         {MX_INT8, MX_META_INT},   {MX_UINT16, MX_META_INT},
    {MX_INT16, MX_META_INT},         {MX_UINT32, MX_META_INT}, {MX_INT32, MX_META_INT},
    {MX_FLOAT32, MX_META_DOUBLE},    {MX_BOOL, MX_META_BOOL},  {MX_DTYPE_COUNT, MX_META_STRING},
    {MX_DTYPE_COUNT, MX_META_ARRAY}, {MX_UINT64, MX_META_INT}, {MX_INT64, MX_META_INT},
    {MX_FLOAT64, MX_META_DOUBLE}};
_Static_assert(sizeof mxi_gguf_values / sizeof *mxi_gguf_values == MXI_GGUF_VALUES, "one row a type");

int mxi_gguf_value_number(mx_dtype t) {
  for (int i = 0; i < MXI_GGUF_VALUES; i++)
    if (mxi_gguf_values[i].dtype == t) return i;
  return MXI_GGUF_NONE;
}

static const struct mxi_gguf_tensor_type tensors[] = {{0, "F32", MX_FLOAT32},
                                                      {1, "F16", MX_FLOAT16},
                                                      {2, "Q4_0", MX_DTYPE_COUNT},
                                                      {3, "Q4_1", MX_DTYPE_COUNT},
                                                      {6, "Q5_0", MX_DTYPE_COUNT},
                                                      {7, "Q5_1", MX_DTYPE_COUNT},
                                                      {8, "Q8_0", MX_DTYPE_COUNT},
                                                      {9, "Q8_1", MX_DTYPE_COUNT},
                                                      {10, "Q2_K", MX_DTYPE_COUNT},
                                                      {11, "Q3_K", MX_DTYPE_COUNT},
                                                      {12, "Q4_K", MX_DTYPE_COUNT},
                                                      {13, "Q5_K", MX_DTYPE_COUNT},
                                                      {14, "Q6_K", MX_DTYPE_COUNT},
                                                      {15, "Q8_K", MX_DTYPE_COUNT},
                                                      {16, "IQ2_XXS", MX_DTYPE_COUNT},
                                                      {17, "IQ2_XS", MX_DTYPE_COUNT},
                                                      {18, "IQ3_XXS", MX_DTYPE_COUNT},
                                                      {19, "IQ1_S", MX_DTYPE_COUNT},
                                                      {20, "IQ4_NL", MX_DTYPE_COUNT},
                                                      {21, "IQ3_S", MX_DTYPE_COUNT},
                                                      {22, "IQ2_S", MX_DTYPE_COUNT},
                                                      {23, "IQ4_XS", MX_DTYPE_COUNT},
                                                      {24, "I8", MX_INT8},
                                                      {25, "I16", MX_INT16},
                                                      {26, "I32", MX_INT32},
                                                      {27, "I64", MX_INT64},
                                                      {28, "F64", MX_FLOAT64},
                                                      {29, "IQ1_M", MX_DTYPE_COUNT},
                                                      {30, "BF16", MX_BFLOAT16},
                                                      {34, "TQ1_0", MX_DTYPE_COUNT},
                                                      {35, "TQ2_0", MX_DTYPE_COUNT},
                                                      {39, "MXFP4", MX_DTYPE_COUNT},
                                                      {40, "NVFP4", MX_DTYPE_COUNT}};
enum { TENSORS = sizeof tensors / sizeof *tensors };

const struct mxi_gguf_tensor_type *mxi_gguf_tensor_type(uint32_t number) {
  for (int i = 0; i < TENSORS; i++)
    if (tensors[i].number == number) return &tensors[i];
  return NULL;
}

int mxi_gguf_tensor_number(mx_dtype t) {
  for (int i = 0; i < TENSORS; i++)
    if (tensors[i].dtype == t) return (int)tensors[i].number;
  return MXI_GGUF_NONE;
}
