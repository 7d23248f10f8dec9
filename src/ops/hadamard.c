/* The Walsh-Hadamard transform. H of size m 2^k is the Kronecker product of H(m) and k times H(2), so the
   axis is read as (m, 64, 64, ..., rest) and every part is multiplied by its small matrix: n (m + 64 + ...)
   products of a matrix kernel instead of k passes over memory. */
#include "ops/common.h"

enum { PART = 6 }; /* a part of the axis has at most 2^6 elements */

/* Signs of the Hadamard matrices of size 12, 20 and 28 (Paley 1933, "On orthogonal matrices"): a row is an
   integer whose highest bit is column 0; 1 is plus. */
static const uint32_t signs_12[] = {0xbff, 0x2aa, 0xec3, 0x896, 0xfb0, 0xa25,
                                    0xcec, 0x989, 0xc3b, 0x962, 0xf0e, 0xa58};
static const uint32_t signs_20[] = {0x84336, 0x4238b, 0x211d5, 0x108fa, 0x0866d, 0x7c139, 0xba29c,
                                    0xd914e, 0xe88a7, 0xf0653, 0x35a0f, 0x1ad17, 0x8d49b, 0xc685d,
                                    0x6343e, 0x49a10, 0xa0d08, 0x54484, 0x2e042, 0x93021};
static const uint32_t signs_28[] = {0x818694c, 0x41c14a6, 0x20e2a13, 0x1071549, 0x0838ae4, 0x041e532,
                                    0x030d299, 0x3d019d2, 0x1e82ca9, 0x8e43654, 0xc621b2a, 0xe210d95,
                                    0xf00a6ca, 0x7807325, 0x5b3201e, 0xac9900f, 0x564c847, 0xab24463,
                                    0xd590271, 0x6ac8178, 0xb4640bc, 0x66b70c0, 0xb35b820, 0xd8adc10,
                                    0x6d54e08, 0x37a8704, 0x9ad4382, 0xcd6a181};

static const uint32_t *signs_of(int64_t m) {
  return m == 12 ? signs_12 : m == 20 ? signs_20 : m == 28 ? signs_28 : NULL;
}

/* Element (i, j) of H(n); for a power of two the sign counts the bits that i and j share. */
static float element(const uint32_t *signs, int64_t n, int64_t i, int64_t j) {
  bool plus = signs ? signs[i] >> (n - 1 - j) & 1 : !__builtin_parityll((uint64_t)(i & j));
  return plus ? 1 : -1;
}
static mx_array matrix(const uint32_t *signs, int64_t n, mx_dtype t) {
  mx_array h = mxi_own(mxi_array_alloc(MX_FLOAT32, MX_SHAPE(n, n)));
  if (!mx_ok(h)) return MX_BAD;
  for (int64_t i = 0; i < n * n; i++) mxi_data(float, h)[i] = element(signs, n, i / n, i % n);
  return mx_astype(h, t);
}

/* x is (rows, part, after): each part multiplied by its matrix. */
static mx_array along_part(mx_array x, mx_array h, int64_t part, int64_t after) {
  if (after == 1) return mx_matmul(mx_reshape(x, MX_SHAPE(-1, part)), mx_swapaxes(h, 0, 1));
  return mx_matmul(h, mx_reshape(x, MX_SHAPE(-1, part, after)));
}

static mx_array transformed(mx_array a, double scale, int64_t m, int k) {
  mx_dtype t = mxi_at_least_float(mxi_dtype(a)), inner = mxi_is_half(t) ? MX_FLOAT32 : t;
  mx_array x = mx_astype(a, inner);
  int64_t after = INT64_C(1) << k;
  if (m > 1) x = along_part(x, matrix(signs_of(m), m, inner), m, after);
  while (k > 0 && mx_ok(x)) {
    int bits = k < PART ? k : PART;
    k -= bits;
    after >>= bits;
    x = along_part(x, matrix(NULL, INT64_C(1) << bits, inner), INT64_C(1) << bits, after);
  }
  return mx_astype(mx_reshape(mx_multiply(x, mx_like(x, scale)), mxi_shape_of(a)), t);
}

mx_array mx_hadamard_transform(mx_array a, double scale) {
  if (!mxi_usable1("hadamard_transform", a)) return MX_BAD;
  if (a->size == 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[hadamard_transform] expected elements, got shape %s",
                   MXI_SHAPE_TEXT(a));
  int64_t n = a->ndim ? mx_dim(a, -1) : 1;
  int k = __builtin_ctzll((uint64_t)n);
  int64_t m = n >> k;
  if (m > 1 && k >= 2) m *= 4, k -= 2;
  if (m != 1 && !signs_of(m))
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[hadamard_transform] expected a last axis of m 2^k elements with m in 1, 12, 20, 28, got "
                   "shape %s",
                   MXI_SHAPE_TEXT(a));
  return MXI_COMPOSED(transformed(a, scale, m, k));
}
