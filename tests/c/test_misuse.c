/* No argument of a type that a public function takes crashes it: absent and failed arrays, strings and lists,
   numbers that are no enum's, axes and sizes at the ends of int and int64. The result is usable, or failed
   with an error set. misuse.py writes the calls from the headers, one function each; every one runs in a
   process of its own, first with one hostile argument at a time, then with random ones. */
#include "scope.h"
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  PLACES = 64,        /* of every list and every result */
  SMALL = 4096,       /* results of at most so many elements are evaluated */
  RANDOM_CALLS = 300, /* of each function */
  SECONDS = 60,       /* for all calls of a function */
};

/* ---- Choosing values ---- */
static int choice[32], choices[32]; /* of each argument: the value to take, and how many there are */
static int arguments;
static bool drew_bad; /* an argument was MX_BAD: then the error may be one of earlier */

static int draw(int n) {
  int i = arguments++;
  choices[i] = n;
  return choice[i] % n;
}
#define VALUES(type, name, ...)                                 \
  static type draw_##name(void) {                               \
    type const values[] = {__VA_ARGS__};                        \
    return values[draw((int)(sizeof values / sizeof *values))]; \
  }

VALUES(bool, bool, false, true)
VALUES(int, int, 0, 1, -1, 2, 3, 4, 8, 16, 32, INT_MAX, INT_MIN, INT_MAX - 1, 1 << 30)
VALUES(int, count, 2, 0, -1, 1, 3, PLACES / 2, INT_MIN) /* of a list's elements */
VALUES(int64_t, int64, 1, 0, -1, 2, 3, INT64_MAX, INT64_MIN, INT64_MAX - 1, INT64_MIN + 1, INT64_C(1) << 62,
       -(INT64_C(1) << 62), INT64_C(1) << 32, INT64_C(1) << 31, INT64_C(3037000500))
VALUES(double, double, 1, 0, -1, 2, 0.5, NAN, INFINITY, -INFINITY, 1e300, -1e300, 5e-324, 0x1p63)
VALUES(size_t, size, 1 << 24, 0, SIZE_MAX)
VALUES(uint64_t, uint64, 0, 1, UINT64_MAX)
VALUES(const char *, text, "x", NULL, "", "ij,jk->ik", "fro", "nuc", "/", "/nowhere/x", "\xff\x01%s%n")
VALUES(mx_dtype, mx_dtype, MX_FLOAT32, MX_INT32, MX_BOOL, MX_COMPLEX64, MX_FLOAT16, MX_BFLOAT16, MX_UINT64,
       MX_INT8, MX_FLOAT64, (mx_dtype)-1, MX_DTYPE_COUNT, (mx_dtype)1000, (mx_dtype)INT_MAX,
       (mx_dtype)INT_MIN)
#define ENUM(type, last) \
  VALUES(type, type, (type)0, (type)1, (type)last, (type)(last + 1), (type)-1, (type)INT_MAX)
ENUM(mx_dtype_category, MX_COMPLEX_FLOATING)
ENUM(mx_device_type, MX_GPU_DEVICE)
ENUM(mx_convolve_mode, MX_CONVOLVE_VALID)
ENUM(mx_fft_norm, MX_FFT_FORWARD)
ENUM(mx_float_format, MX_NVFP4)
ENUM(mx_pad_mode, MX_PAD_SYMMETRIC)
ENUM(mx_update_mode, MX_UPDATE_MINIMUM)
VALUES(mx_device, mx_device, MX_CPU, MX_GPU, {(mx_device_type)-1, 0}, {(mx_device_type)7, 0},
       {MX_CPU_DEVICE, -1}, {MX_CPU_DEVICE, INT_MAX}, {(mx_device_type)INT_MIN, INT_MIN})

/* ---- Arrays and lists ---- */
enum { ARRAYS = 24 };
static mx_array arrays[ARRAYS];

static void make_arrays(void) {
  mx_array square = mx_add(mx_eye(4, 4, 0, MX_FLOAT32), mx_scalar(0.125, MX_FLOAT32)), *a = arrays;
  int64_t ones[MX_MAX_NDIM];
  for (int i = 0; i < MX_MAX_NDIM; i++) ones[i] = 1;
  *a++ = square;
  *a++ = NULL;
  *a++ = MX_BAD;
  *a++ = mx_arange(0, 4, 1, MX_FLOAT32);
  *a++ = mx_int(1);
  *a++ = mx_array_from((int32_t[]){0, 1}, MX_SHAPE(2), MX_INT32);
  *a++ = mx_array_from((int32_t[]){INT_MAX, INT_MIN}, MX_SHAPE(2), MX_INT32);
  *a++ = mx_array_from((int64_t[]){INT64_MAX, INT64_MIN, -1, 0}, MX_SHAPE(2, 2), MX_INT64);
  *a++ = mx_array_from((uint64_t[]){UINT64_MAX, 0}, MX_SHAPE(2), MX_UINT64);
  *a++ = mx_array_from((uint32_t[]){1, 2}, MX_SHAPE(2), MX_UINT32);
  *a++ = mx_ones(MX_SHAPE(4, 4), MX_BOOL);
  *a++ = mx_astype(square, MX_COMPLEX64);
  *a++ = mx_astype(square, MX_FLOAT64);
  *a++ = mx_astype(square, MX_UINT32);
  *a++ = mx_astype(square, MX_UINT8);
  *a++ = mx_zeros(MX_SHAPE(0, 3), MX_FLOAT32);
  *a++ = mx_random_uniform(mx_float(0), mx_float(1), MX_SHAPE(2, 3, 4), MX_FLOAT16, mx_random_key(1));
  *a++ = mx_scalar(NAN, MX_FLOAT32);
  *a++ = mx_full(MX_SHAPE(4, 4), mx_scalar(INFINITY, MX_FLOAT32), MX_FLOAT32);
  *a++ = mx_zeros((mx_ints){ones, MX_MAX_NDIM}, MX_FLOAT32);
  *a++ = mx_transpose(mx_reshape(mx_arange(0, 24, 1, MX_INT16), MX_SHAPE(1, 2, 3, 4)), MX_ALL_AXES);
  *a++ = mx_ones(MX_SHAPE(1, 4, 2, 32), MX_FLOAT32);
  *a++ = mx_ones(MX_SHAPE(2, 64), MX_BFLOAT16);
  *a++ = mx_zeros(MX_SHAPE(4, 32), MX_UINT32);
  assert_ptr_equal(a, arrays + ARRAYS);
}

static mx_device_info *draw_mx_device_info(void) {
  static mx_device_info place;
  return draw(4) ? &place : NULL;
}

static mx_array draw_mx_array(void) {
  mx_array a = arrays[draw(ARRAYS)];
  drew_bad |= a == MX_BAD;
  return a;
}

static const mx_array *draw_arrays(void) {
  static mx_array lists[ARRAYS][PLACES];
  int which = draw(ARRAYS + 2);
  drew_bad = true; /* one of the others may be */
  if (which == 1) return NULL;
  if (which >= ARRAYS) { /* a mixture */
    for (int i = 0; i < PLACES; i++) lists[0][i] = arrays[(unsigned)(i * 7 + which) % ARRAYS];
    return lists[0];
  }
  for (int i = 0; i < PLACES; i++) lists[which][i] = arrays[which];
  return lists[which];
}

static const int64_t many[40];
#define LIST(...) \
  { (const int64_t[]){__VA_ARGS__}, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)) }
static const mx_ints lists[] = {
    LIST(4, 4),
    LIST(0),
    LIST(1),
    LIST(0, 1),
    LIST(-1),
    LIST(-1, -2),
    LIST(1, 0),
    LIST(2, 2, 4),
    {NULL, -1},
    {NULL, 0},
    {NULL, 2},
    {NULL, INT_MIN},
    {NULL, INT_MAX},
    LIST(INT64_MAX),
    LIST(INT64_MIN),
    LIST(INT64_MAX, 1),
    LIST(INT64_MIN, -1),
    LIST(INT64_MAX, INT64_MAX),
    LIST(1, INT64_MIN),
    LIST(INT64_C(1) << 62, 2),
    LIST(INT64_C(1) << 32, INT64_C(1) << 32),
    LIST(0, INT64_MAX),
    {many, 32},
    {many, 33},
    {many, 40},
    LIST(1, 1, 1, 1),
    LIST(16),
    LIST(-5, 7),
    LIST(3, 3),
};
enum { LISTS = sizeof lists / sizeof *lists };
static mx_ints draw_mx_ints(void) { return lists[draw(LISTS)]; }
static const mx_ints *draw_shapes(void) {
  static mx_ints shapes[PLACES];
  int which = draw(LISTS + 1);
  for (int i = 0; i < PLACES; i++) shapes[i] = lists[which % LISTS];
  return which == LISTS ? NULL : shapes;
}

static const char *const *draw_texts(void) {
  static const char *full[PLACES], *holes[PLACES], *same[PLACES];
  static char names[PLACES][8];
  for (int i = 0; i < PLACES; i++) {
    snprintf(names[i], sizeof names[i], "x%d", i);
    full[i] = names[i];
    holes[i] = i % 2 ? NULL : names[i];
    same[i] = "x";
  }
  const char *const *const values[] = {full, NULL, holes, same};
  return values[draw(4)];
}
static const mx_meta *draw_metas(void) {
  static mx_meta metas[8][PLACES];
  int which = draw(9);
  if (which == 8) return NULL;
  for (int i = 0; i < PLACES; i++)
    metas[which][i] = (mx_meta){.key = which == 7 ? NULL
                                       : i        ? "b"
                                                  : "a",
                                .kind = which == 6 ? (mx_meta_kind)99 : (mx_meta_kind)which,
                                .nstrings = which == 4 ? 2 : -1,
                                .array = which == 5 ? arrays[3] : NULL};
  return metas[which];
}
static const double one = 1, not_a_number = NAN;
VALUES(const double *, doubles, &one, NULL, &not_a_number)
static const int first_axes[PLACES], far_axes[PLACES] = {INT_MAX, INT_MIN},
                                     no_axes[PLACES] = {MX_UNMAPPED, MX_UNMAPPED};
VALUES(const int *, axes_list, NULL, first_axes, far_axes, no_axes)

/* ---- Where results go ---- */
static mx_array out[8][PLACES];
static int outs;
static mx_array *draw_out(void) {
  mx_array *place = out[outs++];
  for (int i = 0; i < PLACES; i++) place[i] = NULL;
  return draw(2) ? NULL : place;
}
static int64_t int64_places[PLACES];
static double double_places[PLACES];
VALUES(int64_t *, int64_out, int64_places, NULL)
VALUES(double *, double_out, double_places, NULL)
static mx_einsum_step steps[PLACES];
static mx_einsum_cost cost;
VALUES(mx_einsum_step *, mx_einsum_step, steps, NULL)
VALUES(mx_einsum_cost *, mx_einsum_cost, &cost, NULL)

/* ---- Options ---- */
VALUES(mx_quant, mx_quant, {0, 0}, {32, 4}, {-1, -1}, {INT_MAX, INT_MIN}, {64, 3}, {1, 1})
VALUES(mx_rope_opts, mx_rope_opts, {4, false, 10000, 1}, {0, true, 0, 0}, {-2, false, NAN, INFINITY},
       {INT_MAX, false, 1, 1}, {INT_MIN, true, 1, 1}, {2, true, -1, 1e300})
#define THREE(x) \
  { x, x, x }
VALUES(mx_conv_opts, mx_conv_opts, {.groups = 0}, {.stride = THREE(-1)}, {.stride = THREE(INT64_MAX)},
       {.padding_low = THREE(INT64_MAX), .padding_high = THREE(INT64_MAX)}, {.padding_low = THREE(INT64_MIN)},
       {.kernel_dilation = THREE(INT64_MAX)}, {.input_dilation = THREE(INT64_MAX)}, {.groups = INT64_MIN},
       {.groups = INT64_MAX}, {.kernel_dilation = THREE(-1)}, {.padding_low = THREE(-1), .flip = true},
       {.input_dilation = {INT64_C(1) << 62}, .padding_low = {INT64_C(1) << 62}})
VALUES(mx_conv_transpose_opts, mx_conv_transpose_opts, {.groups = 0}, {.stride = THREE(-1)},
       {.stride = THREE(INT64_MAX)}, {.padding = THREE(INT64_MAX)}, {.padding = THREE(INT64_MIN)},
       {.dilation = THREE(INT64_MAX)}, {.output_padding = THREE(INT64_MAX)},
       {.output_padding = THREE(INT64_MIN)}, {.groups = INT64_MIN}, {.groups = INT64_MAX},
       {.stride = {INT64_C(1) << 62}, .dilation = {INT64_C(1) << 62}})
static mx_stft_opts draw_mx_stft_opts(void) {
  const int64_t numbers[] = {0, 4, 1, -1, INT64_MAX, INT64_MIN, INT64_C(1) << 62};
  const char *const modes[] = {NULL, "", "edge", "nonsense"};
  static const int64_t lengths[] = {4, -1, INT64_MAX, INT64_MIN};
  int length = draw(5);
  return (mx_stft_opts){.n_fft = numbers[draw(7)],
                        .hop_length = numbers[draw(7)],
                        .win_length = numbers[draw(7)],
                        .window = draw(2) ? draw_mx_array() : NULL,
                        .no_center = draw_bool(),
                        .pad_mode = modes[draw(4)],
                        .norm = draw_mx_fft_norm(),
                        .sided = draw_int(),
                        .length = length ? &lengths[length - 1] : NULL};
}

static mx_kernel_launch draw_launch(void) {
  static mx_dtype dtypes[PLACES];
  static const int64_t sizes[] = {8, 0, 1, -1, 1025, INT64_MAX, INT64_MIN};
  const mx_ints *shapes = draw_shapes();
  mx_dtype t = draw_mx_dtype();
  for (int i = 0; i < PLACES; i++) dtypes[i] = t;
  return (mx_kernel_launch){.grid = {sizes[draw(7)], 1, sizes[draw(7)]},
                            .threadgroup = {sizes[draw(7)], sizes[draw(7)], 1},
                            .shared_memory = draw_int64(),
                            .any_strides = draw_bool(),
                            .initialized = draw_bool(),
                            .init_value = draw_double(),
                            .noutputs = draw_count(),
                            .output_shapes = shapes,
                            .output_dtypes = draw(2) ? NULL : dtypes};
}
static mx_cuda_kernel_opts draw_mx_cuda_kernel_opts(void) {
  static const mx_kernel_constant good[PLACES] = {{"T", MX_KERNEL_TYPE, MX_FLOAT32, 0}}, bad[PLACES];
  static const char *const outputs[PLACES] = {"y0", "y1", "y2", "y3"};
  const mx_kernel_constant *constants[] = {good, NULL, bad};
  int ninputs = draw_count(), nconstants = draw(4) - 1;
  return (mx_cuda_kernel_opts){.name = draw_text(),
                               .source = draw_text(),
                               .header = draw_text(),
                               .ninputs = ninputs,
                               .input_names = draw_texts(),
                               .output_names = draw(2) ? NULL : outputs,
                               .nconstants = nconstants,
                               .constants = constants[draw(3)],
                               .launch = draw_launch()};
}
static mx_cuda_code_opts draw_mx_cuda_code_opts(void) {
  static mx_kernel_scalar scalars[PLACES];
  mx_dtype t = draw_mx_dtype();
  for (int i = 0; i < PLACES; i++) scalars[i] = (mx_kernel_scalar){t, INT64_MAX, NAN};
  int ninputs = draw_count(), nscalars = draw_count();
  return (mx_cuda_code_opts){.name = draw_text(),
                             .code = draw(2) ? NULL : "code",
                             .bytes = draw(2) ? 0 : 4,
                             .ninputs = ninputs,
                             .nscalars = nscalars,
                             .scalars = draw(2) ? NULL : scalars,
                             .launch = draw_launch()};
}

/* ---- Callbacks, streams of bytes, handles ---- */
static int identity(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  int count = n < max_out ? n : max_out;
  for (int i = 0; i < count; i++) results[i] = in[i];
  return count;
}
static int squares(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  if (n < 1 || max_out < 1) return mx_error_set(MX_CALLBACK_ERROR, "[squares] expected an input, got none");
  results[0] = mx_sum(mx_square(in[0]), MX_ALL_AXES, false);
  mx_scope_drain(); /* frees what this scope made, not the inputs; and the result with it */
  results[0] = mx_sum(mx_square(in[0]), MX_ALL_AXES, false);
  return 1;
}
static int gives_nothing(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  return 0;
}
static int gives_null(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  if (max_out > 0) results[0] = NULL;
  return max_out > 0;
}
static int says_too_many(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  return INT_MAX;
}
static int fails(void *context, int n, const mx_array *in, int max_out, mx_array *results) { return -1; }
static int64_t read_nothing(void *context, void *data, size_t n) { return 0; }
static int64_t read_zeros(void *context, void *data, size_t n) {
  static int left;
  left = left ? left - 1 : 3;
  memset(data, 0, n < 100 ? n : 100);
  return left ? (int64_t)(n < 100 ? n : 100) : 0;
}
static int64_t read_too_much(void *context, void *data, size_t n) { return INT64_MAX; }
static int write_away(void *context, const void *data, size_t n) { return 0; }
VALUES(void *, callback, NULL)
VALUES(void *, context, NULL)
VALUES(mx_function, mx_function, identity, squares, NULL, gives_nothing, gives_null, says_too_many, fails)
VALUES(mx_custom_rules, mx_custom_rules, {.vjp = NULL}, {.vjp = fails})
VALUES(mx_reader, mx_reader, {NULL, "x", read_zeros}, {NULL, NULL, NULL}, {NULL, NULL, read_nothing},
       {NULL, "x", read_too_much})
VALUES(mx_writer, mx_writer, {NULL, "x", write_away}, {NULL, NULL, NULL})
VALUES(mx_file, mx_file, NULL)
static mx_stream draw_mx_stream(void) { return draw(2) ? NULL : mx_default_stream(MX_CPU); }
static mx_compiled draw_mx_compiled(void) { return draw(2) ? NULL : mx_compile(identity, NULL, false, NULL); }
static const mx_trace_note no_note;
VALUES(const mx_trace_note *, const_mx_trace_note, NULL, &no_note)
static mx_trace draw_mx_trace(void) {
  if (draw(2)) return NULL;
  mx_compiled f = mx_compile(identity, NULL, false, NULL);
  mx_array x = mx_ones(MX_SHAPE(3), MX_FLOAT32);
  return mx_compiled_trace(f, 0, 1, &x, 1, NULL);
}
static mx_call draw_mx_call(void) {
  int n = draw_count();
  const mx_array *in = draw_arrays();
  int nnames = draw_count();
  return (mx_call){n, in, draw(2) ? 0 : nnames, draw_texts()};
}
ENUM(mx_graph_part, MX_GRAPH_OUTPUTS)
static const mx_array *three(void) {
  static mx_array x;
  x = arrays[3];
  return &x;
}
static mx_exporter draw_mx_exporter(void) {
  return draw(2) ? NULL : mx_exporter_new("/nowhere/x", draw(2) != 0, NULL);
}
static mx_graph draw_mx_graph(void) {
  return draw(2) ? NULL : mx_graph_trace(squares, NULL, (mx_call){1, three(), 0, NULL}, false);
}
static mx_imported draw_mx_imported(void) {
  static char path[64];
  if (draw(2)) return NULL;
  snprintf(path, sizeof path, "/tmp/misuse-%d", (int)getpid());
  mx_export_function(path, identity, NULL, (mx_call){1, three(), 0, NULL}, true, NULL);
  mx_imported f = mx_import_function(path);
  unlink(path);
  return f;
}

/* ---- Checking results ---- */
static const char *function; /* under test */
static _Noreturn void refuse(const char *why) {
  fprintf(stderr, "%s: %s, of values", function, why);
  for (int i = 0; i < arguments; i++) fprintf(stderr, " %d", choice[i] % choices[i]);
  fprintf(stderr, "; error: %s\n", mx_error());
  _exit(1);
}
static void caught(int number) { refuse(strsignal(number)); }
static void catch_signals(void) {
  const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) signal(numbers[i], caught);
}

static void check_failed(void) {
  if (!drew_bad && (mx_error_code() == MX_OK || !*mx_error())) refuse("failed without an error");
}
static void check_mx_array(mx_array a) {
  if (a == MX_BAD) check_failed();
  if (!mx_ok(a) || mx_size(a) > SMALL) return;
  if (mx_eval(a) < 0) check_failed();
}
static void check_int(int result) {
  if (result < 0) check_failed();
  for (int i = 0; i < outs && result >= 0; i++)
    for (int k = 0; k < PLACES; k++) check_mx_array(out[i][k]);
}
static void check_int64(int64_t result) { check_int(result < 0 ? -1 : 0); }
#define ANY(type, name) \
  static void check_##name(type result) { (void)result; }
ANY(bool, bool)
ANY(double, double)
ANY(size_t, size)
ANY(const void *, const_void)
ANY(void *, context)
ANY(const int64_t *, int64_list)
ANY(const mx_meta *, metas)
ANY(mx_dtype, mx_dtype)
ANY(mx_dtype_category, mx_dtype_category)
ANY(mx_device, mx_device)
ANY(mx_ints, mx_ints)
ANY(mx_scope, mx_scope)
ANY(mx_status, mx_status)
ANY(mx_stream, mx_stream)
ANY(mx_stream_mark, mx_stream_mark)
static void check_text(const char *s) {
  if (s) (void)!strlen(s);
}
static void check_char(char *s) { mx_free(s); }
static void check_mx_file(mx_file f) {
  if (!f) check_failed();
  mx_file_free(f);
}
static void check_mx_exporter(mx_exporter e) {
  if (!e) check_failed();
  mx_exporter_free(e);
}
static void check_mx_graph(mx_graph g) {
  if (!g) check_failed();
  mx_graph_free(g);
}
static void check_mx_imported(mx_imported f) {
  if (!f) check_failed();
  mx_imported_free(f);
}
ANY(mx_call, mx_call)
ANY(mx_param, mx_param)
ANY(mx_value_info, mx_value_info)
ANY(mx_graph_node, mx_graph_node)
static void check_mx_trace(mx_trace t) { mx_trace_release(t); }
static void check_mx_compiled(mx_compiled f) { mx_compiled_free(f); }

#include "misuse_calls.h"

/* ---- Running ---- */
static uint64_t random_state;
static int random_choice(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (int)(random_state >> 33);
}

static void run(const struct call *c) {
  arguments = outs = 0;
  drew_bad = false;
  mx_error_clear();
  mx_interrupt_clear();
  MX_SCOPE
    c->call();
}

static void run_all(const struct call *c) {
  random_state = 88172645463325252u;
  memset(choice, 0, sizeof choice);
  run(c);
  for (int i = 0; i < arguments; i++) {
    for (int k = 1; k < choices[i]; k++) {
      choice[i] = k;
      run(c);
    }
    choice[i] = 0;
    run(c);
  }
  for (int k = 0; k < RANDOM_CALLS; k++) {
    int common = random_choice(); /* arrays that fit each other, where all are the same */
    for (int i = 0; i < (int)(sizeof choice / sizeof *choice); i++)
      choice[i] = random_choice() % 2 ? common : random_choice() % 2 ? random_choice() : 0;
    run(c);
  }
}

static bool survives(const struct call *c) {
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    function = c->name;
    catch_signals();
    alarm(SECONDS);
    mx_set_memory_limit(64 << 20); /* what no test needs is refused */
    MX_SCOPE {
      make_arrays();
      run_all(c);
    }
    _exit(0);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status == 0;
}

static void no_argument_crashes_a_public_function(void **state) {
  int failed = 0;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) failed += !survives(&calls[i]);
  assert_int_equal(failed, 0);
}

/* ---- What the headers' types don't say ---- */
static int released;
static void count_release(void *owner) { released++; }
#define assert_fails(call, code)             \
  do {                                       \
    mx_error_clear();                        \
    assert_ptr_equal(call, MX_BAD);          \
    assert_int_equal(mx_error_code(), code); \
  } while (0)

static void memory_that_is_absent_or_out_of_reach_is_refused(void **state) {
  static float one[4];
  const int64_t far[] = {INT64_MAX / 2, 1};
  released = 0;
  assert_fails(mx_array_from(NULL, MX_SHAPE(2), MX_FLOAT32), MX_INVALID_ARGUMENT);
  assert_fails(mx_array_from(one, MX_SHAPE(2), (mx_dtype)77), MX_INVALID_ARGUMENT);
  assert_fails(mx_array_from(one, (mx_ints){NULL, 2}, MX_FLOAT32), MX_TYPE_ERROR);
  assert_fails(mx_array_foreign(NULL, MX_SHAPE(2), MX_NO_SHAPE, MX_FLOAT32, false, count_release, NULL),
               MX_INVALID_ARGUMENT);
  assert_fails(mx_array_foreign(one, MX_SHAPE(2), MX_SHAPE(1, 1), MX_FLOAT32, false, count_release, NULL),
               MX_INVALID_ARGUMENT);
  assert_fails(
      mx_array_foreign(one, MX_SHAPE(3, 1), (mx_ints){far, 2}, MX_FLOAT32, false, count_release, NULL),
      MX_INVALID_ARGUMENT);
  assert_fails(mx_array_foreign(one, MX_SHAPE(2), MX_NO_SHAPE, (mx_dtype)-1, false, count_release, NULL),
               MX_INVALID_ARGUMENT);
  assert_true(mx_ok(mx_array_from(NULL, MX_SHAPE(0, 3), MX_FLOAT32)));
  assert_int_equal(released, 0);
}

static void foreign_memory_is_let_go_once(void **state) {
  static float floats[4] = {1, 2, 3, 4};
  static uint8_t bools[6] = {0, 1, 2, 255, 1, 0};
  released = 0;
  MX_SCOPE {
    mx_array shared =
        mx_array_foreign(floats, MX_SHAPE(4), MX_NO_SHAPE, MX_FLOAT32, false, count_release, NULL);
    assert_ptr_equal(mx_data(shared), floats);
    mx_array empty = mx_array_foreign(NULL, MX_SHAPE(0), MX_NO_SHAPE, MX_FLOAT32, false, count_release, NULL);
    assert_true(mx_ok(empty));
    /* two columns of three rows, the rows reversed */
    mx_array copied =
        mx_array_foreign(bools + 4, MX_SHAPE(3, 2), MX_SHAPE(-2, 1), MX_BOOL, false, count_release, NULL);
    const uint8_t want[] = {1, 0, 1, 1, 0, 1};
    assert_memory_equal(mx_data(mx_contiguous(copied, false)), want, 6);
    mx_array apart = mx_array_foreign((char *)floats + 1, MX_SHAPE(2), MX_NO_SHAPE, MX_FLOAT32, false,
                                      count_release, NULL);
    assert_memory_equal(mx_data(apart), (char *)floats + 1, 8);
    mx_drain_foreign();
    assert_int_equal(released, 3);
  }
  mx_drain_foreign();
  assert_int_equal(released, 4);
}

static void what_is_not_there_is_released_and_closed_without_harm(void **state) {
  mx_release(NULL);
  mx_release(MX_BAD);
  mx_free(NULL);
  mx_scope s = mx_scope_open();
  mx_scope_close(&s);
  mx_scope_close(&s);
  mx_scope_drain();
  mx_stream_mark mark = {NULL, 0};
  mx_stream_pop(&mark);
}

/* ---- Callbacks that drain ---- */
static int drains_and_squares(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  for (int i = 0; i < 3; i++) {
    mx_multiply(in[0], in[0]);
    mx_scope_drain(); /* a loop's garbage; not the inputs */
  }
  results[0] = mx_sum(mx_square(in[0]), MX_ALL_AXES, false);
  return 1;
}
static int drains_and_passes_on(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  mx_negative(in[n - 1]);
  mx_scope_drain();
  results[0] = mx_multiply(in[0], in[n - 1]);
  return 1;
}
static int drains_a_batch(void *context, int n, const mx_array *in, const int *in_axes, int max_out,
                          mx_array *results, int *out_axes) {
  mx_scope_drain();
  results[0] = mx_square(in[0]);
  out_axes[0] = 0;
  return 1;
}
static const mx_custom_rules draining = {
    .vjp = drains_and_passes_on, .jvp = drains_and_passes_on, .vmap = drains_a_batch};
static int with_rules(void *context, int n, const mx_array *in, int max_out, mx_array *results) {
  mx_array y = mx_square(in[0]);
  return mx_custom(1, in, 1, &y, draining, results) < 0 ? -1 : 1;
}
static void assert_first(mx_array a, double want) {
  double got = 0;
  assert_int_equal(mx_item(mx_slice(mx_flatten(a, 0, -1), MX_SHAPE(0), MX_SHAPE(1), MX_SHAPE(1)), &got), 0);
  assert_true(got == want);
}

static void a_callback_that_drains_its_scope_keeps_its_inputs(void **state) {
  mx_array x = mx_add(mx_arange(0, 4, 1, MX_FLOAT32), mx_float(3)), one = mx_float(1), y, g;
  assert_int_equal(mx_value_and_grad(drains_and_squares, NULL, 1, &x, MX_AXES(0), 1, &y, &g), 1);
  assert_first(g, 6);
  assert_int_equal(mx_vjp(drains_and_squares, NULL, 1, &x, 1, &one, 1, &y, &g), 1);
  assert_first(y, 86);
  assert_int_equal(mx_jvp(drains_and_squares, NULL, 1, &x, &x, 1, &y, &g), 1);
  assert_first(g, 172);
  assert_int_equal(mx_vmap(drains_and_squares, NULL, 1, &x, NULL, 1, &y, NULL), 1);
  assert_first(y, 9);
  mx_compiled f = mx_compile(drains_and_squares, NULL, false, NULL);
  for (int i = 0; i < 2; i++) assert_int_equal(mx_compiled_call(f, 0, 1, &x, 1, &y), 1);
  assert_first(y, 86);
  mx_set_compile_enabled(false);
  assert_int_equal(mx_compiled_call(f, 0, 1, &x, 1, &y), 1);
  mx_set_compile_enabled(true);
  assert_first(y, 86);
  mx_compiled_free(f);
}

static void rules_that_drain_their_scope_keep_their_inputs(void **state) {
  mx_array x = mx_add(mx_arange(0, 4, 1, MX_FLOAT32), mx_float(3)), y, g;
  assert_int_equal(mx_vjp(with_rules, NULL, 1, &x, 1, &x, 1, &y, &g), 1);
  assert_first(g, 9);
  assert_int_equal(mx_jvp(with_rules, NULL, 1, &x, &x, 1, &y, &g), 1);
  assert_first(g, 9);
  assert_int_equal(mx_vmap(with_rules, NULL, 1, &x, NULL, 1, &y, NULL), 1);
  assert_first(y, 9);
}

int main(void) {
  char folder[] = "/tmp/mlxc-misuse-XXXXXX"; /* some of the calls save files */
  if (!mkdtemp(folder) || chdir(folder) < 0) return 1;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(no_argument_crashes_a_public_function, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(memory_that_is_absent_or_out_of_reach_is_refused, open_scope,
                                      close_scope),
      cmocka_unit_test_setup_teardown(foreign_memory_is_let_go_once, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(what_is_not_there_is_released_and_closed_without_harm, open_scope,
                                      close_scope),
      cmocka_unit_test_setup_teardown(a_callback_that_drains_its_scope_keeps_its_inputs, open_scope,
                                      close_scope),
      cmocka_unit_test_setup_teardown(rules_that_drain_their_scope_keep_their_inputs, open_scope,
                                      close_scope),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  unlink("x");
  rmdir(folder);
  return failed;
}
