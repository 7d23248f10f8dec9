#include "io/gguf_values.h"

const struct mxi_gguf_value_type mxi_gguf_values[] = {
    {MX_UINT8, MX_META_INT},         {MX_INT8, MX_META_INT},   {MX_UINT16, MX_META_INT},
    {MX_INT16, MX_META_INT},         {MX_UINT32, MX_META_INT}, {MX_INT32, MX_META_INT},
    {MX_FLOAT32, MX_META_DOUBLE},    {MX_BOOL, MX_META_BOOL},  {MX_DTYPE_COUNT, MX_META_STRING},
    {MX_DTYPE_COUNT, MX_META_ARRAY}, {MX_UINT64, MX_META_INT}, {MX_INT64, MX_META_INT},
    {MX_FLOAT64, MX_META_DOUBLE}};
_Static_assert(sizeof mxi_gguf_values / sizeof *mxi_gguf_values == MXI_GGUF_VALUE_TYPES, "one row a type");

int mxi_gguf_value_number(mx_dtype t) {
  for (int i = 0; i < MXI_GGUF_VALUE_TYPES; i++)
    if (mxi_gguf_values[i].dtype == t) return i;
  return -1;
}
