/* The device's elementwise functions, compiled for the host, over arrays. */
#ifndef MXI_TESTS_DEVICE_OPS_H
#define MXI_TESTS_DEVICE_OPS_H
#ifdef __cplusplus
extern "C" {
#endif
/* to[i] = op(a[i], b[i], c[i]) for operands of dtype `type` (SELECT: bool, type, type). 0 where the device
   has no such function. */
int device_apply(int op, int type, const void *a, const void *b, const void *c, void *to, long n);
/* to[i] = a[i], of dtype `from`, as one of dtype `type`. */
void device_cast(int from, int type, const void *a, void *to, long n);
#ifdef __cplusplus
}
#endif
#endif
