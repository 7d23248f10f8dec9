/* cuFFT as far as the backend uses it (src/cuda/api/cufft.h): transforms in double, by the primes of their
   lengths. A plan scribbles over its work area, which it must be given, and transforms to real elements over
   what they read. */
#include "cuda/api/cufft.h"
#include "driver.h"
#include "memory.h"
#include <cmath>
#include <complex>
#include <map>
#include <memory>
#include <mutex>
#include <string.h>
#include <vector>

extern "C" {
#define MX_CUDA_FN(name, ...) __attribute__((visibility("default"))) cufftResult name(__VA_ARGS__);
#include "cuda/api/cufft.def"
#undef MX_CUDA_FN
}

namespace emulator {
namespace {

typedef std::complex<double> number;
typedef std::vector<number> line;

/* ---- One line ---- */
number root(int64_t k, int64_t n) {
  const double angle = 2 * M_PI * double(k) / double(n);
  return {cos(angle), sin(angle)};
}
void transform(line &x, int sign);

void transform_parts(line &x, size_t prime, int sign) {
  const size_t n = x.size(), m = n / prime;
  std::vector<line> parts(prime, line(m));
  for (size_t i = 0; i < n; i++) parts[i % prime][i / prime] = x[i];
  for (line &part : parts) transform(part, sign);
  for (size_t k = 0; k < n; k++) {
    number sum = 0;
    for (size_t r = 0; r < prime; r++) sum += parts[r][k % m] * root(sign * int64_t(r * k % n), int64_t(n));
    x[k] = sum;
  }
}
/* A long prime, as a convolution of length 2^b (Bluestein): jk = (j^2 + k^2 - (j - k)^2) / 2. */
void transform_prime(line &x, int sign) {
  const size_t n = x.size();
  size_t size = 1;
  while (size < 2 * n) size *= 2;
  line chirp(n), a(size), b(size);
  for (size_t i = 0; i < n; i++) {
    chirp[i] = root(sign * int64_t(i * i % (2 * n)), int64_t(2 * n));
    a[i] = x[i] * chirp[i];
    b[i] = b[(size - i) % size] = std::conj(chirp[i]);
  }
  transform(a, 1);
  transform(b, 1);
  for (size_t i = 0; i < size; i++) a[i] *= b[i];
  transform(a, -1);
  for (size_t i = 0; i < n; i++) x[i] = a[i] * chirp[i] / double(size);
}
void transform(line &x, int sign) {
  enum { LONG_PRIME = 100 };
  const size_t n = x.size();
  size_t prime = 2;
  while (prime * prime <= n && n % prime) prime++;
  if (n % prime) prime = n;
  if (n == 1) return;
  return prime == n && n > LONG_PRIME ? transform_prime(x, sign) : transform_parts(x, prime, sign);
}

/* ---- Plans ---- */
enum { WORK_BYTES = 512 };
struct fft_plan {
  bool made = false, automatic = true;
  int rank = 0, type = 0;
  long long n[3] = {1, 1, 1}; // of fewer axes: the first are 1
  long long in_embed[3] = {1, 1, 1}, out_embed[3] = {1, 1, 1};
  long long in_stride = 0, out_stride = 0, in_distance = 0, out_distance = 0, batch = 0;
  void *work = nullptr;
  CUstream stream = nullptr;
};
std::mutex plans_lock;
std::map<cufftHandle, std::shared_ptr<fft_plan>> all_plans;
std::shared_ptr<fft_plan> find(cufftHandle handle) {
  std::lock_guard<std::mutex> hold(plans_lock);
  const auto found = all_plans.find(handle);
  return found == all_plans.end() ? nullptr : found->second;
}

struct side {
  const long long *embed;
  long long stride, distance, last; // elements of the last axis
  size_t bytes;                     // of an element
};
side in_side(const fft_plan &p) {
  return {p.in_embed, p.in_stride, p.in_distance, p.type == CUFFT_C2R ? p.n[2] / 2 + 1 : p.n[2],
          p.type == CUFFT_R2C ? sizeof(float) : 2 * sizeof(float)};
}
side out_side(const fft_plan &p) {
  return {p.out_embed, p.out_stride, p.out_distance, p.type == CUFFT_R2C ? p.n[2] / 2 + 1 : p.n[2],
          p.type == CUFFT_C2R ? sizeof(float) : 2 * sizeof(float)};
}
long long place(const side &s, long long b, long long i, long long j, long long k) {
  return b * s.distance + ((i * s.embed[1] + j) * s.embed[2] + k) * s.stride;
}
bool is_there(const fft_plan &p, const side &s, const void *address) {
  const long long last = place(s, p.batch - 1, p.n[0] - 1, p.n[1] - 1, s.last - 1);
  return address && size_t(address) % (2 * sizeof(float)) == 0 &&
         on_device(reinterpret_cast<CUdeviceptr>(address), size_t(last + 1) * s.bytes);
}

/* ---- Transforms of a batch ---- */
typedef std::vector<number> volume; // (n[0], n[1], n[2])

void transform_axis(volume &x, const long long *n, int axis, int sign) {
  const size_t length = size_t(n[axis]), step = axis == 2   ? 1
                                                : axis == 1 ? size_t(n[2])
                                                            : size_t(n[1] * n[2]);
  line l(length);
  for (size_t first = 0; first < x.size(); first++) {
    if (first / step % length) continue;
    for (size_t i = 0; i < length; i++) l[i] = x[first + i * step];
    transform(l, sign);
    for (size_t i = 0; i < length; i++) x[first + i * step] = l[i];
  }
}

number load(const fft_plan &p, const float *in, long long at) {
  return p.type == CUFFT_R2C ? number(in[at], 0) : number(in[2 * at], in[2 * at + 1]);
}
/* The half that isn't stored of the last axis is the conjugate of the other. */
void complete(const fft_plan &p, volume &x) {
  const size_t n = size_t(p.n[2]);
  for (size_t row = 0; row < x.size(); row += n) {
    x[row] = x[row].real();
    if (n % 2 == 0) x[row + n / 2] = x[row + n / 2].real();
    for (size_t k = n / 2 + 1; k < n; k++) x[row + k] = std::conj(x[row + n - k]);
  }
}
void run_batch(const fft_plan &p, long long b, int sign, float *in, float *out) {
  const side from = in_side(p), to = out_side(p);
  volume x(size_t(p.n[0] * p.n[1] * p.n[2]));
  for (long long i = 0; i < p.n[0]; i++)
    for (long long j = 0; j < p.n[1]; j++)
      for (long long k = 0; k < from.last; k++)
        x[size_t((i * p.n[1] + j) * p.n[2] + k)] = load(p, in, place(from, b, i, j, k));
  for (int axis = 0; axis < 2; axis++) transform_axis(x, p.n, axis, sign);
  if (p.type == CUFFT_C2R) complete(p, x);
  transform_axis(x, p.n, 2, sign);
  for (long long i = 0; i < p.n[0]; i++)
    for (long long j = 0; j < p.n[1]; j++)
      for (long long k = 0; k < to.last; k++) {
        const number y = x[size_t((i * p.n[1] + j) * p.n[2] + k)];
        const long long at = place(to, b, i, j, k);
        if (p.type == CUFFT_C2R) {
          out[at] = float(y.real());
        } else {
          out[2 * at] = float(y.real());
          out[2 * at + 1] = float(y.imag());
        }
      }
}
void scribble(const fft_plan &p, float *in) {
  const side from = in_side(p);
  for (long long b = 0; b < p.batch; b++)
    for (long long i = 0; i < p.n[0]; i++)
      for (long long j = 0; j < p.n[1]; j++)
        for (long long k = 0; k < from.last; k++) in[2 * place(from, b, i, j, k)] = 1e30f;
}

cufftResult execute(cufftHandle handle, int type, int sign, void *in, void *out) {
  if (obstacle()) return CUFFT_EXEC_FAILED;
  const std::shared_ptr<fft_plan> p = find(handle);
  if (!p || !p->made || p->type != type) return CUFFT_INVALID_PLAN;
  if (!is_there(*p, in_side(*p), in) || !is_there(*p, out_side(*p), out)) return CUFFT_INVALID_VALUE;
  if (type != CUFFT_C2C && in == out) return CUFFT_INVALID_VALUE; // not needed here
  if (!on_device(reinterpret_cast<CUdeviceptr>(p->work), WORK_BYTES)) return CUFFT_INVALID_VALUE;
  const fft_plan q = *p;
  submit(q.stream, [q, sign, in, out] {
    if (failed_before()) return;
    memset(q.work, 0xA5, WORK_BYTES);
    for (long long b = 0; b < q.batch; b++)
      run_batch(q, b, sign, static_cast<float *>(in), static_cast<float *>(out));
    if (q.type == CUFFT_C2R) scribble(q, static_cast<float *>(in));
  });
  return CUFFT_SUCCESS;
}
} // namespace
} // namespace emulator
using namespace emulator;

cufftResult cufftCreate(cufftHandle *handle) {
  static cufftHandle last = 0;
  if (obstacle()) return CUFFT_SETUP_FAILED;
  std::lock_guard<std::mutex> hold(plans_lock);
  all_plans[ *handle = ++last] = std::make_shared<fft_plan>();
  return CUFFT_SUCCESS;
}
cufftResult cufftSetAutoAllocation(cufftHandle handle, int automatic) {
  const std::shared_ptr<fft_plan> p = find(handle);
  if (!p || p->made) return CUFFT_INVALID_PLAN;
  p->automatic = automatic;
  return CUFFT_SUCCESS;
}
cufftResult cufftMakePlanMany64(cufftHandle handle, int rank, long long *n, long long *in_embed,
                                long long in_stride, long long in_distance, long long *out_embed,
                                long long out_stride, long long out_distance, int type, long long batch,
                                size_t *work_bytes) {
  const std::shared_ptr<fft_plan> p = find(handle);
  if (!p || p->made) return CUFFT_INVALID_PLAN;
  if (rank < 1 || rank > 3 || batch < 1 || !in_embed || !out_embed || p->automatic)
    return CUFFT_INVALID_VALUE;
  for (int i = 0; i < rank; i++) {
    if (n[i] < 1) return CUFFT_INVALID_SIZE;
    p->n[3 - rank + i] = n[i];
    p->in_embed[3 - rank + i] = in_embed[i];
    p->out_embed[3 - rank + i] = out_embed[i];
  }
  p->rank = rank, p->type = type, p->batch = batch;
  p->in_stride = in_stride, p->in_distance = in_distance;
  p->out_stride = out_stride, p->out_distance = out_distance;
  p->made = true;
  *work_bytes = WORK_BYTES;
  return CUFFT_SUCCESS;
}
cufftResult cufftSetStream(cufftHandle handle, CUstream stream) {
  const std::shared_ptr<fft_plan> p = find(handle);
  if (!p) return CUFFT_INVALID_PLAN;
  p->stream = stream;
  return CUFFT_SUCCESS;
}
cufftResult cufftSetWorkArea(cufftHandle handle, void *work) {
  const std::shared_ptr<fft_plan> p = find(handle);
  if (!p) return CUFFT_INVALID_PLAN;
  p->work = work;
  return CUFFT_SUCCESS;
}
cufftResult cufftExecC2C(cufftHandle handle, void *in, void *out, int direction) {
  return execute(handle, CUFFT_C2C, direction, in, out);
}
cufftResult cufftExecR2C(cufftHandle handle, void *in, void *out) {
  return execute(handle, CUFFT_R2C, CUFFT_FORWARD, in, out);
}
cufftResult cufftExecC2R(cufftHandle handle, void *in, void *out) {
  return execute(handle, CUFFT_C2R, CUFFT_INVERSE, in, out);
}
cufftResult cufftDestroy(cufftHandle handle) {
  std::lock_guard<std::mutex> hold(plans_lock);
  return all_plans.erase(handle) ? CUFFT_SUCCESS : CUFFT_INVALID_PLAN;
}
