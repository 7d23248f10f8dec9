/* Every family of ops runs on a thread whose stack has 128 KB, as the threads of other languages' runtimes
   do. */
#include "scope.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STACK_BYTES = 128 << 10, SIDE = 300 };

/* 0, or -1: an op failed. */
typedef int (*family)(void);

static mx_array values(mx_ints shape, mx_dtype t) {
  int64_t size = 1;
  for (int i = 0; i < shape.n; i++) size *= shape.v[i];
  mx_array flat = mx_sin(mx_arange(0, (double)size, 1, MX_FLOAT32));
  return mx_astype(mx_reshape(flat, shape), t);
}
static mx_array matrix(int64_t rows, int64_t columns, mx_dtype t) {
  return values(MX_SHAPE(rows, columns), t);
}
#define EVAL(...)                                                      \
  do {                                                                 \
    mx_array of[] = {__VA_ARGS__};                                     \
    if (mx_eval_all((int)(sizeof of / sizeof *of), of) < 0) return -1; \
  } while (0)

static const mx_dtype floats[] = {MX_FLOAT32, MX_FLOAT16, MX_BFLOAT16, MX_FLOAT64};
static const mx_dtype types[] = {MX_BOOL,    MX_UINT8,   MX_INT32,   MX_INT64,
                                 MX_FLOAT16, MX_FLOAT32, MX_FLOAT64, MX_COMPLEX64};
enum { FLOATS = 4, TYPES = 8 };

static int elementwise(void) {
  for (int i = 0; i < TYPES; i++) {
    mx_array a = matrix(SIDE, SIDE, types[i]), b = mx_transpose(a, MX_AXES(1, 0));
    EVAL(mx_add(a, b), mx_multiply(mx_add(a, mx_int(1)), b), mx_equal(a, b), mx_astype(a, MX_COMPLEX64));
  }
  for (int i = 0; i < FLOATS; i++) {
    mx_array a = matrix(SIDE, SIDE, floats[i]);
    EVAL(mx_erf(a), mx_exp(mx_tan(a)), mx_power(a, a), mx_arcsin(a),
         mx_where(mx_less(a, mx_int(0)), a, mx_abs(a)));
  }
  return 0;
}

/* As many inputs, registers and instructions as a program has. */
static int wide_programs(void) {
  mx_array a[40], sum = mx_float(0);
  for (int i = 0; i < 40; i++)
    EVAL(a[i] = mx_multiply(matrix(40, 50, i % 2 ? MX_FLOAT64 : MX_FLOAT32), mx_int(i)));
  for (int i = 0; i < 40; i++) a[i] = mx_sin(mx_add(a[i], a[(i + 1) % 40]));
  for (int i = 0; i < 40; i++) sum = mx_add(mx_multiply(sum, a[i]), a[39 - i]);
  EVAL(sum);
  EVAL(mx_sum(mx_add(sum, a[3]), MX_ALL_AXES, false), mx_mean(mx_exp(sum), MX_AXES(1), false));
  return 0;
}

static int chains(void) {
  enum { LENGTH = 1000000, SCOPED = 1000 };
  mx_array x = mx_keep(mx_zeros(MX_SHAPE(4), MX_FLOAT32)), one = mx_keep(mx_ones(MX_SHAPE(4), MX_FLOAT32));
  for (int i = 0; i < LENGTH / SCOPED; i++)
    MX_SCOPE {
      mx_array y = x;
      for (int k = 0; k < SCOPED; k++) y = mx_add(y, one);
      y = mx_keep(y);
      mx_release(x);
      x = y;
    }
  double first = 0;
  MX_SCOPE { mx_item(mx_max(x, MX_ALL_AXES, false), &first); }
  mx_release(x);
  x = mx_keep(one);
  for (int i = 0; i < LENGTH / SCOPED; i++)
    MX_SCOPE { /* freed without an evaluation */
      mx_array y = x;
      for (int k = 0; k < SCOPED; k++) y = mx_sort(y, 0);
      y = mx_keep(y);
      mx_release(x);
      x = y;
    }
  mx_release(x);
  mx_release(one);
  return first == LENGTH ? 0 : -1;
}

static int reductions(void) {
  for (int i = 0; i < TYPES; i++) {
    mx_array a = matrix(1100, SIDE, types[i]), b = values(MX_SHAPE(20, 30, 40), types[i]);
    for (int axis = 0; axis < 2; axis++) {
      EVAL(mx_sum(a, MX_AXES(axis), false), mx_max(a, MX_AXES(axis), false),
           mx_sum(mx_multiply(a, a), MX_AXES(axis), false));
      EVAL(mx_all(a, MX_AXES(axis), false));
      if (types[i] != MX_COMPLEX64)
        EVAL(mx_argmax(a, axis, false), mx_cumsum(a, axis, false, true), mx_cummax(a, axis, true, false));
    }
    EVAL(mx_sum(a, MX_ALL_AXES, false), mx_prod(b, MX_AXES(0, 2), false),
         mx_sum(mx_flatten(b, 0, -1), MX_AXES(0), false));
    EVAL(mx_min(mx_transpose(b, MX_AXES(2, 0, 1)), MX_AXES(1), false));
  }
  for (int i = 0; i < FLOATS; i++) {
    mx_array a = matrix(SIDE, 3000, floats[i]);
    EVAL(mx_softmax(a, MX_AXES(1), true), mx_logsumexp(a, MX_AXES(1), false),
         mx_var(a, MX_AXES(0), false, 1));
    EVAL(mx_logcumsumexp(a, 1, false, true), mx_fast_rms_norm(a, NULL, 1e-5),
         mx_fast_layer_norm(a, NULL, NULL, 1e-5));
  }
  return 0;
}

static int orders(void) {
  for (int i = 0; i < TYPES; i++)
    for (int64_t n = 5; n < 400000; n *= 17) {
      mx_array a = mx_multiply(values(MX_SHAPE(2, n), MX_FLOAT32), mx_int(1000));
      a = mx_astype(a, types[i]);
      EVAL(mx_sort(a, 1), mx_argsort(a, 1), mx_sort(a, 0));
      EVAL(mx_partition(a, n / 3, 1), mx_argpartition(a, n / 3, 1), mx_topk(a, 3, 1));
    }
  mx_array sorted = mx_sort(values(MX_SHAPE(70000), MX_FLOAT32), 0);
  EVAL(mx_searchsorted(sorted, sorted, true), mx_argwhere(mx_greater(sorted, mx_int(0))));
  return 0;
}

static int indexing(void) {
  mx_array rows = mx_arange(0, SIDE, 1, MX_INT32),
           columns = mx_astype(mx_multiply(rows, mx_int(3)), MX_INT32);
  columns = mx_remainder(columns, mx_int(SIDE));
  for (int i = 0; i < TYPES; i++) {
    mx_array a = matrix(SIDE, SIDE, types[i]), both[] = {rows, columns};
    EVAL(mx_take(a, rows, 0), mx_take(a, columns, 1), mx_take_flat(a, rows));
    EVAL(mx_gather(a, 2, both, MX_AXES(0, 1), MX_SHAPE(1, 1)));
    mx_array updates = mx_reshape(mx_take(a, rows, 0), MX_SHAPE(SIDE, 1, SIDE));
    EVAL(mx_scatter(a, 1, both, updates, MX_AXES(0), MX_UPDATE_SET));
    mx_array along = mx_broadcast_to(columns, MX_SHAPE(SIDE, SIDE));
    EVAL(mx_take_along_axis(a, along, 1), mx_put_along_axis(a, along, a, 1, MX_UPDATE_SET));
    EVAL(mx_pad(a, MX_SHAPE(1, 2), MX_SHAPE(3, 4), MX_PAD_CONSTANT, mx_int(0)),
         mx_roll(a, MX_SHAPE(5), MX_AXES(1)), mx_tile(a, MX_SHAPE(2, 2)),
         mx_contiguous(mx_transpose(a, MX_AXES(1, 0)), false));
    EVAL(mx_slice_update(a, mx_slice(a, MX_SHAPE(0, 0), MX_SHAPE(5, 5), MX_SHAPE(1, 1)), MX_SHAPE(9, 9),
                         MX_SHAPE(14, 14), MX_SHAPE(1, 1), MX_UPDATE_SET));
  }
  return 0;
}

static int transforms_of_fourier(void) {
  const int64_t sizes[] = {2,    7,    60,   64,    101,   128,    1000,   1024,
                           4099, 4620, 8192, 10007, 65536, 100000, 131071, 1 << 18};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    mx_array a = values(MX_SHAPE(3, sizes[i]), MX_FLOAT32), z = mx_astype(a, MX_COMPLEX64);
    EVAL(mx_fft_fft(z, sizes[i], 1, MX_FFT_BACKWARD), mx_fft_ifft(z, sizes[i], 1, MX_FFT_ORTHO));
    mx_array half = mx_fft_rfft(a, sizes[i], 1, MX_FFT_BACKWARD);
    EVAL(half, mx_fft_irfft(half, sizes[i], 1, MX_FFT_BACKWARD));
    EVAL(mx_fft_fft(mx_transpose(z, MX_AXES(1, 0)), sizes[i], 0, MX_FFT_BACKWARD));
  }
  mx_array image = values(MX_SHAPE(2, 120, 90), MX_FLOAT32);
  EVAL(mx_fft_rfftn(image, MX_SHAPE(120, 90), MX_AXES(1, 2), MX_FFT_BACKWARD),
       mx_hadamard_transform(matrix(40, 4096, MX_FLOAT32), 1));
  return 0;
}

static int random_numbers(void) {
  mx_array key = mx_random_key(1), zero = mx_float(0), one = mx_float(1);
  for (int64_t n = 1; n < 200000; n = n * 9 + 1) {
    mx_ints shape = MX_SHAPE(n);
    for (int width = 1; width <= 4; width *= 2) EVAL(mx_random_bits(shape, width, key));
    for (int i = 0; i < 3; i++) {
      EVAL(mx_random_normal(shape, floats[i], NULL, NULL, key),
           mx_random_uniform(zero, one, shape, floats[i], key));
      EVAL(mx_random_gumbel(shape, floats[i], key), mx_random_laplace(shape, floats[i], NULL, NULL, key));
    }
    EVAL(mx_random_permutation_n(n, key), mx_random_randint(zero, mx_int(9), shape, MX_INT32, key));
  }
  return 0;
}

static int products(void) {
  const int64_t shapes[][3] = {{1, 300, 700}, {2, 700, 300}, {5, 513, 300},  {9, 300, 300},  {33, 129, 300},
                               {300, 300, 1}, {300, 1, 300}, {70, 2000, 40}, {400, 300, 500}};
  for (int i = 0; i < FLOATS + 1; i++)
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
      mx_dtype t = i < FLOATS ? floats[i] : MX_COMPLEX64;
      int64_t m = shapes[k][0], inner = shapes[k][1], n = shapes[k][2];
      mx_array a = matrix(m, inner, t), b = matrix(inner, n, t),
               turned = mx_transpose(matrix(n, inner, t), MX_AXES(1, 0));
      EVAL(mx_matmul(a, b), mx_matmul(a, turned),
           mx_matmul(mx_transpose(b, MX_AXES(1, 0)), mx_transpose(a, MX_AXES(1, 0))));
      EVAL(mx_addmm(mx_matmul(a, b), a, turned, 0.5, 2));
      EVAL(mx_matmul(mx_broadcast_to(a, MX_SHAPE(20, m, inner)), values(MX_SHAPE(20, inner, 30), t)));
    }
  mx_array a = values(MX_SHAPE(6, 50, 64), MX_FLOAT32), picked = mx_arange(0, 6, 1, MX_UINT32);
  EVAL(mx_gather_mm(a, mx_swapaxes(a, 1, 2), picked, picked));
  return 0;
}

static int quantized_products(void) {
  const int bits[] = {2, 3, 4, 5, 6, 8};
  const int64_t rows[] = {1, 2, 4, 7, 32, 200};
  for (int b = 0; b < 6; b++)
    for (int i = 0; i < 3; i++) {
      mx_array w = matrix(512, 512, floats[i]), packed, scales, biases;
      mx_quant q = {.group_size = 64, .bits = bits[b]};
      if (mx_quantize(w, q, &packed, &scales, &biases) < 0) return -1;
      EVAL(mx_dequantize(packed, scales, biases, q));
      for (int r = 0; r < 6; r++)
        for (int transpose = 0; transpose < 2; transpose++)
          EVAL(mx_quantized_matmul(matrix(rows[r], 512, floats[i]), packed, scales, biases, transpose, q));
    }
  for (int f = MX_MXFP4; f <= MX_NVFP4; f++) {
    mx_array packed, scales;
    if (mx_quantize_float(matrix(256, 256, MX_FLOAT32), (mx_float_format)f, NULL, &packed, &scales) < 0)
      return -1;
    EVAL(mx_quantized_matmul_float(matrix(5, 256, MX_FLOAT32), packed, scales, true, (mx_float_format)f));
  }
  return 0;
}

static int attention(void) {
  const int64_t queries[] = {1, 3, 64, 300};
  for (int i = 0; i < FLOATS; i++)
    for (int k = 0; k < 4; k++)
      for (int64_t d = 64; d <= 256; d *= 2) {
        mx_array q = values(MX_SHAPE(1, 4, queries[k], d), floats[i]),
                 kv = values(MX_SHAPE(1, 2, 400, d), floats[i]);
        EVAL(mx_fast_scaled_dot_product_attention(q, kv, kv, 0.1, true, NULL, NULL));
        EVAL(mx_fast_rope(q, (mx_rope_opts){.dims = 64, .base = 10000, .scale = 1}, mx_int(3), NULL));
      }
  return 0;
}

static int convolutions(void) {
  for (int i = 0; i < 3; i++) {
    mx_array line = values(MX_SHAPE(2, 200, 16), floats[i]),
             image = values(MX_SHAPE(2, 40, 40, 32), floats[i]);
    EVAL(mx_conv(line, values(MX_SHAPE(8, 5, 16), floats[i]),
                 (mx_conv_opts){.padding_low = {2}, .padding_high = {2}}));
    EVAL(mx_conv(image, values(MX_SHAPE(64, 3, 3, 32), floats[i]), (mx_conv_opts){.stride = {2, 2}}));
    EVAL(mx_conv(image, values(MX_SHAPE(32, 5, 5, 1), floats[i]), (mx_conv_opts){.groups = 32}));
    EVAL(mx_conv_transpose(image, values(MX_SHAPE(16, 3, 3, 32), floats[i]),
                           (mx_conv_transpose_opts){.stride = {2, 2}}));
    EVAL(mx_conv(values(MX_SHAPE(1, 12, 12, 12, 8), floats[i]), values(MX_SHAPE(8, 3, 3, 3, 8), floats[i]),
                 (mx_conv_opts){.stride = {1, 1, 1}}));
  }
  return 0;
}

static int linear_algebra(void) {
  const int64_t sizes[] = {3, 40, 150, 600};
  for (int d = 0; d < 3; d++)
    for (int i = 0; i < 4; i++) {
      mx_dtype t = d == 0 ? MX_FLOAT32 : d == 1 ? MX_FLOAT64 : MX_COMPLEX64;
      int64_t n = sizes[i];
      if (d == 2 && n > 200) continue;
      mx_array a = mx_add(matrix(n, n, t), mx_multiply(mx_eye(n, n, 0, t), mx_int((int)n + 2))), x, y, z;
      if (mx_linalg_svd(a, &x, &y, &z) < 0) return -1;
      EVAL(x, y, z);
      mx_array hermitian = mx_add(a, mx_conjugate(mx_transpose(a, MX_AXES(1, 0))));
      if (mx_linalg_eigh(hermitian, false, &x, &y) < 0) return -1;
      EVAL(x, y);
      if (n < 600 && mx_linalg_eig(a, &x, &y) < 0) return -1;
      EVAL(x, y);
      if (d == 2) continue;
      if (mx_linalg_qr(a, &x, &y) < 0) return -1;
      EVAL(x, y, mx_linalg_cholesky(hermitian, false), mx_linalg_inv(a), mx_linalg_solve(a, a),
           mx_linalg_pinv(a));
      if (mx_linalg_lu(a, &x, &y, &z) < 0) return -1;
      EVAL(x, y, z, mx_linalg_det(a), mx_linalg_solve_triangular(a, a, true));
    }
  return 0;
}

static int loss(void *context, int n, const mx_array *in, int max, mx_array *out) {
  out[0] = mx_sum(mx_tanh(mx_matmul(mx_tanh(mx_matmul(in[0], in[1])), in[1])), MX_ALL_AXES, false);
  return 1;
}
static int derivatives(void) {
  mx_array x = matrix(100, 100, MX_FLOAT32), in[] = {x, x}, outputs[1], gradients[2];
  if (mx_value_and_grad(loss, NULL, 2, in, MX_SHAPE(0, 1), 1, outputs, gradients) < 0) return -1;
  EVAL(gradients[0], gradients[1]);
  return 0;
}

static int files(void) {
  char name[] = "/tmp/mlxc-stack-XXXXXX";
  int fd = mkstemp(name), status = 0;
  if (fd < 0) return -1;
  close(fd);
  mx_array a = matrix(SIDE, SIDE, MX_FLOAT32);
  const char *names[] = {"a"};
  for (int format = 0; format < 3 && !status; format++) {
    mx_array arrays[] = {a};
    status = format == 0   ? mx_save_npz(name, 1, names, arrays, true)
             : format == 1 ? mx_save_gguf(name, 1, names, arrays, 0, NULL)
                           : mx_save_safetensors(name, 1, names, arrays, 0, NULL, NULL);
    if (status) break;
    mx_file f = format == 0   ? mx_load_npz(name)
                : format == 1 ? mx_load_gguf(name)
                              : mx_load_safetensors(name);
    status = f ? mx_eval(mx_file_array(f, 0)) : -1;
    mx_file_free(f);
  }
  if (!status) status = mx_save_npy(name, a);
  if (!status) status = mx_eval(mx_load_npy(name));
  unlink(name);
  return status;
}

static const struct {
  const char *name;
  family run;
} families[] = {
    {"elementwise", elementwise},
    {"wide programs", wide_programs},
    {"chains", chains},
    {"reductions", reductions},
    {"orders", orders},
    {"indexing", indexing},
    {"fft", transforms_of_fourier},
    {"random", random_numbers},
    {"products", products},
    {"quantized products", quantized_products},
    {"attention", attention},
    {"convolutions", convolutions},
    {"linear algebra", linear_algebra},
    {"derivatives", derivatives},
    {"files", files},
};

struct result {
  family run;
  int status;
  char error[500];
};
static void *run_family(void *context) {
  struct result *r = context;
  MX_SCOPE { r->status = r->run(); }
  if (r->status < 0) snprintf(r->error, sizeof r->error, "%s", mx_error());
  return NULL;
}

static void a_stack_of_128_kilobytes_is_enough(void **state) {
  for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
    struct result r = {.run = families[i].run};
    pthread_attr_t attr;
    pthread_t thread;
    pthread_attr_init(&attr);
    assert_int_equal(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
    fprintf(stderr, "%s\n", families[i].name); /* the last line before a crash */
    assert_int_equal(pthread_create(&thread, &attr, run_family, &r), 0);
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attr);
    if (r.status < 0) fail_msg("%s: %s", families[i].name, r.error);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_stack_of_128_kilobytes_is_enough)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
