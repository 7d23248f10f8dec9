/* Fourier transforms against the definition in double, under failed allocations, and from several threads. */
#include "scope.h"
#include "base/alloc.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* (lines, n) complex numbers between -1 and 1. */
static mx_array sample(int64_t lines, int64_t n) {
  float *x = malloc((size_t)(lines * n) * 2 * sizeof *x);
  uint32_t state = (uint32_t)(n * 7 + lines);
  for (int64_t i = 0; i < 2 * lines * n; i++) {
    state = state * 1664525 + 1013904223;
    x[i] = (float)(int32_t)state / 0x1p31f;
  }
  mx_array a = mx_array_from(x, MX_SHAPE(lines, n), MX_COMPLEX64);
  free(x);
  return a;
}

/* Checks some of a line's frequencies, all of a short line's: the error is compared with the line's
 * magnitude. */
static void check_line(const float *x, const float *got, int64_t n, double sign) {
  double norm = 0;
  for (int64_t j = 0; j < 2 * n; j++) norm += (double)x[j] * x[j];
  int64_t step = n <= 128 ? 1 : n / 7;
  for (int64_t k = 0; k < n; k += step) {
    double re = 0, im = 0;
    for (int64_t j = 0; j < n; j++) {
      double angle = sign * 2 * M_PI * (double)(j * k % n) / (double)n, c = cos(angle), s = sin(angle);
      re += x[2 * j] * c - x[2 * j + 1] * s;
      im += x[2 * j] * s + x[2 * j + 1] * c;
    }
    double error = hypot(got[2 * k] - re, got[2 * k + 1] - im);
    if (!(error <= 2e-6 * (1 + log2((double)n)) * sqrt(norm)))
      fail_msg("length %lld, frequency %lld: error %g of %g", (long long)n, (long long)k, error, sqrt(norm));
  }
}

static const int64_t lengths[] = {
    1,   2,   3,   4,   5,    6,    7,    8,    9,    11,   15,   16,   32,   49,    61,     64,     67,
    100, 121, 127, 256, 1000, 1021, 1024, 1031, 2048, 3721, 4096, 4099, 8192, 10007, 226981, 100003, 262144};
enum { LENGTHS = sizeof lengths / sizeof *lengths };

static void every_length_agrees_with_the_definition(void **state) {
  for (int i = 0; i < LENGTHS; i++)
    for (int64_t lines = 1; lines <= (lengths[i] > 5000 ? 1 : 20); lines = lines == 1 ? 20 : 21)
      MX_SCOPE {
        int64_t n = lengths[i];
        mx_array x = sample(lines, n);
        mx_array forward = mx_fft_fft(x, 0, -1, MX_FFT_BACKWARD);
        mx_array inverse = mx_fft_ifft(x, 0, -1, MX_FFT_FORWARD);
        assert_int_equal(mx_eval_all(2, (mx_array[]){forward, inverse}), 0);
        for (int64_t line = 0; line < lines; line += 19) {
          const float *in = (const float *)mx_data(x) + 2 * line * n;
          check_line(in, (const float *)mx_data(forward) + 2 * line * n, n, -1);
          check_line(in, (const float *)mx_data(inverse) + 2 * line * n, n, 1);
        }
      }
}

/* Of every length, by rows and by columns, more than fit a vector and fewer. */
static void real_lines_come_back(void **state) {
  for (int i = 0; i < LENGTHS; i++)
    for (int64_t lines = 3; lines <= (lengths[i] > 5000 ? 3 : 19); lines += 16)
      for (int axis = 0; axis < 2; axis++)
        MX_SCOPE {
          int64_t n = lengths[i];
          mx_array x = mx_real(sample(lines, n));
          if (axis == 0) x = mx_contiguous(mx_transpose(x, MX_ALL_AXES), false);
          mx_array back = mx_fft_irfft(mx_fft_rfft(x, 0, axis, MX_FFT_ORTHO), n, axis, MX_FFT_ORTHO);
          mx_array same = mx_allclose(back, x, 0, 1e-5, false);
          double value = 0;
          assert_int_equal(mx_item(same, &value), 0);
          if (value != 1) fail_msg("length %lld, lines %lld, axis %d", (long long)n, (long long)lines, axis);
        }
}

/* One number seen many times, along the axis or across the lines. */
static void broadcast_lines_agree_with_their_copies(void **state) {
  for (int i = 0; i < LENGTHS; i++)
    for (int axis = 0; axis < 2; axis++)
      MX_SCOPE {
        mx_array x = mx_broadcast_to(mx_real(sample(3, 1)), MX_SHAPE(3, lengths[i]));
        mx_array z = mx_broadcast_to(sample(3, 1), MX_SHAPE(3, lengths[i]));
        mx_array got[] = {mx_fft_rfft(x, 0, axis, MX_FFT_ORTHO), mx_fft_fft(z, 0, axis, MX_FFT_ORTHO),
                          mx_fft_irfft(z, 5, axis, MX_FFT_ORTHO)};
        x = mx_contiguous(x, false), z = mx_contiguous(z, false);
        mx_array want[] = {mx_fft_rfft(x, 0, axis, MX_FFT_ORTHO), mx_fft_fft(z, 0, axis, MX_FFT_ORTHO),
                           mx_fft_irfft(z, 5, axis, MX_FFT_ORTHO)};
        for (int k = 0; k < 3; k++) {
          double value = 0;
          assert_int_equal(mx_item(mx_allclose(got[k], want[k], 1e-5, 1e-5, false), &value), 0);
          if (value != 1) fail_msg("transform %d, length %lld, axis %d", k, (long long)lengths[i], axis);
        }
      }
}

static void a_failed_allocation_leaves_the_graph_whole(void **state) {
  static const int64_t fresh[] = {96, 1034, 1033, 4409, 12345, 8194, 20011};
  for (size_t i = 0; i < sizeof fresh / sizeof *fresh; i++) {
    mx_array x = sample(3, fresh[i]), y = mx_fft_rfft(mx_real(x), 0, -1, MX_FFT_BACKWARD);
    mx_array z = mx_fft_fft(x, 0, -1, MX_FFT_BACKWARD);
    int done = 0;
    for (long allowed = 0; !done; allowed++) {
      assert_true(allowed < 10000);
      mx_clear_cache(); /* so that buffers are allocations too */
      mxi_alloc_fail_after(allowed);
      done = mx_eval_all(2, (mx_array[]){y, z}) == 0;
      mxi_alloc_fail_after(-1);
      if (!done) assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
    }
    check_line(mx_data(x), mx_data(z), fresh[i], -1);
  }
}

/* More lengths than plans are kept. */
static void *transform_many(void *context) {
  bool *fine = context;
  *fine = true;
  for (int64_t n = 200; n < 1300; n++)
    MX_SCOPE {
      mx_array x = sample(2, n);
      mx_array back = mx_fft_ifft(mx_fft_fft(x, 0, 1, MX_FFT_BACKWARD), 0, 1, MX_FFT_BACKWARD);
      double value = 0;
      if (mx_item(mx_allclose(back, x, 0, 1e-5, false), &value) < 0 || value != 1) *fine = false;
    }
  return NULL;
}
static void threads_share_plans(void **state) {
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  bool fine[THREADS];
  for (int i = 0; i < THREADS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, transform_many, &fine[i]), 0);
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_true(fine[i]);
  }
}

static void options_start_from_zero(void **state) {
  mx_array x = mx_arange(0, 4096, 1, MX_FLOAT32);
  mx_array spectra = mx_fft_stft(x, (mx_stft_opts){0});
  assert_int_equal(mx_dim(spectra, 0), 1025);
  assert_int_equal(mx_dim(spectra, 1), 9);
  mx_array back = mx_fft_istft(spectra, (mx_stft_opts){0});
  double value = 0;
  assert_int_equal(mx_item(mx_allclose(back, x, 1e-5, 1e-2, false), &value), 0);
  assert_true(value == 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(every_length_agrees_with_the_definition),
      TEST(real_lines_come_back),
      TEST(broadcast_lines_agree_with_their_copies),
      TEST(a_failed_allocation_leaves_the_graph_whole),
      TEST(threads_share_plans),
      TEST(options_start_from_zero),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
