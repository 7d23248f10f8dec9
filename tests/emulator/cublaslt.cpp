/* cuBLASLt as far as the backend uses it (src/cuda/api/cublaslt.h): products by three loops. Its algorithms
   can do less than they could: some products have none, each is good for the alignments that were asked for
   and for these layouts alone, and all of them scribble over a workspace. */
#include "cuda/api/cublaslt.h"
#include "driver.h"
#include "memory.h"
#include "numbers.h"
#include <complex>
#include <string.h>
#include <vector>

extern "C" {
#define MX_CUDA_FN(name, ...) __attribute__((visibility("default"))) cublasStatus_t name(__VA_ARGS__);
#include "cuda/api/cublaslt.def"
#undef MX_CUDA_FN
}

struct cublasLtContext {};
struct cublasLtMatmulDescOpaque {
  int compute, scale;
  int32_t transposed[2];
  int32_t epilogue;
  const void *bias;
};
struct cublasLtMatrixLayoutOpaque {
  int type;
  uint64_t rows, columns;
  int64_t leading;
  int32_t batch;
  int64_t stride;
};
struct cublasLtMatmulPreferenceOpaque {
  uint64_t workspace;
  uint32_t schemes, alignment[4];
};

namespace emulator {
namespace {

using description = cublasLtMatmulDescOpaque;
using layout = cublasLtMatrixLayoutOpaque;

int element_bytes(int type) {
  return type == CUDA_R_16F || type == CUDA_R_16BF ? 2 : type == CUDA_R_32F ? 4 : 8;
}

/* ---- What is accepted ---- */
bool is_layout(const layout *l, const layout *like) {
  const int64_t most = INT32_MAX;
  return l && l->type == like->type && l->rows > 0 && l->columns > 0 && int64_t(l->rows) <= most &&
         int64_t(l->columns) <= most && l->leading >= int64_t(l->rows) && l->batch == like->batch &&
         l->batch > 0;
}
uint64_t rows_of(const description *d, const layout *l, int operand) {
  return d->transposed[operand] ? l->columns : l->rows;
}
uint64_t columns_of(const description *d, const layout *l, int operand) {
  return d->transposed[operand] ? l->rows : l->columns;
}
bool is_product(const description *p, const layout *a, const layout *b, const layout *c, const layout *d) {
  if (!p || !a || !is_layout(a, a) || !is_layout(b, a) || !is_layout(c, a) || !is_layout(d, a)) return false;
  const bool types = a->type == CUDA_R_64F   ? p->compute == CUBLAS_COMPUTE_64F && p->scale == CUDA_R_64F
                     : a->type == CUDA_C_32F ? p->compute == CUBLAS_COMPUTE_32F && p->scale == CUDA_C_32F
                                             : p->compute == CUBLAS_COMPUTE_32F && p->scale == CUDA_R_32F;
  return types && rows_of(p, a, 0) == d->rows && columns_of(p, a, 0) == rows_of(p, b, 1) &&
         columns_of(p, b, 1) == d->columns && c->rows == d->rows && c->columns == d->columns;
}
/* So that callers meet products that have no algorithm. */
bool is_unlucky(const description *p, const layout *a, const layout *d, const uint32_t *alignment) {
  const bool odd_bias = p->epilogue == CUBLASLT_EPILOGUE_BIAS && (d->rows % 2 || element_bytes(a->type) == 8);
  return odd_bias || (element_bytes(a->type) == 2 && (alignment[0] < 4 || alignment[1] < 4) && d->rows % 2);
}

bool is_readable(const void *address, const layout *l, uint32_t alignment) {
  const int64_t extent = (int64_t(l->columns) - 1) * l->leading + int64_t(l->rows);
  const int bytes = element_bytes(l->type);
  if (!address || size_t(address) % alignment) return false;
  for (const int64_t i : {int64_t(0), int64_t(l->batch) - 1}) {
    const CUdeviceptr from = reinterpret_cast<CUdeviceptr>(address) + CUdeviceptr(i * l->stride * bytes);
    if (!on_device(from, size_t(extent * bytes))) return false;
  }
  return true;
}

/* An algorithm's words: which products it is for. */
enum { WORKSPACE = 1024 };
cublasLtMatmulAlgo_t algorithm_for(const description *p, const layout *const layouts[4],
                                   const uint32_t *alignment) {
  cublasLtMatmulAlgo_t algo = {};
  uint64_t h = uint64_t(p->transposed[0] * 2 + p->transposed[1]) * 8 + uint64_t(p->epilogue);
  for (int i = 0; i < 4; i++) {
    const layout *l = layouts[i];
    for (const uint64_t word : {uint64_t(l->type), l->rows, l->columns, uint64_t(l->leading),
                                uint64_t(l->batch), uint64_t(l->stride)})
      h = (h ^ word) * 0x9e3779b97f4a7c15u ^ h >> 29;
    algo.data[1] |= uint64_t(alignment[i]) << 8 * i;
  }
  algo.data[0] = h;
  return algo;
}

/* ---- Products ---- */
struct product {
  description p;
  layout a, b, c, d;
  const void *a_at, *b_at, *c_at;
  void *d_at;
  unsigned char alpha[8], beta[8];
};

/* op(x) of a batch, by rows. */
template <class T, class S>
std::vector<S> unpacked(const void *address, const layout &l, bool transposed, int batch) {
  const T *x = static_cast<const T *>(address) + batch * l.stride;
  const uint64_t rows = transposed ? l.columns : l.rows, columns = transposed ? l.rows : l.columns;
  std::vector<S> all(rows * columns);
  for (uint64_t i = 0; i < rows; i++)
    for (uint64_t j = 0; j < columns; j++)
      all[i * columns + j] =
          loaded(transposed ? x[j + i * uint64_t(l.leading)] : x[i + j * uint64_t(l.leading)]);
  return all;
}

template <class T, class S> void multiply_batch(const product &q, int batch) {
  const auto a = unpacked<T, S>(q.a_at, q.a, q.p.transposed[0], batch);
  const auto b = unpacked<T, S>(q.b_at, q.b, !q.p.transposed[1], batch); // (n, k)
  const uint64_t m = q.d.rows, n = q.d.columns, k = columns_of(&q.p, &q.a, 0);
  S alpha, beta;
  memcpy(&alpha, q.alpha, sizeof alpha);
  memcpy(&beta, q.beta, sizeof beta);
  const T *c = static_cast<const T *>(q.c_at) + batch * q.c.stride;
  T *d = static_cast<T *>(q.d_at) + batch * q.d.stride;
  for (uint64_t j = 0; j < n; j++)
    for (uint64_t i = 0; i < m; i++) {
      S sum = S(0);
      for (uint64_t l = 0; l < k; l++) sum += a[i * k + l] * b[j * k + l];
      sum *= alpha;
      if (beta != S(0)) sum += beta * S(loaded(c[i + j * uint64_t(q.c.leading)]));
      if (q.p.epilogue == CUBLASLT_EPILOGUE_BIAS) sum += S(loaded(static_cast<const T *>(q.p.bias)[i]));
      store(&d[i + j * uint64_t(q.d.leading)], sum);
    }
}
template <class T, class S> void multiply_all(const product &q) {
  for (int i = 0; i < q.d.batch; i++) multiply_batch<T, S>(q, i);
}
void run_product(const product &q) {
  switch (q.d.type) {
  case CUDA_R_16F: return multiply_all<half_bits, float>(q);
  case CUDA_R_16BF: return multiply_all<bfloat_bits, float>(q);
  case CUDA_R_32F: return multiply_all<float, float>(q);
  case CUDA_R_64F: return multiply_all<double, double>(q);
  default: return multiply_all<std::complex<float>, std::complex<float>>(q);
  }
}

/* Copies an attribute of exactly this size. */
template <class T> cublasStatus_t take(T *to, const void *value, size_t bytes) {
  if (!value || bytes != sizeof *to) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
} // namespace
} // namespace emulator
using namespace emulator;

/* ---- Descriptions ---- */
cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle) {
  if (obstacle()) return CUBLAS_STATUS_NOT_INITIALIZED;
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *p, int compute, int scale) {
  *p = new description{compute, scale, {0, 0}, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t p, int attribute, const void *value,
                                              size_t bytes) {
  switch (attribute) {
  case CUBLASLT_MATMUL_DESC_TRANSA: return take(&p->transposed[0], value, bytes);
  case CUBLASLT_MATMUL_DESC_TRANSB: return take(&p->transposed[1], value, bytes);
  case CUBLASLT_MATMUL_DESC_EPILOGUE: return take(&p->epilogue, value, bytes);
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER: return take(&p->bias, value, bytes);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t p) {
  delete p;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *l, int type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  *l = new layout{type, rows, columns, leading, 1, 0};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t l, int attribute, const void *value,
                                                size_t bytes) {
  switch (attribute) {
  case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: return take(&l->batch, value, bytes);
  case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: return take(&l->stride, value, bytes);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t l) {
  delete l;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference) {
  *preference = new cublasLtMatmulPreferenceOpaque{0, ~0u, {256, 256, 256, 256}};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference, int attribute,
                                                    const void *value, size_t bytes) {
  switch (attribute) {
  case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: return take(&preference->workspace, value, bytes);
  case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: return take(&preference->schemes, value, bytes);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
    return take(&preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- Algorithms ---- */
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t p,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t *results, int *found) {
  *found = 0;
  if (!handle || wanted < 1 || !is_product(p, a, b, c, d)) return CUBLAS_STATUS_INVALID_VALUE;
  if (preference->workspace < WORKSPACE || is_unlucky(p, a, d, preference->alignment))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const layout *const layouts[4] = {a, b, c, d};
  *results = {};
  results->algo = algorithm_for(p, layouts, preference->alignment);
  results->workspaceSize = WORKSPACE;
  results->state = CUBLAS_STATUS_SUCCESS;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t p, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t *algo, void *workspace, size_t workspace_bytes,
                              CUstream stream) {
  if (obstacle()) return CUBLAS_STATUS_EXECUTION_FAILED;
  if (!handle || !is_product(p, a_layout, b_layout, c_layout, d_layout)) return CUBLAS_STATUS_INVALID_VALUE;
  const layout *const layouts[4] = {a_layout, b_layout, c_layout, d_layout};
  const void *const addresses[4] = {a, b, c, d};
  uint32_t alignment[4];
  for (int i = 0; i < 4; i++) alignment[i] = uint32_t(algo->data[1] >> 8 * i & 255);
  const cublasLtMatmulAlgo_t right = algorithm_for(p, layouts, alignment);
  if (memcmp(&right, algo, sizeof right)) return CUBLAS_STATUS_INVALID_VALUE;
  for (int i = 0; i < 4; i++)
    if (!is_readable(addresses[i], layouts[i], alignment[i])) return CUBLAS_STATUS_INVALID_VALUE;
  if (p->epilogue == CUBLASLT_EPILOGUE_BIAS &&
      !on_device(reinterpret_cast<CUdeviceptr>(p->bias),
                 d_layout->rows * size_t(element_bytes(d_layout->type))))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (workspace_bytes < WORKSPACE || !on_device(reinterpret_cast<CUdeviceptr>(workspace), workspace_bytes))
    return CUBLAS_STATUS_INVALID_VALUE;
  product q = {*p, *a_layout, *b_layout, *c_layout, *d_layout, a, b, c, d, {}, {}};
  const size_t scale_bytes = p->scale == CUDA_R_32F ? 4 : 8;
  memcpy(q.alpha, alpha, scale_bytes);
  memcpy(q.beta, beta, scale_bytes);
  submit(stream, [q, workspace, workspace_bytes] {
    if (failed_before()) return;
    const device_access access;
    memset(workspace, 0xA5, workspace_bytes);
    run_product(q);
  });
  return CUBLAS_STATUS_SUCCESS;
}
