/* Arithmetic on sizes that come from users and files: false on overflow, and the result is then unusable. */
#ifndef MXI_BASE_CHECKED_H
#define MXI_BASE_CHECKED_H
#include <stdbool.h>
#include <stdint.h>

static inline bool mxi_mul(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool mxi_add(int64_t a, int64_t b, int64_t *out) { return !__builtin_add_overflow(a, b, out); }
static inline bool mxi_mul_u64(uint64_t a, uint64_t b, uint64_t *out) {
  return !__builtin_mul_overflow(a, b, out);
}
static inline bool mxi_add_u64(uint64_t a, uint64_t b, uint64_t *out) {
  return !__builtin_add_overflow(a, b, out);
}
static inline int64_t mxi_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t mxi_max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t mxi_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; } /* a >= 0, b > 0 */
static inline int64_t mxi_round_up(int64_t a, int64_t b) { return mxi_ceil_div(a, b) * b; }
#endif
