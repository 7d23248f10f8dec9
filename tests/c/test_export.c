/* Functions in files: what comes back computes the same, what a file says reaches no kernel unchecked, and
   neither damage nor short memory does harm. */
#include "failing.h"
#include "files.h"
#include "ops/rules.h"

/* ---- The function ---- */
static mx_array weight; /* a constant of it */
static int layers(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array h = mx_softmax(mx_matmul(in[0], weight), MX_AXES(-1), false);
  out[0] = mx_concatenate(2, (mx_array[]){h, n > 1 ? mx_multiply(h, in[1]) : h}, 0);
  out[1] = mx_add(mx_argmax(h, 0, false), mx_mean(mx_reshape(h, MX_SHAPE(-1)), MX_ALL_AXES, false));
  out[2] = mx_slice(h, MX_SHAPE(0, 2), MX_SHAPE(2, 0), MX_SHAPE(1, -1));
  return 3;
}
static const char *const names[] = {"scale"};
static mx_call inputs_of(mx_array *in, int n) {
  in[0] = mx_reshape(mx_arange(0, 6, 1, MX_FLOAT32), MX_SHAPE(3, 2));
  in[1] = mx_scalar(0.5, MX_FLOAT32);
  return (mx_call){n, in, n - 1, names};
}
static mx_array sum_of(int n, const mx_array *arrays) {
  mx_array sum = mx_float(0);
  for (int i = 0; i < n; i++) sum = mx_add(sum, mx_sum(arrays[i], MX_ALL_AXES, false));
  return sum;
}

static int make_function(void **state) {
  open_scope(state);
  if (!*folder || strstr(folder, "XXXXXX")) assert_non_null(mkdtemp(folder));
  weight = mx_transpose(mx_reshape(mx_arange(1, 7, 1, MX_FLOAT32), MX_SHAPE(3, 2)), MX_ALL_AXES);
  return 0;
}

static void an_imported_function_computes_what_was_exported(void **state) {
  mx_array in[2], want[3], got[3];
  mx_exporter e = mx_exporter_new(path_of("f"), false, "text");
  for (int n = 1; n <= 2; n++) assert_int_equal(mx_exporter_add(e, layers, NULL, inputs_of(in, n)), 0);
  assert_int_equal(mx_exporter_add(e, layers, NULL, inputs_of(in, 2)), -1);
  assert_int_equal(mx_error_code(), MX_RUNTIME_ERROR);
  assert_int_equal(mx_exporter_close(e), 0);
  mx_exporter_free(e);
  mx_imported f = mx_import_function(path_of("f"));
  assert_non_null(f);
  assert_string_equal(mx_imported_metadata(f), "text");
  assert_int_equal(mx_imported_count(f), 2);
  assert_string_equal(mx_imported_inputs(f, 1).names[0], "scale");
  for (int n = 1; n <= 2; n++) {
    mx_call c = inputs_of(in, n);
    assert_int_equal(mx_imported_outputs(f, c), 3);
    assert_int_equal(mx_imported_call(f, c, 3, got), 3);
    layers(NULL, n, in, 3, want);
    for (int i = 0; i < 3; i++) {
      mx_array same = mx_array_equal(got[i], want[i], false);
      assert_int_equal(mx_eval(same), 0);
      assert_true(*(const bool *)mx_data(same));
      assert_int_equal(mx_dtype_of(got[i]), mx_dtype_of(want[i]));
    }
  }
  mx_call other = {2, (mx_array[]){in[0], in[0]}, 1, names};
  assert_int_equal(mx_imported_call(f, other, 3, got), -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  mx_imported_free(f);
}

/* ---- Records ---- */
static void every_primitive_of_a_graph_can_be_recorded_under_a_name_of_its_own(void **state) {
  for (int i = 0; i < MXI_PRIM_COUNT; i++) {
    bool in_no_record = i == MXI_COPY || i == MXI_CALL || i == MXI_CUSTOM || i == MXI_CUSTOM_KERNEL;
    assert_int_equal(!mxi_rules[i].build, in_no_record);
    for (int k = 0; k < i; k++) assert_string_not_equal(mxi_prims[i].name, mxi_prims[k].name);
  }
}

static uint64_t random_state = 88172645463325252u;
static unsigned draw(unsigned n) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (unsigned)(random_state >> 33) % n;
}
static int64_t draw_int(void) {
  static const int64_t ends[] = {INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, (int64_t)1 << 62, -1, 1 << 20};
  return draw(8) ? (int64_t)draw(9) - 2 : ends[draw(7)];
}
static double draw_double(void) {
  static const double values[] = {1, 0, -1, 0.5, NAN, INFINITY, 1e300, -1e300};
  return values[draw(8)];
}
static mx_array draw_array(void) {
  static const mx_dtype dtypes[] = {MX_FLOAT32,   MX_FLOAT32, MX_FLOAT32, MX_INT32,  MX_UINT32,
                                    MX_COMPLEX64, MX_BOOL,    MX_FLOAT16, MX_FLOAT64};
  int64_t shape[4];
  static const int64_t sizes[] = {1, 2, 2, 4, 4, 0, 32, 3};
  int ndim = (int)draw(5);
  for (int i = 0; i < ndim; i++) shape[i] = sizes[draw(8)];
  return mx_ones((mx_ints){shape, ndim}, dtypes[draw(9)]);
}

struct record {
  uint64_t params[32];
  int64_t lists[8][4];
  mx_array in[5], out[3];
  struct mxi_output outputs[3];
  int64_t dims[3][4];
};
static struct mxi_build draw_record(struct record *r, const mx_prim *p) {
  int lists = 0;
  memset(r, 0, sizeof *r);
  for (int i = 0; i < p->nfields; i++) {
    char *to = (char *)r->params + p->fields[i].offset;
    if (p->fields[i].kind == MXI_F_INT)
      *(int64_t *)to = draw_int();
    else if (p->fields[i].kind == MXI_F_DOUBLE)
      *(double *)to = draw_double();
    else
      *(mx_ints *)to = (mx_ints){r->lists[lists++], (int)draw(5)};
  }
  for (int i = 0; i < 8; i++)
    for (int k = 0; k < 4; k++) r->lists[i][k] = draw_int();
  for (int i = 0; i < 5; i++) r->in[i] = i && draw(2) ? r->in[0] : draw_array();
  for (int i = 0; i < 3; i++) {
    bool as_input = draw(2);
    for (int k = 0; k < 4; k++)
      r->dims[i][k] = as_input && k < mx_ndim(r->in[0]) ? mx_dim(r->in[0], k) : (int64_t)draw(5);
    r->outputs[i] = (struct mxi_output){draw(2) ? mx_dtype_of(r->in[0]) : (mx_dtype)draw(MX_DTYPE_COUNT),
                                        {r->dims[i], as_input ? mx_ndim(r->in[0]) : (int)draw(5)}};
  }
  return (struct mxi_build){.prim = p,
                            .params = r->params,
                            .ninputs = (int)draw(6),
                            .noutputs = 1 + (int)draw(2) * (int)draw(3),
                            .in = r->in,
                            .outputs = r->outputs,
                            .out = r->out};
}

/* The sanitizers' builds have the last word here. */
static void a_record_of_any_numbers_is_a_node_that_can_run_or_an_error(void **state) {
  int made = 0;
  for (int i = 0; i < 2000 * MXI_PRIM_COUNT; i++)
    MX_SCOPE {
      struct record r;
      const mx_prim *p = &mxi_prims[i % MXI_PRIM_COUNT];
      struct mxi_build b = draw_record(&r, p);
      mx_error_clear();
      if (mxi_build(&b) < 0)
        assert_int_not_equal(mx_error_code(), MX_OK);
      else
        for (int k = 0; k < b.noutputs; k++) {
          assert_int_equal(mx_dtype_of(r.out[k]), r.outputs[k].dtype);
          if (mx_size(r.out[k]) < 1 << 16 && mx_eval(r.out[k]) < 0)
            assert_int_not_equal(mx_error_code(), MX_OK);
          made++;
        }
    }
  assert_true(made > 1000);
}

/* ---- Damage ---- */
struct memory {
  const uint8_t *data;
  size_t left;
};
static int64_t read_memory(void *context, void *to, size_t n) {
  struct memory *m = context;
  if (n > m->left) n = m->left;
  if (n) memcpy(to, m->data, n);
  m->data += n;
  m->left -= n;
  return (int64_t)n;
}
/* 0 when it is refused; else what its first trace gives, if it takes our inputs, is computed. */
static int try_bytes(const uint8_t *data, size_t n) {
  int good = 0;
  MX_SCOPE {
    struct memory m = {data, n};
    mx_array in[2], out[3];
    mx_error_clear();
    mx_imported f = mx_read_function((mx_reader){&m, NULL, read_memory});
    assert_true(f || mx_error_code() == MX_INVALID_ARGUMENT || mx_error_code() == MX_OUT_OF_MEMORY);
    good = f != NULL;
    if (f && mx_imported_call(f, inputs_of(in, 2), 3, out) == 3 && mx_size(out[0]) < 1 << 16)
      mx_eval(sum_of(3, out));
    mx_imported_free(f);
  }
  return good;
}

static struct bytes exported(bool shapeless) {
  mx_array in[2];
  assert_int_equal(mx_export_function(path_of("f"), layers, NULL, inputs_of(in, 2), shapeless, "m"), 0);
  return read_back("f");
}
static void a_file_cut_anywhere_is_refused(void **state) {
  struct bytes b = exported(false);
  assert_true(try_bytes(b.data, b.n));
  for (size_t n = 0; n < b.n; n++) assert_false(try_bytes(b.data, n));
  assert_false(try_bytes(b.data, b.n + 1));
}
static void a_file_with_any_byte_changed_is_refused_or_can_be_called(void **state) {
  mx_set_memory_limit((size_t)64 << 20);
  for (int shapeless = 0; shapeless < 2; shapeless++) {
    struct bytes b = exported(shapeless);
    for (size_t i = 0; i < b.n; i++)
      for (int bit = 0; bit < 8; bit++) {
        b.data[i] ^= (uint8_t)(1 << bit);
        try_bytes(b.data, b.n);
        b.data[i] ^= (uint8_t)(1 << bit);
      }
  }
}

/* ---- Short memory ---- */
static int exports_and_calls(void *context, double *value) {
  mx_array in[2], out[3];
  mx_call c = inputs_of(in, 2);
  int status =
      mx_ok(in[0]) && mx_ok(in[1]) ? mx_export_function(path_of("f"), layers, NULL, c, true, "m") : -1;
  mx_imported f = status == 0 ? mx_import_function(path_of("f")) : NULL;
  status = f && mx_imported_call(f, c, 3, out) == 3 ? 0 : -1;
  if (status == 0) {
    mx_array sum = sum_of(3, out);
    status = mx_eval(sum);
    if (status == 0) *value = *(const float *)mx_data(sum);
  }
  mx_imported_free(f);
  return status;
}
static void any_allocation_may_fail(void **state) { try_every_failure(exports_and_calls, NULL); }

int main(void) {
  const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_function, close_scope)
      TEST(an_imported_function_computes_what_was_exported),
      TEST(every_primitive_of_a_graph_can_be_recorded_under_a_name_of_its_own),
      TEST(a_record_of_any_numbers_is_a_node_that_can_run_or_an_error),
      TEST(a_file_cut_anywhere_is_refused),
      TEST(any_allocation_may_fail),
      TEST(a_file_with_any_byte_changed_is_refused_or_can_be_called),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
