/* The floating-point mode of everything that computes: round to nearest, subnormals kept, exceptions masked.
   A thread starts in the mode of the one that made it, so that each sets its own. */
#ifndef MXI_CPU_FLOAT_MODE_H
#define MXI_CPU_FLOAT_MODE_H
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { MXI_FLOAT_MODE = 0x1f80, MXI_FLOAT_FLAGS = 0x3f }; /* of x86's MXCSR; the flags tell what happened */
static inline int mxi_float_mode_is_default(unsigned mode) {
  return (mode & ~(unsigned)MXI_FLOAT_FLAGS) == MXI_FLOAT_MODE;
}

/* Returns the mode before, for mxi_float_mode_leave. Writing it is slow, so what is right is left alone. */
static inline unsigned mxi_float_mode_enter(void) {
#if defined(__x86_64__)
  unsigned mode = _mm_getcsr();
  if (!mxi_float_mode_is_default(mode)) _mm_setcsr(MXI_FLOAT_MODE);
  return mode;
#else
  return 0;
#endif
}
static inline void mxi_float_mode_leave(unsigned mode) {
#if defined(__x86_64__)
  if (!mxi_float_mode_is_default(mode)) _mm_setcsr(mode);
#else
  (void)mode;
#endif
}
#endif
