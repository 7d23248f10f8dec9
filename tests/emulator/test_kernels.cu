/* Kernels that use what the emulator has, one group of functions each; test_emulator.cpp knows the answers.
   nvcc compiles them too. */
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/ptx.cuh"
#include "test_kernels.h"

MXI_DEVICE int64_t global_thread() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

MXI_KERNEL(test_add_one, test_params, 1024) {
  const int64_t i = global_thread();
  if (i < p.n) static_cast<float *>(p.out)[i] = __ldg(static_cast<const float *>(p.in) + i) + 1;
}

/* Adds 1 to each, `choice` times. */
MXI_KERNEL(test_slow_add, test_params, 1024) {
  const int64_t i = global_thread();
  for (int r = 0; r < p.choice; r++)
    if (i < p.n) static_cast<int *>(p.out)[i] = static_cast<const int *>(p.in)[i] + r + 1;
}

/* out[threads of the grid, numbered in order]: 1 each; all dimensions are used. */
MXI_KERNEL(test_indices, test_params, 1024) {
  const int block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  const int thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const int threads = blockDim.x * blockDim.y * blockDim.z;
  atomicAdd(static_cast<int *>(p.out) + block * threads + thread, 1);
}

/* Sums each block's elements in shared memory, static and dynamic. */
MXI_KERNEL(test_block_sum, test_params, 1024) {
  __shared__ float total;
  MXI_DYNAMIC_SHARED(float, x);
  const int t = threadIdx.x;
  x[t] = static_cast<const float *>(p.in)[global_thread()];
  for (int half = blockDim.x / 2; half; half /= 2) {
    __syncthreads();
    if (t < half) x[t] += x[t + half];
  }
  if (t == 0) total = x[0];
  __syncthreads();
  if (t == int(blockDim.x) - 1) static_cast<float *>(p.out)[blockIdx.x] = total;
}

/* Threads that returned early don't count at a barrier. */
MXI_KERNEL(test_early_return, test_params, 1024) {
  __shared__ int count;
  if (threadIdx.x == 0) count = 0;
  __syncthreads();
  if (int(threadIdx.x) >= p.choice) return;
  atomicAdd(&count, 1);
  __syncthreads();
  static_cast<int *>(p.out)[threadIdx.x] = count;
}

/* out[thread][8] */
MXI_KERNEL(test_shuffles, test_params, 64) {
  const int t = threadIdx.x;
  double *out = static_cast<double *>(p.out) + 8 * t;
  out[0] = __shfl_sync(~0u, t, 5);
  out[1] = __shfl_sync(~0u, float(t), t + 3, 8);
  out[2] = __shfl_up_sync(~0u, (long long)(t), 2);
  out[3] = __shfl_up_sync(~0u, double(t), 3, 8);
  out[4] = __shfl_down_sync(~0u, unsigned(t), 4);
  out[5] = __shfl_down_sync(~0u, t, 1, 16);
  out[6] = __shfl_xor_sync(~0u, t, 16);
  out[7] = __shfl_xor_sync(~0u, t, 3, 4);
}

/* out[thread][12]; lanes 0-7 of each warp vote among themselves too. */
MXI_KERNEL(test_votes, test_params, 64) {
  const int t = threadIdx.x, lane = t % 32;
  unsigned *out = static_cast<unsigned *>(p.out) + 12 * t;
  out[0] = __ballot_sync(~0u, lane % 3 == 0);
  out[1] = __any_sync(~0u, t == 40);
  out[2] = __all_sync(~0u, lane < 32);
  out[3] = __match_any_sync(~0u, lane / 8);
  out[4] = __reduce_add_sync(~0u, t);
  out[5] = unsigned(__reduce_min_sync(~0u, lane - 16));
  out[6] = __reduce_max_sync(~0u, unsigned(t));
  out[7] = __reduce_or_sync(~0u, 1u << lane / 4);
  out[8] = __reduce_xor_sync(~0u, unsigned(lane));
  out[9] = lane < 8 ? __ballot_sync(0xffu, lane & 1) : __ballot_sync(~0xffu, lane & 2);
  __syncwarp();
  out[10] = unsigned(__syncthreads_count(t % 5 == 0));
  out[11] = unsigned(__syncthreads_or(t == 63) * 2 + __syncthreads_and(t < 64));
}

/* out: 16 words that all threads change. */
MXI_KERNEL(test_atomics, test_params, 1024) {
  const int t = int(global_thread());
  int *i = static_cast<int *>(p.out);
  unsigned *u = static_cast<unsigned *>(p.out) + 4;
  unsigned long long *l = reinterpret_cast<unsigned long long *>(static_cast<char *>(p.out) + 32);
  float *f = reinterpret_cast<float *>(static_cast<char *>(p.out) + 56);
  atomicAdd(i, 1);
  atomicMin(i + 1, -t);
  atomicMax(i + 2, t);
  for (int old = i[3];;) { // a sum by compare and swap
    const int was = atomicCAS(i + 3, old, old + 2);
    if (was == old) break;
    old = was;
  }
  atomicOr(u, 1u << t % 32);
  atomicAnd(u + 1, ~(1u << t % 8));
  atomicXor(u + 2, unsigned(t));
  atomicExch(u + 3, 77u);
  atomicAdd(l, 1ull << 32);
  atomicMax(l + 1, (unsigned long long)(t) << 40);
  atomicCAS(l + 2, 0ull, 5ull);
  atomicAdd(f, 0.5f);
  __threadfence();
}

/* out[..]: one value a function. */
MXI_KERNEL(test_arithmetic, test_params, 32) {
  if (threadIdx.x) return;
  long long *out = static_cast<long long *>(p.out);
  const float *in = static_cast<const float *>(p.in); // 1.5, -2.25, NaN, 1e30
  int n = 0;
  out[n++] = __float_as_int(in[0]);
  out[n++] = __float_as_uint(in[1]);
  out[n++] = __double_as_longlong(double(in[1]));
  out[n++] = __popc(0xf0f0u) + 100 * __popcll(~0ull);
  out[n++] = __clz(1) + 100 * __clz(0) + 10000 * __clzll(1);
  out[n++] = __ffs(8) + 100 * __ffs(0) + 10000 * __ffsll(1ll << 40);
  out[n++] = __brev(0x12345678u);
  out[n++] = __byte_perm(0x33221100u, 0x77665544u, 0x7051u);
  out[n++] = __byte_perm(0x80u, 0x7fu, 0x0c08u);
  out[n++] = __funnelshift_l(0x89abcdefu, 0x01234567u, 8);
  out[n++] = __funnelshift_r(0x89abcdefu, 0x01234567u, 8);
  out[n++] = __mulhi(-5, 1 << 30);
  out[n++] = __umulhi(0xffffffffu, 0xffffffffu);
  out[n++] = __mul64hi(-3ll, 1ll << 62);
  out[n++] = (long long)__umul64hi(~0ull, ~0ull);
  out[n++] = min(3, 4) + 10 * max(3u, 4u) + 100 * (long long)min(3ll, 4ll);
  out[n++] = max(-1, 1u) == 0xffffffffu; // as unsigned
  out[n++] = min(in[0], in[2]) == 1.5f;  // not NaN
  out[n++] = __float_as_uint(fmaf(1 + 0x1p-12f, 1 + 0x1p-12f, -1.0f));
  out[n++] = __float_as_uint(__fmul_rn(1 + 0x1p-12f, 1 + 0x1p-12f) - 1.0f);
  out[n++] = __float2int_rz(in[3]) - __float2int_rz(in[2]);
  out[n++] = __float2int_rn(in[0]) + 10 * __float2int_rn(2.5f);
  out[n++] = __float2uint_rz(in[1]);
  out[n++] = __float_as_uint(__saturatef(in[2])) + (__saturatef(in[0]) == 1.0f);
  out[n++] = rsqrtf(4.0f) == 0.5f;
  out[n++] = __dp4a(0x01ff0203, 0x04050607, 1);
  const float4 v = make_float4(1, 2, 3, 4);
  const uint2 u = make_uint2(5, 6);
  out[n++] = (long long)(v.x + v.y + v.z + v.w) + u.x + u.y + sizeof(ulonglong2) + sizeof(float3);
  const long long start = clock64();
  out[n++] = clock64() >= start;
}

/* ---- ptx.cuh. Each warp stores what its lanes hold. ---- */

/* in: a (16, 16), b (16, 8) of halves, c (16, 8) of floats, all row-major; out: (16, 8). */
template <bool BFLOAT> MXI_DEVICE void mma_half(const test_params &p) {
  const uint16_t *a = static_cast<const uint16_t *>(p.in), *b = a + 256;
  const float *c = reinterpret_cast<const float *>(b + 128);
  const int group = threadIdx.x / 4, tig = threadIdx.x % 4;
  uint32_t fa[4], fb[2];
  float fc[4];
  for (int i = 0; i < 4; i++) {
    const uint16_t *from = a + 16 * (group + 8 * (i % 2)) + 2 * tig + 8 * (i / 2);
    fa[i] = from[0] | uint32_t(from[1]) << 16;
    fc[i] = c[8 * (group + 8 * (i / 2)) + 2 * tig + i % 2];
  }
  for (int i = 0; i < 2; i++) {
    const uint16_t *from = b + 8 * (2 * tig + 8 * i) + group;
    fb[i] = from[0] | uint32_t(from[8]) << 16;
  }
  if (BFLOAT)
    mxi_mma_m16n8k16_bfloat16(fc, fa, fb);
  else
    mxi_mma_m16n8k16_float16(fc, fa, fb);
  for (int i = 0; i < 4; i++)
    static_cast<float *>(p.out)[8 * (group + 8 * (i / 2)) + 2 * tig + i % 2] = fc[i];
}
MXI_KERNEL(test_mma_bfloat16, test_params, 32) { mma_half<true>(p); }
MXI_KERNEL(test_mma_float16, test_params, 32) { mma_half<false>(p); }

/* The same product with fragments from shared memory: a by ldmatrix, b by ldmatrix.trans. */
MXI_KERNEL(test_mma_ldmatrix, test_params, 32) {
  __shared__ __align__(16) uint16_t a[16 * 16];
  __shared__ __align__(16) uint16_t b[16 * 8];
  const uint16_t *in = static_cast<const uint16_t *>(p.in);
  const int t = threadIdx.x, group = t / 4, tig = t % 4;
  mxi_copy_async<16>(a + 8 * t, in + 8 * t);
  if (t < 16) mxi_copy_async<16>(b + 8 * t, in + 256 + 8 * t);
  mxi_copy_async_commit();
  mxi_copy_async_wait<0>();
  __syncwarp();
  uint32_t fa[4], fb[2], one[1], two[2], four[4];
  mxi_ldmatrix_x4(fa, a + 16 * (t % 16) + 8 * (t / 16));
  mxi_ldmatrix_x2_trans(fb, b + 8 * (t % 16));
  mxi_ldmatrix_x1(one, a + 16 * (t % 8)); // the first matrix again
  mxi_ldmatrix_x2(two, a + 16 * (t % 16));
  mxi_ldmatrix_x4_trans(four, a + 16 * (t % 16) + 8 * (t / 16));
  const bool same = one[0] == fa[0] && two[0] == fa[0] && two[1] == fa[1] &&
                    (four[2] & 0xffff) == a[16 * (2 * tig) + 8 + group] &&
                    four[2] >> 16 == a[16 * (2 * tig + 1) + 8 + group];
  float fc[4] = {0, 0, 0, 0};
  mxi_mma_m16n8k16_bfloat16(fc, fa, fb);
  for (int i = 0; i < 4; i++)
    static_cast<float *>(p.out)[8 * (group + 8 * (i / 2)) + 2 * tig + i % 2] = same ? fc[i] : -1;
}

/* in: a (16, 8), b (8, 8), c (16, 8) of floats; out: (16, 8). */
MXI_KERNEL(test_mma_tf32, test_params, 32) {
  const float *a = static_cast<const float *>(p.in), *b = a + 128, *c = b + 64;
  const int group = threadIdx.x / 4, tig = threadIdx.x % 4;
  uint32_t fa[4], fb[2];
  float fc[4];
  for (int i = 0; i < 4; i++) {
    fa[i] = mxi_to_tf32(a[8 * (group + 8 * (i % 2)) + tig + 4 * (i / 2)]);
    fc[i] = c[8 * (group + 8 * (i / 2)) + 2 * tig + i % 2];
  }
  for (int i = 0; i < 2; i++) fb[i] = mxi_to_tf32(b[8 * (tig + 4 * i) + group]);
  mxi_mma_m16n8k8_tf32(fc, fa, fb);
  for (int i = 0; i < 4; i++)
    static_cast<float *>(p.out)[8 * (group + 8 * (i / 2)) + 2 * tig + i % 2] = fc[i];
}

/* in: a (8, 4), b (4, 8), c (8, 8) of doubles; out: (8, 8). */
MXI_KERNEL(test_mma_float64, test_params, 32) {
  const double *a = static_cast<const double *>(p.in), *b = a + 32, *c = b + 32;
  const int group = threadIdx.x / 4, tig = threadIdx.x % 4;
  double fc[2] = {c[8 * group + 2 * tig], c[8 * group + 2 * tig + 1]};
  mxi_mma_m8n8k4_float64(fc, a[4 * group + tig], b[8 * tig + group]);
  for (int i = 0; i < 2; i++) static_cast<double *>(p.out)[8 * group + 2 * tig + i] = fc[i];
}

/* Copies 64 floats of `in` in four groups, the last of which has `choice` bytes a thread and zeros. choice <
   0: without the wait, so that the answer is what shared memory held. */
MXI_KERNEL(test_copy_async, test_params, 32) {
  __shared__ __align__(16) float x[4][32];
  const float *in = static_cast<const float *>(p.in);
  const int t = threadIdx.x;
  for (int g = 0; g < 4; g++) x[g][t] = -1;
  __syncthreads();
  for (int g = 0; g < 4; g++) {
    mxi_copy_async<4>(&x[g][t], in + 32 * (g % 2) + t, g == 3 && p.choice >= 0 ? p.choice : 4);
    mxi_copy_async_commit();
  }
  mxi_copy_async_wait<2>();
  float *out = static_cast<float *>(p.out);
  out[t] = x[0][t];
  out[32 + t] = x[1][t];
  if (p.choice >= 0) mxi_copy_async_wait<0>();
  out[64 + t] = x[2][t];
  out[96 + t] = x[3][t];
}

/* Warp 0 hands values to warp 1 by barriers of 64 threads, while warps 2 and 3 do so with other barriers. */
MXI_KERNEL(test_named_barriers, test_params, 128) {
  __shared__ int x[2][32];
  const int pair = threadIdx.x / 64, lane = threadIdx.x % 32;
  if (threadIdx.x / 32 % 2 == 0) {
    for (int i = 0; i < 4; i++) {
      x[pair][lane] = 10 * i + pair;
      mxi_barrier_sync(1 + 2 * pair, 64); // written
      mxi_barrier_sync(2 + 2 * pair, 64); // read
    }
  } else {
    int sum = 0;
    for (int i = 0; i < 4; i++) {
      mxi_barrier_sync(1 + 2 * pair, 64);
      sum += x[pair][31 - lane];
      mxi_barrier_sync(2 + 2 * pair, 64);
    }
    static_cast<int *>(p.out)[32 * pair + lane] = sum;
  }
}

MXI_KERNEL(test_other_instructions, test_params, 32) {
  mxi_grid_wait();
  mxi_prefetch_l2(p.in);
  const uint4 x = mxi_load_once(p.in);
  mxi_grid_launch_dependents();
  uint32_t *out = static_cast<uint32_t *>(p.out);
  out[0] = x.x + x.y + x.z + x.w;
  out[1] = mxi_pack_bfloat16(1.0f, -2.0f);
  out[2] = mxi_pack_bfloat16(1 + 0x1p-8f, 1 + 0x3p-8f); // ties to even
  out[3] = mxi_to_tf32(1 + 0x1p-11f);                   // tie away from zero
}

/* ---- Mistakes, one for each choice ---- */
MXI_KERNEL(test_mistakes, test_params, 256) {
  __shared__ float never;
  int *out = static_cast<int *>(p.out);
  const int t = threadIdx.x;
  switch (p.choice) {
  case 0: // a barrier that some threads pass by
    if (t < 32) __syncthreads();
    if (t >= 32) mxi_barrier_sync(1, 256);
    break;
  case 1: // two places of one barrier
    if (t < 32)
      __syncthreads();
    else
      __syncthreads();
    break;
  case 2: // a lane of the mask has returned
    if (t == 3) return;
    __shfl_sync(~0u, t, 0);
    break;
  case 3: // lanes of the mask are elsewhere
    if (t % 2)
      __syncwarp();
    else
      __ballot_sync(~0u, 1);
    break;
  case 4: // half of the warp waits for the other
    if (t % 32 < 16)
      __syncwarp();
    else
      __syncthreads();
    break;
  case 5: // beyond the allocation
    if (t == 0) out[p.n] = 1;
    break;
  case 6: out[1000000000000ll] = 1; break;
  case 7: __trap(); break;
  case 8: // a barrier of half of the block, for which only a quarter comes
    if (t < 64) mxi_barrier_sync(1, 128);
    break;
  case 9: // a lane outside of the shuffle's mask
    if (t < 16) __shfl_sync(0xffffu, t, 20);
    break;
  default: never = 1; out[0] = int(never);
  }
}

/* Counts in out[0] how often thread 0 ran last up to the barrier. */
MXI_KERNEL(test_order, test_params, 256) {
  __shared__ int last;
  last = threadIdx.x;
  __syncthreads();
  if (threadIdx.x == 0) static_cast<int *>(p.out)[blockIdx.x] = last;
}

/* What a block finds in shared memory. */
MXI_KERNEL(test_fresh_shared, test_params, 32) {
  __shared__ unsigned x[32];
  MXI_DYNAMIC_SHARED(unsigned, y);
  static_cast<unsigned *>(p.out)[64 * blockIdx.x + threadIdx.x] = x[threadIdx.x];
  static_cast<unsigned *>(p.out)[64 * blockIdx.x + threadIdx.x + 32] = y[threadIdx.x];
  x[threadIdx.x] = y[threadIdx.x] = threadIdx.x;
}

MXI_KERNEL(test_large_parameters, test_large_params, 32) {}
