/* Random numbers: Threefry-2x32 counters (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
   2011); the same numbers as MLX for the same key. key NULL splits the thread's own key. */
#ifndef MLX_RANDOM_H
#define MLX_RANDOM_H
#include "mlx/array.h"
MX_BEGIN
MX_API int mx_random_seed(uint64_t seed);
MX_API mx_array mx_random_key(uint64_t seed);           /* uint32 (2) */
MX_API mx_array mx_random_split(mx_array key, int num); /* (num, 2) */
MX_API mx_array mx_random_state(void);                  /* the thread's key */
MX_API int mx_random_set_state(mx_array key);
MX_API mx_array mx_random_bits(mx_ints shape, int width, mx_array key); /* width 1, 2 or 4 bytes */
MX_API mx_array mx_random_uniform(mx_array low, mx_array high, mx_ints shape, mx_dtype t, mx_array key);
MX_API mx_array mx_random_normal(mx_ints shape, mx_dtype t, mx_array loc, mx_array scale,
                                 mx_array key); /* NULL: 0, 1 */
MX_API mx_array mx_random_randint(mx_array low, mx_array high, mx_ints shape, mx_dtype t, mx_array key);
MX_API mx_array mx_random_bernoulli(mx_array p, mx_ints shape, mx_array key); /* shape.n < 0: p's shape */
MX_API mx_array mx_random_truncated_normal(mx_array lower, mx_array upper, mx_ints shape, mx_dtype t,
                                           mx_array key);
MX_API mx_array mx_random_gumbel(mx_ints shape, mx_dtype t, mx_array key);
MX_API mx_array mx_random_laplace(mx_ints shape, mx_dtype t, mx_array loc, mx_array scale, mx_array key);
/* Samples indices with the probabilities softmax(logits, axis). shape.n < 0: logits' shape without axis. */
MX_API mx_array mx_random_categorical(mx_array logits, int axis, mx_ints shape, mx_array key);
MX_API mx_array mx_random_categorical_n(mx_array logits, int axis, int num_samples, mx_array key);
/* Normal vectors: mean (..., N), covariance (..., N, N) symmetric and positive semidefinite, whose leading
   axes broadcast; shape (of the batch; empty: those axes') takes part in that, and may have more axes in
   front. float32. */
MX_API mx_array mx_random_multivariate_normal(mx_array mean, mx_array cov, mx_ints shape, mx_dtype t,
                                              mx_array key);
MX_API mx_array mx_random_permutation(mx_array x, int axis, mx_array key);
MX_API mx_array mx_random_permutation_n(int64_t n, mx_array key);
MX_END
#endif
