/* Random numbers as functions of a key. All come from RANDOM_BITS (Threefry-2x32, 20 rounds: Salmon, Moraes,
   Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011); the order and the rounding of the
   steps that follow are fixed, so that a key gives the same numbers everywhere. */
#include "mlx/linalg.h"
#include "mlx/random.h"
#include "ops/common.h"
#include <float.h>
#include <math.h>
#include <pthread.h>
#include <time.h>

/* ---- Keys ---- */
mx_array mx_random_key(uint64_t seed) {
  uint32_t words[] = {(uint32_t)(seed >> 32), (uint32_t)seed};
  return mx_array_from(words, MX_SHAPE(2), MX_UINT32);
}

/* The thread's key; a reference of its own. NULL until it is first asked for. */
static _Thread_local mx_array thread_key;
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;
static void release_at_exit(void *key) { mxi_unref(key); }
static void make_exit_key(void) { pthread_key_create(&exit_key, release_at_exit); }

static int set_thread_key(mx_array key) {
  if (!mx_ok(key)) return -1;
  pthread_once(&exit_once, make_exit_key);
  mxi_ref(key);
  mxi_unref(thread_key);
  thread_key = key;
  pthread_setspecific(exit_key, key);
  return 0;
}

static int check_key(mx_array key) {
  if (!mxi_usable1("random", key)) return -1;
  if (mxi_dtype(key) != MX_UINT32)
    return mxi_fail(MX_INVALID_ARGUMENT, "[random] expected a key of dtype uint32, got %s",
                    mx_dtype_name(mxi_dtype(key)));
  if (mx_dim(key, -1) != 2)
    return mxi_fail(MX_INVALID_ARGUMENT, "[random] expected a key of shape (2), got %s", MXI_SHAPE_TEXT(key));
  return 0;
}

int mx_random_seed(uint64_t seed) {
  mx_scope s = mx_scope_open();
  int result = set_thread_key(mx_random_key(seed));
  mx_scope_close(&s);
  return result;
}

int mx_random_set_state(mx_array key) { return check_key(key) < 0 ? -1 : set_thread_key(key); }

static int seed_from_time(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return mx_random_seed((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

mx_array mx_random_state(void) {
  if (!thread_key && seed_from_time() < 0) return MX_BAD;
  return mxi_itself(thread_key);
}

static mx_array key_at(mx_array keys, int64_t i) {
  return mx_reshape(mx_slice(keys, MX_SHAPE(i, 0), MX_SHAPE(i + 1, 2), MX_SHAPE(1, 1)), MX_SHAPE(2));
}
/* The thread's key is split in two: one half replaces it, the other serves this draw. */
static mx_array next_key(void) {
  mx_array halves = mx_random_split(mx_random_state(), 2);
  if (set_thread_key(key_at(halves, 0)) < 0) return MX_BAD;
  return key_at(halves, 1);
}

/* ---- Bits ---- */
mx_array mx_random_bits(mx_ints shape, int width, mx_array key) {
  if (width != 1 && width != 2 && width != 4)
    return mxi_bad(MX_INVALID_ARGUMENT, "[random_bits] expected a width of 1, 2 or 4 bytes, got %d", width);
  if (mxi_check_shape("random_bits", shape, NULL) < 0) return MX_BAD;
  if (!key) return MXI_COMPOSED(mx_random_bits(shape, width, next_key()));
  if (check_key(key) < 0) return MX_BAD;
  int64_t dims[MX_MAX_NDIM];
  int keys = key->ndim - 1;
  if (keys + shape.n > MX_MAX_NDIM)
    return mxi_bad(MX_INVALID_ARGUMENT, "[random_bits] expected at most %d dimensions, got %d", MX_MAX_NDIM,
                   keys + shape.n);
  mxi_copy_ints(dims, (mx_ints){key->dims, keys});
  mxi_copy_ints(dims + keys, shape);
  struct mxi_p_RANDOM_BITS p = {.width = width};
  mx_dtype t = width == 1 ? MX_UINT8 : width == 2 ? MX_UINT16 : MX_UINT32;
  return mxi_apply(MXI_RANDOM_BITS, &p, 1, &key, t, (mx_ints){dims, keys + shape.n});
}

mx_array mx_random_split(mx_array key, int num) {
  if (num < 0) return mxi_bad(MX_INVALID_ARGUMENT, "[split] expected a number of keys >= 0, got %d", num);
  if (key && check_key(key) < 0) return MX_BAD;
  return mx_random_bits(MX_SHAPE(num, 2), 4, key);
}

/* ---- Uniform ---- */
/* The largest value below 1. */
static double below_one(mx_dtype t) {
  return t == MX_FLOAT16 ? 1 - 0x1p-11 : t == MX_BFLOAT16 ? 1 - 0x1p-8 : 1 - 0x1p-24;
}

/* r, made for bounds that must broadcast to `shape`; a batch of keys comes in front of it. */
static mx_array of_shape(mx_array r, mx_array low, mx_array high, mx_ints shape) {
  if (!mx_ok(r) || mxi_ints_equal((mx_ints){r->dims + r->ndim - shape.n, shape.n}, shape)) return r;
  return mxi_bad(MX_INVALID_ARGUMENT, "[uniform] expected bounds that broadcast to shape %s, got %s and %s",
                 mxi_shape_text(shape).s, MXI_SHAPE_TEXT(low), MXI_SHAPE_TEXT(high));
}

/* [0, 1) (high - low) + low, each step rounded to t. */
static mx_array uniform(mx_array low, mx_array high, mx_ints shape, mx_dtype t, mx_array key) {
  mx_array bits = mx_astype(mx_random_bits(shape, 4, key), MX_FLOAT32);
  mx_array part = mx_astype(mx_multiply(bits, mx_float(0x1p-32)), t);
  part = mx_minimum(part, mx_scalar(below_one(t), t));
  low = mx_astype(low, t);
  mx_array r = mx_add(mx_multiply(part, mx_subtract(mx_astype(high, t), low)), low);
  return of_shape(r, low, high, shape);
}

/* The dtypes that uniform numbers come in. */
static int check_float(const char *op, mx_dtype t) {
  if (t == MX_FLOAT16 || t == MX_BFLOAT16 || t == MX_FLOAT32) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected float16, bfloat16 or float32, got %s", op,
                  (unsigned)t < MX_DTYPE_COUNT ? mx_dtype_name(t) : "no dtype");
}

/* Optional operands: a BAD one is passed on, an absent one is fine. */
static bool none_bad(mx_array a, mx_array b, mx_array c) { return a != MX_BAD && b != MX_BAD && c != MX_BAD; }

mx_array mx_random_uniform(mx_array low, mx_array high, mx_ints shape, mx_dtype t, mx_array key) {
  if (!none_bad(low, high, key) || check_float("uniform", t) < 0) return MX_BAD;
  return MXI_NAMED("uniform",
                   uniform(low ? low : mx_scalar(0, t), high ? high : mx_scalar(1, t), shape, t, key));
}

/* (-1, 1) in float32: the source of the distributions that are symmetric about 0. */
static mx_array symmetric(mx_ints shape, mx_array key) {
  return uniform(mx_float(-0x1.fffffep-1), mx_float(1), shape, MX_FLOAT32, key);
}

/* ---- Normal ---- sqrt(2) erfinv(u) scale + loc ---- */
/* x scale + loc, in x's dtype; `factor` is multiplied into the scale first. */
static mx_array located(mx_array x, mx_array scale, mx_array loc, mx_array factor) {
  if (!mx_ok(x)) return MX_BAD;
  mx_dtype t = mxi_dtype(x);
  if (scale) scale = mx_astype(scale, t);
  if (factor) scale = scale ? mx_multiply(factor, scale) : factor;
  if (scale) x = mx_multiply(x, scale);
  return loc ? mx_add(x, mx_astype(loc, t)) : x;
}

static mx_array normal(mx_ints shape, mx_dtype t, mx_array loc, mx_array scale, mx_array key) {
  return located(mx_astype(mx_erfinv(symmetric(shape, key)), t), scale, loc, mx_scalar(M_SQRT2, t));
}
/* Real and imaginary part of variance 1/2 each. */
static mx_array complex_normal(mx_ints shape, mx_array loc, mx_array scale, mx_array key) {
  int64_t pairs[MX_MAX_NDIM];
  if (shape.n >= MX_MAX_NDIM)
    return mxi_bad(MX_INVALID_ARGUMENT, "[normal] expected fewer than %d dimensions, got %d", MX_MAX_NDIM,
                   shape.n);
  mxi_copy_ints(pairs, shape);
  pairs[shape.n] = 2;
  mx_array parts = mx_erfinv(symmetric((mx_ints){pairs, shape.n + 1}, key));
  return located(mx_squeeze(mx_view(parts, MX_COMPLEX64), MX_AXES(-1)), scale, loc, NULL);
}

mx_array mx_random_normal(mx_ints shape, mx_dtype t, mx_array loc, mx_array scale, mx_array key) {
  if (!none_bad(loc, scale, key)) return MX_BAD;
  if ((unsigned)t >= MX_DTYPE_COUNT || !mxi_is_inexact(t))
    return mxi_bad(MX_INVALID_ARGUMENT, "[normal] expected a floating point dtype or complex64, got %s",
                   (unsigned)t < MX_DTYPE_COUNT ? mx_dtype_name(t) : "no dtype");
  if (mxi_check_shape("normal", shape, NULL) < 0) return MX_BAD;
  if (t == MX_COMPLEX64) return MXI_NAMED("normal", complex_normal(shape, loc, scale, key));
  return MXI_NAMED("normal", normal(shape, t, loc, scale, key));
}

/* A normal variable kept within bounds: erfinv of a uniform one between erf(lower / sqrt 2) and erf(upper /
 * sqrt 2). */
static mx_array truncated_normal(mx_array lower, mx_array upper, mx_ints shape, mx_dtype t, mx_array key) {
  mx_array root = mx_scalar(M_SQRT2, t);
  lower = mx_astype(lower, t);
  upper = mx_astype(upper, t);
  mx_array u = uniform(mx_erf(mx_divide(lower, root)), mx_erf(mx_divide(upper, root)), shape, t, key);
  return mx_maximum(mx_minimum(mx_multiply(root, mx_erfinv(u)), upper), lower);
}

mx_array mx_random_truncated_normal(mx_array lower, mx_array upper, mx_ints shape, mx_dtype t, mx_array key) {
  if (!mxi_usable2("truncated_normal", lower, upper) || key == MX_BAD ||
      check_float("truncated_normal", t) < 0)
    return MX_BAD;
  int64_t common[MX_MAX_NDIM];
  if (shape.n < 0) {
    shape.n = mxi_broadcast_shape("truncated_normal", mxi_shape_of(lower), mxi_shape_of(upper), common);
    shape.v = common;
  }
  return shape.n < 0 ? MX_BAD : MXI_NAMED("truncated_normal", truncated_normal(lower, upper, shape, t, key));
}

/* ---- Gumbel and Laplace ---- */
mx_array mx_random_gumbel(mx_ints shape, mx_dtype t, mx_array key) {
  if (key == MX_BAD) return MX_BAD;
  return MXI_NAMED("gumbel",
                   mx_negative(mx_log(mx_negative(mx_log(mx_random_uniform(NULL, NULL, shape, t, key))))));
}

/* ---- Multivariate normal ---- mean + z U sqrt(S) V^T, with the covariance U S V^T ---- */
static mx_array multivariate_normal(mx_array mean, mx_array cov, mx_ints batch, mx_array key) {
  int64_t shape[MX_MAX_NDIM];
  mx_array u, s, vt;
  if (mx_linalg_svd(mx_astype(cov, MX_FLOAT32), &u, &s, &vt) < 0) return MX_BAD;
  mx_array root = mx_matmul(mx_multiply(u, mx_expand_dims(mx_sqrt(s), MX_AXES(-2))), vt);
  mxi_copy_ints(shape, batch);
  shape[batch.n] = mx_dim(mean, -1);
  mx_array z = normal((mx_ints){shape, batch.n + 1}, MX_FLOAT32, NULL, NULL, key);
  mx_array turned = mx_squeeze(mx_matmul(mx_expand_dims(z, MX_AXES(-2)), root), MX_AXES(-2));
  return mx_add(mx_astype(mean, MX_FLOAT32), turned);
}

/* The batch's shape in out: its length, or -1. */
static int multivariate_batch(mx_array mean, mx_array cov, mx_ints shape, int64_t *out) {
  const char *op = "multivariate_normal";
  if (mean->ndim < 1 || cov->ndim < 2 || mx_dim(cov, -1) != mx_dim(cov, -2) ||
      mx_dim(cov, -1) != mx_dim(mean, -1))
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected a mean (..., N) and a covariance (..., N, N), got shapes %s and %s", op,
                    MXI_SHAPE_TEXT(mean), MXI_SHAPE_TEXT(cov));
  int64_t own[MX_MAX_NDIM];
  int n = mxi_broadcast_shape(op, (mx_ints){mean->dims, mean->ndim - 1}, (mx_ints){cov->dims, cov->ndim - 2},
                              own);
  if (n < 0 || mxi_check_shape(op, shape, NULL) < 0) return -1;
  if (shape.n == 0) return mxi_copy_ints(out, (mx_ints){own, n}).n;
  n = mxi_broadcast_shape(op, (mx_ints){own, n}, shape, out);
  if (n >= 0 && !mxi_ints_equal((mx_ints){out, n}, shape))
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected a shape to which mean and covariance broadcast, got %s for %s and %s", op,
                    mxi_shape_text(shape).s, MXI_SHAPE_TEXT(mean), MXI_SHAPE_TEXT(cov));
  return n;
}

mx_array mx_random_multivariate_normal(mx_array mean, mx_array cov, mx_ints shape, mx_dtype t, mx_array key) {
  int64_t batch[MX_MAX_NDIM];
  if (!mxi_usable2("multivariate_normal", mean, cov) || key == MX_BAD) return MX_BAD;
  if (t != MX_FLOAT32)
    return mxi_bad(MX_INVALID_ARGUMENT, "[multivariate_normal] expected dtype float32, got %s",
                   (unsigned)t < MX_DTYPE_COUNT ? mx_dtype_name(t) : "no dtype");
  int n = multivariate_batch(mean, cov, shape, batch);
  if (n < 0) return MX_BAD;
  if (n >= MX_MAX_NDIM)
    return mxi_bad(MX_INVALID_ARGUMENT, "[multivariate_normal] expected fewer than %d dimensions, got %d",
                   MX_MAX_NDIM, n);
  return MXI_COMPOSED(multivariate_normal(mean, cov, (mx_ints){batch, n}, key));
}

static mx_array laplace(mx_ints shape, mx_dtype t, mx_array loc, mx_array scale, mx_array key) {
  mx_array u = symmetric(shape, key);
  return located(mx_astype(mx_multiply(mx_sign(u), mx_log1p(mx_negative(mx_abs(u)))), t), scale, loc, NULL);
}
mx_array mx_random_laplace(mx_ints shape, mx_dtype t, mx_array loc, mx_array scale, mx_array key) {
  if (!none_bad(loc, scale, key) || mxi_check_shape("laplace", shape, NULL) < 0) return MX_BAD;
  if ((unsigned)t >= MX_DTYPE_COUNT || !mxi_is_float(t))
    return mxi_bad(MX_INVALID_ARGUMENT, "[laplace] expected a real floating point dtype, got %s",
                   (unsigned)t < MX_DTYPE_COUNT ? mx_dtype_name(t) : "no dtype");
  return MXI_NAMED("laplace", laplace(shape, t, loc, scale, key));
}

/* ---- Discrete ---- */
/* floor of a uniform float32 in [low, high); rounding may have brought it up to high. */
static mx_array randint_by_float(mx_array low, mx_array high, mx_ints shape, mx_dtype t, mx_array key) {
  low = mx_astype(low, MX_FLOAT32);
  high = mx_astype(high, MX_FLOAT32);
  mx_array u = mx_floor(uniform(low, high, shape, MX_FLOAT32, key));
  if (t == MX_BOOL) return mx_astype(u, t);
  return mx_astype(mx_maximum(mx_minimum(u, mx_subtract(high, mx_float(1))), low), t);
}

/* Modulo 2^64, as a bound of any dtype is computed with. */
static mx_array modular(mx_array bound) {
  return mxi_dtype(bound) == MX_UINT64 ? bound : mx_astype(mx_astype(bound, MX_INT64), MX_UINT64);
}
static mx_array is_negative(mx_array bound) { return mx_less(bound, mx_like(bound, 0)); }
/* high - low; 0 for an empty range. */
static mx_array span_of(mx_array low, mx_array high) {
  mx_array from = modular(low), to = modular(high), below = mx_less(from, to);
  below = mx_where(mx_equal(is_negative(low), is_negative(high)), below, is_negative(low));
  return mx_where(below, mx_subtract(to, from), mx_scalar_int(0, MX_UINT64));
}

enum { WORDS = 3 };
/* low + floor(0.b span), where b is 96 random bits behind the binary point: each value of the range has its
   share of the 2^96 numbers, or one more. Word by word from the last, r = floor((word span + r) / 2^32) <
   span, in two halves of the span, so that nothing overflows. */
static mx_array randint_by_words(mx_array low, mx_array high, mx_ints shape, mx_array key) {
  int64_t dims[MX_MAX_NDIM];
  if (mxi_check_shape("randint", shape, NULL) < 0) return MX_BAD;
  if (shape.n == MX_MAX_NDIM)
    return mxi_bad(MX_INVALID_ARGUMENT, "[randint] expected fewer than %d dimensions, got %d", MX_MAX_NDIM,
                   shape.n);
  mxi_copy_ints(dims, shape);
  dims[shape.n] = WORDS;
  mx_array words[WORDS], shift = mx_scalar_int(32, MX_UINT64), half = mx_scalar_int(0xffffffff, MX_UINT64);
  if (mx_unstack(mx_random_bits((mx_ints){dims, shape.n + 1}, 4, key), -1, words) < 0) return MX_BAD;
  mx_array span = span_of(low, high), r = mx_scalar_int(0, MX_UINT64);
  mx_array upper = mx_right_shift(span, shift), lower = mx_bitwise_and(span, half);
  for (int i = WORDS; i--;) {
    mx_array word = mx_astype(words[i], MX_UINT64);
    mx_array carried = mx_add(mx_multiply(word, lower), mx_bitwise_and(r, half));
    r = mx_add(mx_multiply(word, upper), mx_add(mx_right_shift(r, shift), mx_right_shift(carried, shift)));
  }
  return of_shape(mx_add(modular(low), r), low, high, shape);
}

/* Up to here float32 has every integer. */
static const double MOST_BY_FLOAT = 0x1p24;
enum range { SMALL, LARGE, UNKNOWN };
static enum range range_of(mx_array low, mx_array high, mx_dtype t) {
  if (t == MX_BOOL || (mx_dtype_size(mxi_dtype(low)) <= 2 && mx_dtype_size(mxi_dtype(high)) <= 2))
    return SMALL;
  if (!mxi_is_constant(low) || !mxi_is_constant(high)) return UNKNOWN;
  double from = mxi_scalar_load(low->data, mxi_dtype(low), NULL),
         to = mxi_scalar_load(high->data, mxi_dtype(high), NULL);
  return fmax(fmax(fabs(from), fabs(to)), to - from) <= MOST_BY_FLOAT ? SMALL : LARGE;
}
static mx_array is_small(mx_array low, mx_array high) {
  low = mx_astype(low, MX_FLOAT64);
  high = mx_astype(high, MX_FLOAT64);
  mx_array most = mx_maximum(mx_maximum(mx_abs(low), mx_abs(high)), mx_subtract(high, low));
  return mx_less_equal(most, mx_scalar(MOST_BY_FLOAT, MX_FLOAT64));
}
static mx_array randint(mx_array low, mx_array high, mx_ints shape, mx_dtype t, mx_array key) {
  enum range range = range_of(low, high, t);
  if (range == SMALL) return randint_by_float(low, high, shape, t, key);
  if (!key) key = next_key();
  mx_array r = mx_astype(randint_by_words(low, high, shape, key), t);
  return range == LARGE ? r : mx_where(is_small(low, high), randint_by_float(low, high, shape, t, key), r);
}
mx_array mx_random_randint(mx_array low, mx_array high, mx_ints shape, mx_dtype t, mx_array key) {
  if (!mxi_usable2("randint", low, high) || key == MX_BAD) return MX_BAD;
  if ((unsigned)t >= MX_DTYPE_COUNT || mxi_is_inexact(t))
    return mxi_bad(MX_INVALID_ARGUMENT, "[randint] expected an integer dtype or bool, got %s",
                   (unsigned)t < MX_DTYPE_COUNT ? mx_dtype_name(t) : "no dtype");
  return MXI_NAMED("randint", randint(low, high, shape, t, key));
}

static mx_array bernoulli(mx_array p, mx_ints shape, mx_array key) {
  return mx_less(uniform(mx_float(0), mx_float(1), shape, MX_FLOAT32, key), p);
}
mx_array mx_random_bernoulli(mx_array p, mx_ints shape, mx_array key) {
  if (!mxi_usable1("bernoulli", p) || key == MX_BAD) return MX_BAD;
  if (!mxi_is_float(mxi_dtype(p)))
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[bernoulli] expected a probability of a real floating point dtype, got %s",
                   mx_dtype_name(mxi_dtype(p)));
  int64_t common[MX_MAX_NDIM];
  if (shape.n < 0) shape = mxi_shape_of(p);
  int ndim = mxi_broadcast_shape("bernoulli", mxi_shape_of(p), shape, common);
  if (ndim < 0) return MX_BAD;
  if (!mxi_ints_equal((mx_ints){common, ndim}, shape))
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[bernoulli] expected a probability that broadcasts to shape %s, got %s",
                   mxi_shape_text(shape).s, MXI_SHAPE_TEXT(p));
  return MXI_NAMED("bernoulli", bernoulli(p, shape, key));
}

/* argmax(logits + Gumbel noise) has the distribution softmax(logits). */
static mx_array noisy_argmax(mx_array logits, int axis, mx_ints noise_shape, mx_array key) {
  return mx_argmax(mx_add(logits, mx_random_gumbel(noise_shape, MX_FLOAT32, key)), axis, false);
}

/* Samples of one distribution need one uniform number each, not a row of noise: the number of partial sums of
   exp(logits) that u times the whole sum reaches. Infinities count as the largest finite logits; with a NaN
   among them every comparison is false, which gives the last index. */
static mx_array inverse_cdf(mx_array logits, mx_ints shape, mx_array key) {
  mx_dtype t = mx_promote_types(mxi_dtype(logits), MX_FLOAT32);
  double largest = t == MX_FLOAT64 ? DBL_MAX : FLT_MAX;
  logits = mx_reshape(mx_astype(logits, t), MX_SHAPE(-1));
  logits = mx_clip(logits, mx_scalar(-largest, t), mx_scalar(largest, t));
  mx_array weights = mx_exp(mx_subtract(logits, mx_max(logits, MX_ALL_AXES, false)));
  int64_t last = logits->ndim ? logits->dims[0] - 1 : 0;
  mx_array sums = mx_cumsum(weights, 0, false, true);
  mx_array inner = mx_slice(sums, MX_SHAPE(0), MX_SHAPE(last), MX_SHAPE(1));
  mx_array whole = mx_slice(sums, MX_SHAPE(last), MX_SHAPE(last + 1), MX_SHAPE(1));
  mx_array u = uniform(mx_float(0), mx_float(1), shape, MX_FLOAT32, key);
  mx_array reached = mx_multiply(mx_expand_dims(u, MX_AXES(-1)), whole);
  mx_array below = mx_logical_not(mx_greater(inner, reached));
  return mx_astype(mx_sum(below, MX_AXES(-1), false), MX_UINT32);
}
static bool one_distribution(mx_array logits, int axis) {
  return logits->size > 0 && logits->size == logits->dims[axis] && mxi_dtype(logits) != MX_COMPLEX64;
}

mx_array mx_random_categorical(mx_array logits, int axis, mx_ints shape, mx_array key) {
  if (!mxi_usable1("categorical", logits) || key == MX_BAD || mxi_check_list("categorical", shape) < 0)
    return MX_BAD;
  int positive = mxi_axis("categorical", axis, logits->ndim);
  if (positive < 0) return MX_BAD;
  int64_t ones[MX_MAX_NDIM];
  bool one = one_distribution(logits, positive);
  if (shape.n < 0 && one && logits->ndim > 1)
    return MXI_COMPOSED(inverse_cdf(logits, mxi_fill_ints(ones, logits->ndim - 1, 1), key));
  if (shape.n < 0) return MXI_COMPOSED(noisy_argmax(logits, positive, mxi_shape_of(logits), key));
  /* the sampled shape, with the axis of the logits put in, counted from the end */
  int64_t noise[MX_MAX_NDIM], common[MX_MAX_NDIM];
  int from_end = positive - logits->ndim, ndim = shape.n + 1, at = ndim + from_end;
  if (ndim > MX_MAX_NDIM || at < 0)
    return mxi_bad(
        MX_INVALID_ARGUMENT,
        "[categorical] expected a shape that logits of shape %s without axis %d broadcast to, got %s",
        MXI_SHAPE_TEXT(logits), positive, mxi_shape_text(shape).s);
  for (int i = 0; i < ndim; i++)
    noise[i] = i < at ? shape.v[i] : i == at ? logits->dims[positive] : shape.v[i - 1];
  int n = mxi_broadcast_shape("categorical", mxi_shape_of(logits), (mx_ints){noise, ndim}, common);
  if (n < 0) return MX_BAD;
  if (!mxi_ints_equal((mx_ints){common, n}, (mx_ints){noise, ndim}))
    return mxi_bad(
        MX_INVALID_ARGUMENT,
        "[categorical] expected a shape that logits of shape %s without axis %d broadcast to, got %s",
        MXI_SHAPE_TEXT(logits), positive, mxi_shape_text(shape).s);
  if (one && shape.n > 0) return MXI_COMPOSED(inverse_cdf(logits, shape, key));
  return MXI_COMPOSED(noisy_argmax(logits, from_end, (mx_ints){noise, ndim}, key));
}

mx_array mx_random_categorical_n(mx_array logits, int axis, int num_samples, mx_array key) {
  if (!mxi_usable1("categorical", logits) || key == MX_BAD) return MX_BAD;
  int positive = mxi_axis("categorical", axis, logits->ndim);
  if (positive < 0) return MX_BAD;
  if (num_samples < 0 || logits->ndim >= MX_MAX_NDIM)
    return mxi_bad(MX_INVALID_ARGUMENT, "[categorical] expected a number of samples >= 0, got %d",
                   num_samples);
  int64_t noise[MX_MAX_NDIM];
  mxi_copy_ints(noise, mxi_shape_of(logits));
  noise[logits->ndim] = num_samples;
  if (one_distribution(logits, positive)) {
    mxi_fill_ints(noise, logits->ndim - 1, 1);
    noise[logits->ndim - 1] = num_samples;
    return MXI_COMPOSED(inverse_cdf(logits, (mx_ints){noise, logits->ndim}, key));
  }
  return MXI_COMPOSED(
      noisy_argmax(mx_expand_dims(logits, MX_AXES(-1)), positive, (mx_ints){noise, logits->ndim + 1}, key));
}

/* The order that sorts random bits. */
mx_array mx_random_permutation_n(int64_t n, mx_array key) {
  if (key == MX_BAD) return MX_BAD;
  return MXI_NAMED("permutation", mx_argsort(mx_random_bits(MX_SHAPE(n), 4, key), 0));
}
mx_array mx_random_permutation(mx_array x, int axis, mx_array key) {
  if (!mxi_usable1("permutation", x) || key == MX_BAD) return MX_BAD;
  axis = mxi_axis("permutation", axis, x->ndim);
  if (axis < 0) return MX_BAD;
  return MXI_NAMED("permutation", mx_take(x, mx_random_permutation_n(x->dims[axis], key), axis));
}
