/* Packers of the matrix product, one a dtype; see gemm_kernels.h for the layout. */
#ifndef MXI_CPU_GEMM_PACK_H
#define MXI_CPU_GEMM_PACK_H
#include "cpu/isa.h"
#include <stdint.h>

#define MXI_PACKER(name)                                                                                  \
  void name(void *dst, const void *src, int64_t r_stride, int64_t k_stride, int64_t valid, int64_t width, \
            int64_t kc)
#define mxi_pack_f32  MXI_ISA_NAME(mxi_pack_f32)
#define mxi_pack_f16  MXI_ISA_NAME(mxi_pack_f16)
#define mxi_pack_bf16 MXI_ISA_NAME(mxi_pack_bf16)
#define mxi_pack_bf16_pairs \
  MXI_ISA_NAME(mxi_pack_bf16_pairs) /* two of k in a lane, the last padded by zero */
#define mxi_pack_bf16_tiles \
  MXI_ISA_NAME(mxi_pack_bf16_tiles) /* panels: 32 of k a unit, as 16 rows of pairs, padded by zeros */
#define mxi_pack_bf16_rows \
  MXI_ISA_NAME(mxi_pack_bf16_rows) /* slivers: 32 of k a unit, side by side for each row, padded */
#define mxi_pack_f64 MXI_ISA_NAME(mxi_pack_f64)
MXI_PACKER(mxi_pack_f32);
MXI_PACKER(mxi_pack_f16);
MXI_PACKER(mxi_pack_bf16);
MXI_PACKER(mxi_pack_bf16_pairs);
MXI_PACKER(mxi_pack_bf16_tiles);
MXI_PACKER(mxi_pack_bf16_rows);
MXI_PACKER(mxi_pack_f64);
#endif
