/* Files that are used in place, and change. */
#include "files.h"
#include "core/array.h"
#include "io/mapping.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { N = 1 << 20, OTHER = 1 << 14 }; // float32 elements: large enough for several threads, and few
enum { NPY, NPZ, SAFETENSORS, GGUF, FORMATS };

/* ---- Files ---- */
/* n ones in a file of the format. */
static const char *saved(int format, int64_t n) {
  static char path[128]; // path_of's own is soon another's
  const char *name = "x";
  int status = -1;
  snprintf(path, sizeof path, "%s", path_of("x"));
  MX_SCOPE {
    mx_array x = mx_ones(MX_SHAPE(n), MX_FLOAT32);
    switch (format) {
    case NPY: status = mx_save_npy(path, x); break;
    case NPZ: status = mx_save_npz(path, 1, &name, &x, false); break;
    case SAFETENSORS: status = mx_save_safetensors(path, 1, &name, &x, 0, NULL, NULL); break;
    default: status = mx_save_gguf(path, 1, &name, &x, 0, NULL);
    }
  }
  assert_int_equal(status, 0);
  return path;
}

static mx_file (*const load_file[])(const char *path) = {NULL, mx_load_npz, mx_load_safetensors,
                                                         mx_load_gguf};

/* The file's array, kept. */
static mx_array loaded(int format, const char *path) {
  mx_array x = NULL;
  if (format == NPY) {
    MX_SCOPE { x = mx_keep(mx_load_npy(path)); }
    return x;
  }
  mx_file f = load_file[format](path);
  assert_non_null(f);
  x = mx_keep(mx_file_get(f, "x"));
  mx_file_free(f);
  return x;
}

static bool is_mapped(mx_array x) { return atomic_load(&x->buffer->flags) & MXI_BUFFER_MAPPED; }

static void cut(const char *path) { assert_int_equal(truncate(path, 4096), 0); }
static void write_over(const char *path) {
  static const uint8_t other[4 * OTHER];
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  int fd = open(path, O_WRONLY);
  for (off_t at = 0; at < info.st_size; at += sizeof other) {
    size_t n = info.st_size - at < (off_t)sizeof other ? (size_t)(info.st_size - at) : sizeof other;
    assert_int_equal(pwrite(fd, other, n, at), n);
  }
  close(fd);
}
/* As `open(path, "wb")` and a write of as many bytes do. */
static void write_anew(const char *path) {
  struct stat info;
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(truncate(path, 0), 0);
  assert_int_equal(truncate(path, info.st_size), 0);
  write_over(path);
}
static const struct {
  void (*change)(const char *path);
  const char *word;
} changes[] = {{cut, "cut short"}, {write_over, "written to"}, {write_anew, "written to"}};
enum { CHANGES = sizeof changes / sizeof *changes };

static void expect_file_error(int status, const char *path, const char *word) {
  assert_int_equal(status, -1);
  if (mx_error_code() != MX_IO_ERROR || !strstr(mx_error(), word) || !strstr(mx_error(), path))
    fail_msg("'%s' lacks '%s'", mx_error(), word);
  mx_error_clear();
}

static bool all_are(mx_array a, float value) {
  const float *p = mx_data(a);
  for (int64_t i = 0; p && i < mx_size(a); i++)
    if (p[i] != value) return false;
  return p;
}

static int map_everything(void **state) {
  mxi_set_mapped_from(1);
  return make_folder(state);
}

/* ---- What changes while it is in use ---- */
static void a_changed_file_is_an_error_and_results_stay(void **state) {
  for (int format = 0; format < FORMATS; format++)
    for (int how = 0; how < CHANGES; how++)
      MX_SCOPE {
        const char *path = saved(format, N);
        mx_array x = loaded(format, path);
        assert_true(is_mapped(x));
        mx_array before = mx_add(x, x), first = mx_slice(x, MX_SHAPE(0), MX_SHAPE(1), MX_SHAPE(1));
        assert_int_equal(mx_eval(before), 0);
        assert_int_equal(mx_eval(first), 0);
        changes[how].change(path);
        const char *word = changes[how].word;
        expect_file_error(mx_eval(mx_exp(x)), path, word);
        expect_file_error(mx_eval(mx_sum(x, MX_ALL_AXES, false)), path, word);
        expect_file_error(mx_eval(x), path, word);
        expect_file_error(mx_data(x) ? 0 : -1, path, word);
        double value;
        expect_file_error(mx_item(first, &value), path, word);
        expect_file_error(mx_to_string(x, -1) ? 0 : -1, path, word);
        expect_file_error(mx_save_npy(path_of("y"), x), path, word);
        mx_array later = mx_exp(x);
        if (mx_async_eval(1, &later) == 0) expect_file_error(mx_eval(later), path, word);
        assert_true(all_are(before, 2));
        mx_release(x);
      }
}

static void nothing_computed_of_a_changed_file_is_kept(void **state) {
  MX_SCOPE {
    const char *path = saved(NPY, N);
    mx_array x = loaded(NPY, path), h = mx_exp(x),
             y = mx_sum(mx_negative(mx_cumsum(h, 0, false, true)), MX_ALL_AXES, false);
    cut(path);
    for (int i = 0; i < 2; i++) { // the second time nothing faults any more
      expect_file_error(mx_eval(y), path, "cut short");
      expect_file_error(mx_eval(h), path, "cut short");
    }
    mx_release(x);
  }
}

/* A change in the same tick of the clock as the last one before it. */
static void a_file_written_just_before_and_after_its_load_has_changed(void **state) {
  const char *path = saved(NPY, OTHER);
  for (int i = 0; i < 50; i++)
    MX_SCOPE {
      write_over(path);
      saved(NPY, OTHER);
      mx_array x = mx_load_npy(path);
      write_over(path);
      expect_file_error(mx_eval(mx_add(x, x)), path, "written to");
    }
}

static void a_file_that_is_replaced_or_removed_stays(void **state) {
  MX_SCOPE {
    const char *path = saved(NPY, N);
    mx_array x = mx_load_npy(path);
    assert_true(is_mapped(x));
    assert_int_equal(mx_save_npy(path, mx_zeros(MX_SHAPE(3), MX_FLOAT32)), 0);
    assert_true(all_are(x, 1));
    assert_int_equal(remove(path), 0);
    assert_true(all_are(mx_add(x, x), 2));
  }
}

static void a_view_for_others_of_a_file_cut_short_is_no_crash(void **state) {
  MX_SCOPE {
    const char *path = saved(NPY, N);
    mx_array x = mx_load_npy(path);
    const float *p = mx_data(x);
    cut(path);
    assert_true(p[N - 1] == 0);
    assert_null(mx_data(x));
  }
}

/* ---- Descriptors ---- */
static int in_child(int (*work)(void)) {
  int status = -1;
  pid_t child = fork();
  if (!child) _exit(work());
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status)) print_error("signal %d\n", WTERMSIG(status));
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int map_more_files_than_descriptors(void) {
  enum { FILES = 100 };
  struct rlimit few = {40, 40};
  const char *path = saved(NPY, OTHER);
  setrlimit(RLIMIT_NOFILE, &few);
  MX_SCOPE {
    mx_array x = NULL;
    for (int i = 0; i < FILES; i++)
      if (!mx_ok(x = mx_load_npy(path))) return 1;
    if (mx_eval(mx_add(x, x)) < 0) return 2;
    cut(path);
    if (mx_eval(mx_exp(x)) == 0 || mx_error_code() != MX_IO_ERROR) return 3;
  }
  return 0;
}
static void more_files_than_descriptors_are_mapped_and_watched(void **state) {
  assert_int_equal(in_child(map_more_files_than_descriptors), 0);
}

static int lose_the_descriptors(void) {
  const char *path = saved(NPY, OTHER);
  MX_SCOPE {
    mx_array x = mx_load_npy(path);
    for (int fd = 3; fd < 64; fd++) close(fd);
    int other = open("/dev/null", O_RDONLY);
    if (mx_eval(mx_add(x, x)) < 0) return 1;
    write_over(path);
    if (mx_eval(mx_exp(x)) == 0) return 2;
    mx_scope_drain();
    if (fcntl(other, F_GETFD) < 0) return 3;
  }
  return 0;
}
static void a_program_may_close_all_descriptors(void **state) {
  assert_int_equal(in_child(lose_the_descriptors), 0);
}

/* ---- Other handlers ---- */
static sigjmp_buf escape;
static void jump(int number) { siglongjmp(escape, 1); }
/* 1 when a fault elsewhere reaches `jump`. */
static int fault_elsewhere(void) {
  int fd = open(path_of("z"), O_RDWR | O_CREAT | O_TRUNC, 0666);
  volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  if (sigsetjmp(escape, 1)) return 1;
  return *p + 0;
}
static bool fault_of_a_file_is_an_error(void) {
  bool good = false;
  MX_SCOPE {
    const char *path = saved(NPY, N);
    mx_array x = mx_load_npy(path);
    cut(path);
    good = mx_eval(mx_exp(x)) < 0 && mx_error_code() == MX_IO_ERROR;
  }
  return good;
}

static int handler_before(void) {
  signal(SIGBUS, jump);
  return fault_of_a_file_is_an_error() && fault_elsewhere() && fault_elsewhere() ? 0 : 1;
}
static int handler_after(void) {
  signal(SIGBUS, SIG_DFL);
  if (!fault_of_a_file_is_an_error()) return 1;
  signal(SIGBUS, jump);
  return fault_of_a_file_is_an_error() && fault_elsewhere() ? 0 : 2;
}
static int handler_in_between(void) {
  bool good = false;
  MX_SCOPE {
    const char *path = saved(NPY, N);
    mx_array x = mx_load_npy(path);
    signal(SIGBUS, jump);
    cut(path);
    if (sigsetjmp(escape, 1)) return 1;
    good = mx_eval(mx_exp(x)) < 0 && mx_error_code() == MX_IO_ERROR;
  }
  return good ? 0 : 2;
}
static int signals_blocked(void) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, NULL);
  return fault_of_a_file_is_an_error() ? 0 : 1;
}
static void other_handlers_get_other_faults(void **state) {
  assert_int_equal(in_child(handler_before), 0);
  assert_int_equal(in_child(handler_after), 0);
  assert_int_equal(in_child(handler_in_between), 0);
  assert_int_equal(in_child(signals_blocked), 0);
}

static int die_elsewhere(void) {
  signal(SIGBUS, SIG_DFL);
  if (!fault_of_a_file_is_an_error()) return 0;
  fault_elsewhere();
  return 0;
}
static struct sigaction below;
static void report_and_raise(int number) { // as a reporter of crashes does
  sigaction(number, &below, NULL);
  raise(number);
}
static int die_under_a_reporter(void) {
  signal(SIGBUS, SIG_DFL);
  if (!fault_of_a_file_is_an_error()) return 0;
  struct sigaction reporter = {.sa_handler = report_and_raise, .sa_flags = SA_NODEFER};
  sigaction(SIGBUS, &reporter, &below);
  if (!fault_of_a_file_is_an_error()) return 0;
  fault_elsewhere();
  return 0;
}
static int die_by_kill(void) {
  signal(SIGBUS, SIG_DFL);
  if (!fault_of_a_file_is_an_error()) return 0;
  raise(SIGBUS);
  return 0;
}
static void other_faults_still_end_the_process(void **state) {
  int (*const deaths[])(void) = {die_elsewhere, die_under_a_reporter, die_by_kill};
  for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
    int status = 0;
    pid_t child = fork();
    if (!child) {
      alarm(20);
      _exit(deaths[i]());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
  }
}

/* ---- What stays mapped ---- */
static int lines_of_maps(const char *word) {
  char line[512];
  int n = 0;
  FILE *f = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, f)) n += strstr(line, word) != NULL;
  fclose(f);
  return n;
}

static void small_files_and_streams_are_not_mapped(void **state) {
  enum { FILES = 2000 };
  size_t old = mxi_set_mapped_from((size_t)16 << 20);
  const char *path = saved(NPY, 64);
  struct bytes b = read_back("x");
  int before = lines_of_maps("");
  MX_SCOPE {
    for (int i = 0; i < FILES; i++) {
      assert_true(mx_ok(mx_load_npy(path)));
      struct stream s = {&b, 0, SIZE_MAX};
      assert_true(mx_ok(mx_read_npy(reader_of(&s))));
      mx_array odd = mx_load_npy(path);
      if (i % 2) mx_keep(odd), mx_release(odd);
    }
    assert_true(lines_of_maps("") < before + 100);
  }
  mxi_set_mapped_from(old);
}

static void a_small_file_stays_what_it_was_when_loaded(void **state) {
  size_t old = mxi_set_mapped_from((size_t)16 << 20);
  for (int format = 0; format < FORMATS; format++)
    for (int how = 0; how < CHANGES; how++)
      MX_SCOPE {
        const char *path = saved(format, OTHER);
        mx_array x = loaded(format, path);
        changes[how].change(path);
        assert_true(all_are(x, 1));
        assert_true(all_are(mx_add(x, x), 2));
        mx_release(x);
      }
  mxi_set_mapped_from(old);
}

static void a_file_is_let_go_with_its_last_array(void **state) {
  for (int format = 0; format < FORMATS; format++) {
    const char *path = saved(format, N);
    int descriptor = open("/dev/null", O_RDONLY);
    mx_array x = loaded(format, path);
    assert_int_equal(lines_of_maps(path), 1);
    mx_release(x);
    assert_int_equal(lines_of_maps(path), 0);
    int next = open("/dev/null", O_RDONLY);
    assert_int_equal(next, descriptor + 1);
    close(next);
    close(descriptor);
  }
}

static void count(void *n) { ++*(int *)n; }
static mx_array foreign(int *released) {
  static float data[4];
  return mx_array_foreign(data, MX_SHAPE(4), MX_NO_SHAPE, MX_FLOAT32, true, count, released);
}
static void foreign_memory_is_released_without_an_eval(void **state) {
  int released = 0;
  MX_SCOPE { foreign(&released); }
  assert_int_equal(released, 1);
  MX_SCOPE {
    foreign(&released);
    mx_scope_drain();
    assert_int_equal(released, 2);
    mx_array a = mx_keep(foreign(&released));
    mx_scope_drain();
    assert_int_equal(released, 2);
    mx_release(a);
    assert_int_equal(released, 3);
  }
}

REMOVE_FOLDER("x", "y", "z")

int main(void) {
  const struct CMUnitTest tests[] = {
      // first, before this process maps a file: the children start with handlers of their own
      cmocka_unit_test(other_handlers_get_other_faults),
      cmocka_unit_test(other_faults_still_end_the_process),
      cmocka_unit_test(more_files_than_descriptors_are_mapped_and_watched),
      cmocka_unit_test(a_program_may_close_all_descriptors),
      cmocka_unit_test(a_changed_file_is_an_error_and_results_stay),
      cmocka_unit_test(nothing_computed_of_a_changed_file_is_kept),
      cmocka_unit_test(a_file_written_just_before_and_after_its_load_has_changed),
      cmocka_unit_test(a_file_that_is_replaced_or_removed_stays),
      cmocka_unit_test(a_view_for_others_of_a_file_cut_short_is_no_crash),
      cmocka_unit_test(small_files_and_streams_are_not_mapped),
      cmocka_unit_test(a_small_file_stays_what_it_was_when_loaded),
      cmocka_unit_test(a_file_is_let_go_with_its_last_array),
      cmocka_unit_test(foreign_memory_is_released_without_an_eval),
  };
  return cmocka_run_group_tests(tests, map_everything, remove_folder);
}
