/* Products by cuBLASLt. It stores matrices by columns: a row-major d (m, n) is its matrix d' (n, m) = b' a',
   so what it calls A is our b.

   Asking which algorithm is best takes longer than many products do: the answer is kept, with the
   descriptions of the operands, for as many kinds of product as a program is likely to use. */
#include "base/alloc.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/lru.h"
#include "cuda/api/cublaslt.h"
#include "cuda/context.h"
#include "cuda/gemm.h"
#include "cuda/library.h"
#include "cuda/memory.h"
#include <string.h>

/* ---- The library ---- */
static const char *const symbols[] = {
#define MX_CUDA_FN(name, ...) #name,
#include "cuda/api/cublaslt.def"
#undef MX_CUDA_FN
};
static struct mxi_cublaslt lt;
_Static_assert(sizeof lt == sizeof(void *) * (sizeof symbols / sizeof *symbols), "one symbol a function");
static struct mxi_cuda_library library = {.name = "cuBLASLt",
                                          .soname = "libcublasLt.so.13",
                                          .folder = "cu13/lib",
                                          .wheel = "nvidia-cublas",
                                          .nsymbols = sizeof symbols / sizeof *symbols,
                                          .symbols = symbols};

static int check_lt(cublasStatus_t status, const char *what) {
  if (status == CUBLAS_STATUS_SUCCESS) return 0;
  return mxi_fail(status == CUBLAS_STATUS_ALLOC_FAILED ? MX_OUT_OF_MEMORY : MX_DEVICE_ERROR,
                  "[matmul] expected %.*s to succeed, got cuBLAS status %d", (int)strcspn(what, "("), what,
                  status);
}
bool mxi_cuda_cublaslt_available(void) {
  struct mxi_error missing;
  bool available = mxi_cuda_library_open(&library, (void **)&lt) == 0;
  if (!available) mxi_error_take(&missing);
  return available;
}
#define LT_TRY(call) MXI_TRY(check_lt(lt.call, #call))

/* ---- Kinds of product: what an algorithm is chosen by ---- */
enum { A, B, C, D, MATRICES };
struct kind {
  int64_t m, n, k, batch;
  int64_t leading[MATRICES], stride[MATRICES]; /* from column (row) to column, and from product to product */
  uint8_t columns[MATRICES];                   /* stored by columns, as we see it */
  uint8_t alignment[MATRICES];                 /* of the addresses, bytes */
  uint8_t dtype, has_c, has_bias, unused[5];
};
_Static_assert(sizeof(struct kind) % sizeof(uint64_t) == 0 && sizeof(struct kind) == 12 * 8 + 16, "no holes");

static uint8_t alignment_of(const void *address) {
  enum { MOST = 16 };
  size_t lowest = (size_t)address & -(size_t)address;
  return lowest == 0 || lowest > MOST ? MOST : (uint8_t)lowest;
}

static void set_matrix(struct kind *kind, int which, const struct mxi_cuda_matrix *x,
                       struct mxi_cuda_order order) {
  kind->leading[which] = order.leading;
  kind->columns[which] = order.columns;
  kind->stride[which] = kind->batch > 1 ? x->batch : 0;
  kind->alignment[which] = alignment_of(x->address);
}

static struct kind kind_of(const struct mxi_cuda_gemm *g) {
  struct kind kind = {.m = g->m, .n = g->n, .k = g->k, .batch = g->batch, .dtype = g->dtype};
  struct mxi_cuda_matrix d = {g->d, g->d_row, 1, g->d_batch};
  kind.has_bias = mxi_cuda_is_bias(g);
  kind.has_c = g->c.address && !kind.has_bias;
  set_matrix(&kind, A, &g->a, mxi_cuda_order_of(&g->a, g->m, g->k));
  set_matrix(&kind, B, &g->b, mxi_cuda_order_of(&g->b, g->k, g->n));
  const struct mxi_cuda_matrix *c = kind.has_c ? &g->c : &d;
  set_matrix(&kind, C, c, mxi_cuda_row_order_of(c, g->m, g->n));
  set_matrix(&kind, D, &d, mxi_cuda_row_order_of(&d, g->m, g->n));
  return kind;
}

/* ---- Plans ---- */
struct plan {
  struct mxi_lru_entry entry;
  struct kind kind;
  cublasLtMatmulDesc_t description;
  cublasLtMatrixLayout_t layout[MATRICES];
  bool possible; /* there is an algorithm */
  cublasLtMatmulAlgo_t algo;
  size_t workspace_bytes;
};

/* With MXI_LOCK_CUDA_PRODUCTS held. */
static cublasLtHandle_t handle;
static struct mxi_lru plans;

static uint64_t hash_kind(const struct kind *kind) { return mxi_mix_bytes(0, kind, sizeof *kind); }
static bool same_kind(const struct mxi_lru_entry *e, const void *key) {
  return memcmp(&((const struct plan *)e)->kind, key, sizeof(struct kind)) == 0;
}

static void drop_plan(struct plan *p) {
  if (!p) return;
  if (p->description) lt.cublasLtMatmulDescDestroy(p->description);
  for (int i = 0; i < MATRICES; i++)
    if (p->layout[i]) lt.cublasLtMatrixLayoutDestroy(p->layout[i]);
  mxi_free(p);
}

/* In which types it stores, computes, and takes alpha and beta. */
struct lt_types {
  int data, compute, scale;
};
static struct lt_types types_of(mx_dtype t) {
  switch (t) {
  case MX_FLOAT16: return (struct lt_types){CUDA_R_16F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
  case MX_BFLOAT16: return (struct lt_types){CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUDA_R_32F};
  case MX_FLOAT64: return (struct lt_types){CUDA_R_64F, CUBLAS_COMPUTE_64F, CUDA_R_64F};
  case MX_COMPLEX64: return (struct lt_types){CUDA_C_32F, CUBLAS_COMPUTE_32F, CUDA_C_32F};
  default: return (struct lt_types){CUDA_R_32F, CUBLAS_COMPUTE_32F, CUDA_R_32F};
  }
}

static int describe_product(struct plan *p, struct lt_types t) {
  LT_TRY(cublasLtMatmulDescCreate(&p->description, t.compute, t.scale));
  int32_t first = p->kind.columns[B] ? CUBLAS_OP_T : CUBLAS_OP_N,
          second = p->kind.columns[A] ? CUBLAS_OP_T : CUBLAS_OP_N, epilogue = CUBLASLT_EPILOGUE_BIAS;
  LT_TRY(cublasLtMatmulDescSetAttribute(p->description, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
  LT_TRY(cublasLtMatmulDescSetAttribute(p->description, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second));
  if (p->kind.has_bias)
    LT_TRY(cublasLtMatmulDescSetAttribute(p->description, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue,
                                          sizeof epilogue));
  return 0;
}

static int describe_matrix(struct plan *p, int which, struct lt_types t, int64_t rows, int64_t columns) {
  bool by_columns = p->kind.columns[which];
  cublasLtMatrixLayout_t *layout = &p->layout[which];
  LT_TRY(cublasLtMatrixLayoutCreate(layout, t.data, (uint64_t)(by_columns ? rows : columns),
                                    (uint64_t)(by_columns ? columns : rows), p->kind.leading[which]));
  if (p->kind.batch == 1) return 0;
  int32_t batch = (int32_t)p->kind.batch;
  LT_TRY(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batch, sizeof batch));
  LT_TRY(cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET,
                                          &p->kind.stride[which], sizeof p->kind.stride[which]));
  return 0;
}

static int set_preference(cublasLtMatmulPreference_t preference, int attribute, uint32_t value) {
  LT_TRY(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value));
  return 0;
}

/* What the algorithm may use. Partial sums are added in float, in an order that doesn't depend on chance. */
static int fill_preference(cublasLtMatmulPreference_t preference, const struct kind *kind) {
  uint64_t workspace = mxi_cuda_device()->major >= 9 ? 32 << 20 : 4 << 20;
  LT_TRY(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                              &workspace, sizeof workspace));
  MXI_TRY(set_preference(preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                         CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  MXI_TRY(set_preference(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kind->alignment[B]));
  MXI_TRY(set_preference(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kind->alignment[A]));
  MXI_TRY(set_preference(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kind->alignment[C]));
  return set_preference(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kind->alignment[D]);
}

static int choose_algorithm(struct plan *p) {
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulHeuristicResult_t best = {0};
  int found = 0;
  LT_TRY(cublasLtMatmulPreferenceCreate(&preference));
  int result = fill_preference(preference, &p->kind);
  if (result == 0) {
    cublasStatus_t status =
        lt.cublasLtMatmulAlgoGetHeuristic(handle, p->description, p->layout[B], p->layout[A], p->layout[C],
                                          p->layout[D], preference, 1, &best, &found);
    p->possible = status == CUBLAS_STATUS_SUCCESS && found && best.state == CUBLAS_STATUS_SUCCESS;
    p->algo = best.algo;
    p->workspace_bytes = best.workspaceSize;
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) result = check_lt(status, "cublasLtMatmulAlgoGetHeuristic");
  }
  lt.cublasLtMatmulPreferenceDestroy(preference);
  return result;
}

static int fill_plan(struct plan *p) {
  struct lt_types t = types_of((mx_dtype)p->kind.dtype);
  MXI_TRY(describe_product(p, t));
  MXI_TRY(describe_matrix(p, A, t, p->kind.m, p->kind.k));
  MXI_TRY(describe_matrix(p, B, t, p->kind.k, p->kind.n));
  MXI_TRY(describe_matrix(p, C, t, p->kind.m, p->kind.n));
  MXI_TRY(describe_matrix(p, D, t, p->kind.m, p->kind.n));
  return choose_algorithm(p);
}

static int begin_cublaslt(void) {
  if (handle) return 0;
  MXI_TRY(mxi_cuda_enter());
  MXI_TRY(mxi_cuda_library_open(&library, (void **)&lt));
  LT_TRY(cublasLtCreate(&handle));
  return 0;
}

static struct plan *plan_of(const struct kind *kind) {
  enum { MOST_PLANS = 2048 };
  uint64_t hash = hash_kind(kind);
  struct plan *p = (struct plan *)mxi_lru_find(&plans, hash, same_kind, kind);
  if (p || !(p = mxi_calloc(1, sizeof *p))) return p;
  p->kind = *kind;
  if (fill_plan(p) < 0 || mxi_lru_put(&plans, &p->entry, hash) < 0) {
    drop_plan(p);
    return NULL;
  }
  if (plans.n > MOST_PLANS) drop_plan((struct plan *)mxi_lru_take_oldest(&plans));
  return p;
}

/* ---- Running one ---- */
union scalar {
  float f32[2]; /* of complex64 both */
  double f64;
};
static union scalar scalar_of(double value, mx_dtype t) {
  union scalar s = {.f32 = {(float)value, 0}};
  if (t == MX_FLOAT64) s.f64 = value;
  return s;
}

static int submit(mx_stream s, const struct mxi_cuda_gemm *g, struct plan *p) {
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(s);
  struct mxi_cuda_scratch workspace = {0};
  union scalar alpha = scalar_of(g->alpha, g->dtype), beta = scalar_of(p->kind.has_c ? g->beta : 0, g->dtype);
  if (!stream) return -1;
  if (p->kind.has_bias)
    LT_TRY(cublasLtMatmulDescSetAttribute(p->description, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &g->c.address,
                                          sizeof g->c.address));
  if (p->workspace_bytes) MXI_TRY(mxi_cuda_scratch_take(s, p->workspace_bytes, &workspace));
  cublasStatus_t status =
      lt.cublasLtMatmul(handle, p->description, &alpha, g->b.address, p->layout[B], g->a.address,
                        p->layout[A], &beta, p->kind.has_c ? g->c.address : g->d, p->layout[C], g->d,
                        p->layout[D], &p->algo, workspace.address, p->workspace_bytes, stream->handle);
  mxi_cuda_count(stream);
  mxi_cuda_scratch_free(&workspace);
  return check_lt(status, "cublasLtMatmul");
}

int mxi_cuda_cublaslt_run(mx_stream s, const struct mxi_cuda_gemm *g, bool *served) {
  struct kind kind = kind_of(g);
  *served = false;
  mxi_lock(MXI_LOCK_CUDA_PRODUCTS);
  struct plan *p = begin_cublaslt() < 0 ? NULL : plan_of(&kind);
  int result = p ? 0 : -1;
  if (p && p->possible) {
    result = submit(s, g, p);
    *served = true;
  }
  mxi_unlock(MXI_LOCK_CUDA_PRODUCTS);
  return result;
}
