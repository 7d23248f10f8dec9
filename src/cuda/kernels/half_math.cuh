/* mxi_functions_for<T>: for x on the grid of T, a float that is rounded to T as that of math.cuh is. For
   bfloat16, whose 8 digits leave room, they are short. Each was tried on all 65,536 values, with the
   hardware's approximations off by as much as they may be (2 ulp of ex2, 1 of rcp): biases, and what is done
   around zero, keep the few results that lie next to half a step on the right side. */
#ifndef MXI_CUDA_KERNELS_HALF_MATH_CUH
#define MXI_CUDA_KERNELS_HALF_MATH_CUH
#include "cuda/kernels/half.cuh"
#include "cuda/kernels/math.cuh"

/* ---- The hardware's approximations; NaN stays NaN ---- */
#ifdef MXI_EMULATED
/* 2^x, and 1/x */
MXI_DEVICE float mxi_exp2_about(float x) { return exp2f(x); }
MXI_DEVICE float mxi_exp2_about_or_zero(float x) { return exp2f(x); }
MXI_DEVICE float mxi_reciprocal_about(float x) { return 1 / x; }
MXI_DEVICE float mxi_at_least(float x, float bound) { return x < bound ? bound : x; }
MXI_DEVICE float mxi_at_most(float x, float bound) { return x > bound ? bound : x; }
#else
MXI_DEVICE float mxi_exp2_about(float x) {
  float y;
  asm("ex2.approx.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
/* Zero where the result would be below the normal floats. */
MXI_DEVICE float mxi_exp2_about_or_zero(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
MXI_DEVICE float mxi_reciprocal_about(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
MXI_DEVICE float mxi_at_least(float x, float bound) {
  float y;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(x), "f"(bound));
  return y;
}
MXI_DEVICE float mxi_at_most(float x, float bound) {
  float y;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(x), "f"(bound));
  return y;
}
#endif
#define MXI_LOG2_E 0x1.715476p+0f

/* ---- By 8 digits ---- */
/* 2^t, and what t = x log2 e has lost */
MXI_DEVICE float mxi_exp_8(float x) {
  const float bias = 0x1.4p-21f;
  x = mxi_at_least(mxi_at_most(x, 89.0f), -104.0f);
  float t = x * MXI_LOG2_E, lost = mxi_fma(x, MXI_LOG2_E, -t), e = mxi_exp2_about(t);
  return mxi_fma(e, mxi_fma(lost, 0x1.62e43p-1f, bias), e);
}
/* e^x / (e^x + 1); 1/2 + x/4 around zero */
MXI_DEVICE float mxi_sigmoid_8(float x) {
  const float bias = -0x1.4p-21f;
  float e = mxi_exp2_about(mxi_fma(mxi_at_most(x, 20.0f), MXI_LOG2_E, bias));
  return mxi_abs(x) < 0x1.7p-6f ? mxi_fma(x, 0x1.ffffp-3f, 0.5f) : e * mxi_reciprocal_about(e + 1);
}
/* 1 - 2 / (e^2x + 1); x around zero */
MXI_DEVICE float mxi_tanh_8(float x) {
  float e = mxi_exp2_about_or_zero(x * (2 * MXI_LOG2_E));
  return mxi_abs(x) < 0x1p-4f ? x : mxi_fma(-2.0f, mxi_reciprocal_about(e + 1), 1.0f);
}
/* erf(x) / x by x^2 for |x| <= 2.25, relative error 5.2e-8; beyond, it is nearer to 1 than to the number
   before */
MXI_DEVICE float mxi_erf_8(float x) {
  x = mxi_at_least(mxi_at_most(x, 2.25f), -2.25f);
  return x * mxi_series(x * x, 0x1.20dd74p+0f, -0x1.8126b6p-2f, 0x1.ce2102p-4f, -0x1.b7a0bap-6f,
                        0x1.53895p-8f, -0x1.af079p-11f, 0x1.b7f642p-14f, -0x1.5076b8p-17f, 0x1.4f433ep-21f,
                        -0x1.3ea894p-26f);
}

/* ---- By dtype ---- */
template <class T> struct mxi_functions_for {
  MXI_DEVICE float exp(float x) { return mxi_exp(x); }
  MXI_DEVICE float sigmoid(float x) { return mxi_sigmoid(x); }
  MXI_DEVICE float tanh(float x) { return mxi_tanh(x); }
  MXI_DEVICE float erf(float x) { return mxi_erf(x); }
};
template <> struct mxi_functions_for<mxi_bf16> {
  MXI_DEVICE float exp(float x) { return mxi_exp_8(x); }
  MXI_DEVICE float sigmoid(float x) { return mxi_sigmoid_8(x); }
  MXI_DEVICE float tanh(float x) { return mxi_tanh_8(x); }
  MXI_DEVICE float erf(float x) { return mxi_erf_8(x); }
};
#endif
