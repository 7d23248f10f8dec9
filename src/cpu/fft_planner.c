/* Making plans. A plan is complete when it is handed out, its convolution's spectrum included, which the
   finished plan of the convolution's length computes; what runs a plan (fft_run.c) never asks for another. */
#include "cpu/fft_planner.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/lock.h"
#include "cpu/fft_run.h"
#include <math.h>
#include <string.h>

enum {
  SMALL = 1024,                     /* up to here transforms of many lines run in blocks */
  LEAST_FOUR_STEP = 256,            /* and from here on, those of a few lines are split */
  BLOCK_MAX = MXI_FFT_BLOCK_LENGTH, /* a longer one may where its factors don't split it well */
  MIN_FACTOR = 16                   /* a split into fewer columns leaves lanes idle */
};

/* ---- Roots of unity ---- */
/* exp(-2 pi i a / n), 0 <= a < n: by quadrants, so that it is exact at their ends. */
static void root_of_unity(int64_t a, int64_t n, double *re, double *im) {
  int64_t quadrant = 4 * a / n, rest = 4 * a - quadrant * n;
  bool upper = 2 * rest > n; /* beyond pi / 4 */
  double angle = M_PI_2 * (double)(upper ? n - rest : rest) / (double)n;
  double c = upper ? sin(angle) : cos(angle), s = upper ? cos(angle) : sin(angle);
  const double rotated[4][2] = {{c, -s}, {-s, -c}, {-c, s}, {s, c}};
  *re = rotated[quadrant][0];
  *im = rotated[quadrant][1];
}

static int roots_init(struct mxi_fft_roots *r, int64_t order) {
  r->order = order;
  r->shift = 0;
  while ((int64_t)1 << 2 * r->shift < order) r->shift++;
  int64_t size = (int64_t)1 << r->shift, coarse = (order >> r->shift) + 1;
  r->fine = mxi_malloc((size_t)(size + coarse) * 2 * sizeof(double));
  if (!r->fine) return -1;
  r->coarse = r->fine + 2 * size;
  for (int64_t i = 0; i < size; i++) root_of_unity(i % order, order, r->fine + 2 * i, r->fine + 2 * i + 1);
  for (int64_t i = 0; i < coarse; i++)
    root_of_unity((i << r->shift) % order, order, r->coarse + 2 * i, r->coarse + 2 * i + 1);
  return 0;
}
static size_t roots_bytes(const struct mxi_fft_roots *r) {
  return (size_t)(((int64_t)1 << r->shift) + (r->order >> r->shift) + 1) * 2 * sizeof(double);
}

static void root_float(const struct mxi_fft_roots *r, int64_t a, float *out) {
  double re, im;
  mxi_fft_root(r, a, &re, &im);
  out[0] = (float)re;
  out[1] = (float)im;
}

/* ---- Factors ---- */
static int64_t largest_prime(int64_t n) {
  int64_t largest = 1;
  for (int64_t p = 2; p * p <= n; p++)
    for (; n % p == 0; n /= p) largest = p;
  return n > 1 ? n : largest;
}
static bool is_smooth(int64_t n) { return largest_prime(n) <= MXI_FFT_MAX_RADIX; }
static bool fits_block(int64_t n) { return n <= SMALL || (n <= BLOCK_MAX && is_smooth(n)); }

/* The factor nearest to sqrt(n) from below that splits n into two blocks, else 0. */
static int64_t block_factor(int64_t n) {
  for (int64_t d = (int64_t)sqrt((double)n); d >= MIN_FACTOR && n / d <= BLOCK_MAX; d--)
    if (n % d == 0 && fits_block(d) && fits_block(n / d)) return d;
  return 0;
}
/* The same for a smooth n of any size, whose cofactor is split further. */
static int64_t smooth_factor(int64_t n) {
  int64_t d = mxi_min(SMALL, (int64_t)sqrt((double)n));
  while (n % d) d--;
  return d;
}

/* A length that is quick to transform, at least n. */
static int64_t next_fast_length(int64_t n) {
  int64_t best = INT64_MAX;
  for (int64_t fives = 1; fives <= 125; fives *= 5)
    for (int64_t odd = fives; odd <= 27 * fives; odd *= 3) {
      int64_t m = odd;
      while (m < n) m *= 2;
      best = mxi_min(best, m);
    }
  return best;
}

/* The radices of a smooth n: 8s and 4s before odd primes, and at most one 2. Returns their number. */
static int radices_of(int64_t n, int *radices) {
  int count = 0, twos = 0;
  for (; n % 2 == 0; n /= 2) twos++;
  while (twos >= 3 && twos != 4) radices[count++] = 8, twos -= 3;
  while (twos >= 2) radices[count++] = 4, twos -= 2;
  if (twos) radices[count++] = 2;
  for (int p = 3; n > 1; p += 2)
    for (; n % p == 0; n /= p) radices[count++] = p;
  return count;
}

/* ---- Stages ---- */
static bool needs_roots(int radix) { return radix > 5 && radix % 2; }

static int stages_init(struct mxi_fft_plan *p, int64_t n) {
  int radices[MXI_FFT_STAGES], count = radices_of(n, radices);
  int64_t floats = 0, groups = n;
  for (int i = 0; i < count; i++) {
    groups /= radices[i];
    floats += 2 * groups * (radices[i] - 1) + (needs_roots(radices[i]) ? 2 * radices[i] : 0);
  }
  p->stages = (struct mxi_fft_stages){.n = n, .count = count};
  p->tables = mxi_malloc((size_t)floats * sizeof(float));
  struct mxi_fft_roots roots;
  if (!p->tables || roots_init(&roots, n) < 0) return -1;
  p->bytes += (size_t)floats * sizeof(float);
  float *at = p->tables;
  int64_t stride = 1;
  for (int i = 0; i < count; i++) {
    int radix = radices[i];
    struct mxi_fft_stage *s = &p->stages.stage[i];
    *s = (struct mxi_fft_stage){radix, n / stride / radix, stride, at, NULL};
    for (int64_t group = 0; group < s->groups; group++)
      for (int j = 1; j < radix; j++, at += 2) root_float(&roots, group * j * stride, at);
    if (needs_roots(radix)) {
      s->roots = at;
      for (int j = 0; j < radix; j++, at += 2) {
        root_float(&roots, j * (n / radix), at);
        at[1] = -at[1];
      }
    }
    stride *= radix;
  }
  mxi_free(roots.fine);
  return 0;
}

/* ---- Bluestein's algorithm (1970): jk = (j^2 + k^2 - (k - j)^2) / 2 makes a transform of any length a
   convolution with a chirp. ---- */
static int convolution_init(struct mxi_fft_plan *p) {
  int64_t n = p->n, m = p->m, square = 0; /* k^2 mod 2n */
  struct mxi_fft_roots roots;
  if (roots_init(&roots, 2 * n) < 0) return -1;
  p->chirp = mxi_malloc((size_t)n * 2 * sizeof(float));
  p->spectrum = mxi_calloc((size_t)m, 2 * sizeof(float));
  if (p->chirp && p->spectrum)
    for (int64_t k = 0; k < n; k++) {
      root_float(&roots, square, p->chirp + 2 * k);
      for (int side = 0; side < 2; side++) {
        float *conjugate = p->spectrum + 2 * (side && k ? m - k : k);
        conjugate[0] = p->chirp[2 * k];
        conjugate[1] = -p->chirp[2 * k + 1];
      }
      square = (square + 2 * k + 1) % (2 * n);
    }
  mxi_free(roots.fine);
  if (!p->chirp || !p->spectrum) return -1;
  p->bytes += (size_t)(n + m) * 2 * sizeof(float);
  struct mxi_fft_plan *convolution = p->first ? p->first : mxi_fft_plan_get(m, false, MXI_FFT_FEW);
  if (!convolution) return -1;
  struct mxi_fft_row line = {p->spectrum, 2, 1, false};
  int result = mxi_fft_run_line(convolution, line, line, 1 / (float)m);
  if (!p->first) mxi_fft_plan_unref(convolution);
  return result;
}

/* ---- Plans ---- */
static int block_bluestein_init(struct mxi_fft_plan *p) {
  p->kind = MXI_FFT_BLOCK_BLUESTEIN;
  p->m = next_fast_length(2 * p->n - 1);
  return stages_init(p, p->m) < 0 ? -1 : convolution_init(p);
}

static int bluestein_init(struct mxi_fft_plan *p) {
  p->kind = MXI_FFT_BLUESTEIN;
  p->m = next_fast_length(2 * p->n - 1);
  p->first = mxi_fft_plan_get(p->m, false, MXI_FFT_FEW);
  return p->first ? convolution_init(p) : -1;
}

static int four_step_init(struct mxi_fft_plan *p, int64_t factor) {
  int64_t rest = p->n / factor;
  p->kind = MXI_FFT_FOUR_STEP;
  p->first = mxi_fft_plan_get(factor, false, MXI_FFT_PART);
  p->second = p->first ? mxi_fft_plan_get(rest, false, fits_block(rest) ? MXI_FFT_PART : MXI_FFT_FEW) : NULL;
  if (!p->second || roots_init(&p->roots, p->n) < 0) return -1;
  p->bytes += roots_bytes(&p->roots);
  return 0;
}

static int complex_init(struct mxi_fft_plan *p) {
  bool smooth = is_smooth(p->n);
  bool split = p->use == MXI_FFT_FEW ? p->n >= LEAST_FOUR_STEP : p->use == MXI_FFT_MANY && p->n > SMALL;
  int64_t factor = split ? block_factor(p->n) : 0;
  if (factor) return four_step_init(p, factor);
  if (smooth && fits_block(p->n)) return stages_init(p, p->n);
  if (smooth) return four_step_init(p, smooth_factor(p->n));
  return p->n <= SMALL ? block_bluestein_init(p) : bluestein_init(p);
}

static int packed_real_init(struct mxi_fft_plan *p) {
  p->kind = MXI_FFT_PACKED_REAL;
  int64_t count = p->n / 4 + 1;
  p->first = mxi_fft_plan_get(p->n / 2, false, p->use);
  p->real_twiddles = p->first ? mxi_malloc((size_t)count * 2 * sizeof(float)) : NULL;
  struct mxi_fft_roots roots;
  if (!p->real_twiddles || roots_init(&roots, p->n) < 0) return -1;
  for (int64_t k = 0; k < count; k++) root_float(&roots, k, p->real_twiddles + 2 * k);
  mxi_free(roots.fine);
  p->bytes += (size_t)count * 2 * sizeof(float);
  return 0;
}

void mxi_fft_plan_unref(struct mxi_fft_plan *p) {
  if (!p || atomic_fetch_sub(&p->refs, 1) != 1) return;
  mxi_free(p->tables);
  mxi_free(p->chirp);
  mxi_free(p->spectrum);
  mxi_free(p->roots.fine);
  mxi_free(p->real_twiddles);
  mxi_fft_plan_unref(p->first);
  mxi_fft_plan_unref(p->second);
  mxi_free(p);
}

static struct mxi_fft_plan *make(int64_t n, bool packed_real, enum mxi_fft_use use) {
  struct mxi_fft_plan *p = mxi_calloc(1, sizeof *p);
  if (!p) return NULL;
  atomic_init(&p->refs, 1);
  p->n = n;
  p->use = use;
  p->bytes = sizeof *p;
  if ((packed_real ? packed_real_init(p) : complex_init(p)) == 0) return p;
  mxi_fft_plan_unref(p);
  return NULL;
}

/* ---- The cache: the plans used last, within a number and a size ---- */
enum { PLANS_KEPT = 1024, BYTES_KEPT = 128 << 20 };
static struct {
  struct mxi_lru plans;
  size_t bytes;
} cache; /* under MXI_LOCK_FFT_PLANS */

struct wanted {
  int64_t n;
  bool packed_real;
  enum mxi_fft_use use;
};
static bool is_wanted(const struct mxi_lru_entry *e, const void *wanted) {
  const struct mxi_fft_plan *p = (const struct mxi_fft_plan *)e;
  const struct wanted *w = wanted;
  return p->n == w->n && (p->kind == MXI_FFT_PACKED_REAL) == w->packed_real && p->use == w->use;
}
static uint64_t hash_wanted(const struct wanted *w) {
  return (uint64_t)w->n << 3 | (uint64_t)w->use << 1 | w->packed_real;
}

/* With a reference for the caller. */
static struct mxi_fft_plan *find(const struct wanted *w) {
  struct mxi_fft_plan *p = (struct mxi_fft_plan *)mxi_lru_find(&cache.plans, hash_wanted(w), is_wanted, w);
  if (p) atomic_fetch_add(&p->refs, 1);
  return p;
}

/* Takes out one plan too many; NULL when all may stay. */
static struct mxi_fft_plan *take_excess(void) {
  if (cache.plans.n <= PLANS_KEPT && cache.bytes <= BYTES_KEPT) return NULL;
  struct mxi_fft_plan *p = (struct mxi_fft_plan *)mxi_lru_take_oldest(&cache.plans);
  cache.bytes -= p->bytes;
  return p;
}

/* Two threads may have made one plan: both are kept until the older one drops out. A plan that doesn't get in
   is dropped after its use. */
static int keep(struct mxi_fft_plan *p, const struct wanted *w) {
  struct mxi_fft_plan *excess;
  if (p->bytes > BYTES_KEPT) return 0;
  mxi_lock(MXI_LOCK_FFT_PLANS);
  int result = mxi_lru_put(&cache.plans, &p->entry, hash_wanted(w));
  if (result == 0) {
    cache.bytes += p->bytes;
    atomic_fetch_add(&p->refs, 1);
  }
  while ((excess = take_excess())) {
    mxi_unlock(MXI_LOCK_FFT_PLANS);
    mxi_fft_plan_unref(excess);
    mxi_lock(MXI_LOCK_FFT_PLANS);
  }
  mxi_unlock(MXI_LOCK_FFT_PLANS);
  return result;
}

struct mxi_fft_plan *mxi_fft_plan_get(int64_t n, bool packed_real, enum mxi_fft_use use) {
  const struct wanted w = {n, packed_real, use};
  mxi_lock(MXI_LOCK_FFT_PLANS);
  struct mxi_fft_plan *p = find(&w);
  mxi_unlock(MXI_LOCK_FFT_PLANS);
  if (p || !(p = make(n, packed_real, use)) || keep(p, &w) == 0) return p;
  mxi_fft_plan_unref(p);
  return NULL;
}
