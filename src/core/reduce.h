/* What reductions, scans and updates combine by; shared by the op builders and the backends. */
#ifndef MXI_CORE_REDUCE_H
#define MXI_CORE_REDUCE_H

enum mxi_reduce_op {
  MXI_REDUCE_SUM,
  MXI_REDUCE_PROD,
  MXI_REDUCE_MIN, /* NaN if any element is */
  MXI_REDUCE_MAX,
  MXI_REDUCE_AND, /* of "not zero"; bool result */
  MXI_REDUCE_OR
};
enum mxi_arg_reduce_op { MXI_ARG_MIN, MXI_ARG_MAX };
enum mxi_scan_op { MXI_SCAN_SUM, MXI_SCAN_PROD, MXI_SCAN_MIN, MXI_SCAN_MAX, MXI_SCAN_LOGADDEXP };
/* What slice_update and scatter do with the element they meet. */
enum mxi_update_mode {
  MXI_UPDATE_SET,
  MXI_UPDATE_ADD,
  MXI_UPDATE_MULTIPLY,
  MXI_UPDATE_MAXIMUM,
  MXI_UPDATE_MINIMUM
};
#endif
