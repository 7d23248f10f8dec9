/* Saving over what is there: who may, what stays, and what takes its place. */
#include "files.h"
#include "io/mapping.h"
#include "io/writer.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>

enum { NOBODY = 65534 };
static const char old_text[] = "the old file";

static const char *put_file(const char *name, mode_t mode) {
  const char *path = path_of(name);
  remove(path); // with its owner
  FILE *f = fopen(path, "wb");
  assert_non_null(f);
  fputs(old_text, f);
  fclose(f);
  assert_int_equal(chmod(path, mode), 0);
  return path;
}
static bool is_old(const char *name) {
  char text[64] = "";
  FILE *f = fopen(path_of(name), "rb");
  if (!f) return false;
  size_t n = fread(text, 1, sizeof text - 1, f);
  fclose(f);
  return n == strlen(old_text) && !strcmp(text, old_text);
}
static int save(const char *name, int value) {
  int status = -1;
  MX_SCOPE { status = mx_save_npy(path_of(name), mx_int(value)); }
  return status;
}
static bool holds(const char *name, int value) {
  int64_t got = 0;
  bool good = false;
  MX_SCOPE {
    mx_array a = mx_load_npy(path_of(name));
    good = mx_ok(a) && mx_item_int(a, &got) == 0 && got == value;
  }
  return good;
}
static struct stat info_of(const char *name) {
  struct stat info;
  assert_int_equal(lstat(path_of(name), &info), 0);
  return info;
}

/* ---- Anyone ---- */
static void a_new_file_has_the_permissions_of_the_umask(void **state) {
  mode_t old = umask(027);
  assert_int_equal(save("a", 1), 0);
  umask(old);
  assert_int_equal(info_of("a").st_mode & 0777, 0640);
}

static void a_file_keeps_permissions_and_attributes(void **state) {
  const char *path = put_file("a", 0604);
  bool attributes = setxattr(path, "user.mlx", "value", 5, 0) == 0; // where the file system has them
  assert_int_equal(save("a", 1), 0);
  assert_true(holds("a", 1));
  assert_int_equal(info_of("a").st_mode & 0777, 0604);
  char value[16];
  if (attributes) assert_int_equal(getxattr(path_of("a"), "user.mlx", value, sizeof value), 5);
}

static void symbolic_links_stay_and_what_they_lead_to_is_replaced(void **state) {
  put_file("a", 0644);
  assert_int_equal(symlink("a", path_of("link")), 0);
  assert_int_equal(symlink("link", path_of("link2")), 0);
  assert_int_equal(symlink("new", path_of("dangling")), 0);
  assert_int_equal(symlink("loop", path_of("loop")), 0);
  assert_int_equal(save("link2", 1), 0);
  assert_int_equal(save("dangling", 2), 0);
  assert_true(holds("a", 1) && holds("new", 2));
  assert_true(S_ISLNK(info_of("link").st_mode) && S_ISLNK(info_of("link2").st_mode));
  assert_true(S_ISLNK(info_of("dangling").st_mode));
  assert_int_equal(save("loop", 3), -1);
  assert_int_equal(mx_error_code(), MX_IO_ERROR);
}

static void of_hard_links_the_one_named_is_replaced(void **state) {
  char other[128];
  put_file("a", 0644);
  strcpy(other, path_of("b"));
  assert_int_equal(link(path_of("a"), other), 0);
  assert_int_equal(save("a", 1), 0);
  assert_true(holds("a", 1) && is_old("b"));
}

static void names_may_have_255_bytes(void **state) {
  static char longest[256], longer[257];
  memset(longest, 'n', 255);
  memset(longer, 'n', 256);
  char path[512];
  MX_SCOPE {
    snprintf(path, sizeof path, "%s/%s", folder, longest);
    assert_int_equal(mx_save_npy(path, mx_int(1)), 0);
    assert_int_equal(mx_save_npy(path, mx_int(2)), 0);
    assert_int_equal(remove(path), 0);
    snprintf(path, sizeof path, "%s/%s", folder, longer);
    assert_int_equal(mx_save_npy(path, mx_int(1)), -1);
    assert_non_null(strstr(mx_error(), "too long"));
    assert_int_equal(mx_save_npy("", mx_int(1)), -1);
    snprintf(path, sizeof path, "%s/none/", folder);
    assert_int_equal(mx_save_npy(path, mx_int(1)), -1);
    assert_int_equal(mx_save_npy(folder, mx_int(1)), -1);
  }
}

static void a_name_without_a_folder_is_of_the_working_folder(void **state) {
  char before[512];
  assert_non_null(getcwd(before, sizeof before));
  assert_int_equal(chdir(folder), 0);
  MX_SCOPE { assert_int_equal(mx_save_npy("a", mx_int(5)), 0); }
  assert_int_equal(chdir(before), 0);
  assert_true(holds("a", 5));
}

static void devices_and_descriptors_are_written_to_as_they_are(void **state) {
  char path[64], bytes[256];
  int ends[2];
  MX_SCOPE {
    assert_int_equal(mx_save_npy("/dev/null", mx_int(1)), 0);
    assert_int_equal(mx_save_npy("/dev/full", mx_int(1)), -1);
    assert_non_null(strstr(mx_error(), "No space"));
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[1]);
    assert_int_equal(mx_save_npy(path, mx_int(1)), 0);
    assert_true(read(ends[0], bytes, sizeof bytes) > 64);
    int gone = open(put_file("a", 0644), O_RDWR); // a file without a name
    remove(path_of("a"));
    snprintf(path, sizeof path, "/proc/self/fd/%d", gone);
    assert_int_equal(mx_save_npy(path, mx_int(1)), 0);
    assert_true(pread(gone, bytes, sizeof bytes, 0) > 64);
    close(gone);
    close(ends[0]);
    close(ends[1]);
  }
}

/* A save that fails when it is half done. */
static int break_off(void *context, const void *data, size_t n) {
  return mx_error_set(MX_RUNTIME_ERROR, "broken");
}
static void until_it_is_whole_the_old_file_stays(void **state) {
  struct mxi_writer w;
  put_file("a", 0644);
  assert_int_equal(mxi_writer_open(&w, "save", &(struct mxi_target){.path = path_of("a")}), 0);
  assert_int_equal(mxi_writer_write(&w, "new", 3), 0);
  assert_true(is_old("a"));
  assert_int_equal(mxi_writer_close(&w, break_off(NULL, NULL, 0)), -1);
  assert_true(is_old("a"));
}

/* ---- Root, as nobody ---- */
static bool is_root(void) { return geteuid() == 0; }

static int as_nobody(int (*work)(void)) {
  int status = -1;
  pid_t child = fork();
  if (!child) _exit(setgid(NOBODY) < 0 || setuid(NOBODY) < 0 ? 100 : work());
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
static void own(const char *name, uid_t user) { assert_int_equal(chown(path_of(name), user, user), 0); }

static int save_refused(void) {
  return save("a", 1) == -1 && strstr(mx_error(), "Permission denied") ? 0 : 1;
}
static int save_allowed(void) { return save("a", 1) == 0 ? 0 : 1; }
static int save_over_mapped(void) {
  int status = 1;
  MX_SCOPE {
    mx_array x = mx_load_npy(path_of("a"));
    if (mx_save_npy(path_of("a"), mx_add(x, x)) == 0 || !strstr(mx_error(), "read from")) break;
    status = mx_eval(mx_add(x, x)) == 0 ? 0 : 2;
  }
  return status;
}

static void only_who_may_write_a_file_may_save_it(void **state) {
  if (!is_root()) skip();
  own(".", NOBODY);
  put_file("a", 0444);
  own("a", NOBODY);
  assert_int_equal(as_nobody(save_refused), 0); // one's own, but not to be written to
  assert_true(is_old("a"));
  put_file("a", 0644);
  assert_int_equal(as_nobody(save_refused), 0); // another's
  assert_true(is_old("a"));
  own(".", 0);
  remove(path_of("a"));
  chmod(folder, 0755);
  assert_int_equal(as_nobody(save_refused), 0); // a new one, in a folder not to be written to
}

static void what_cannot_be_replaced_is_written_in_place(void **state) {
  if (!is_root()) skip();
  put_file("a", 0666);
  chmod(folder, 0755);
  ino_t same = info_of("a").st_ino;
  assert_int_equal(as_nobody(save_allowed), 0); // the folder is another's
  assert_true(holds("a", 1) && info_of("a").st_ino == same && info_of("a").st_uid == 0);
  own(".", NOBODY);
  put_file("a", 0666);
  assert_int_equal(as_nobody(save_allowed), 0); // the file is, and stays so
  assert_true(holds("a", 1) && info_of("a").st_ino == same && info_of("a").st_uid == 0);
  own("a", NOBODY);
  assert_int_equal(as_nobody(save_allowed), 0);
  assert_true(info_of("a").st_ino != same && info_of("a").st_uid == NOBODY);
  own(".", 0);
}

static void a_file_in_use_is_not_written_in_place(void **state) {
  if (!is_root()) skip();
  chmod(folder, 0755);
  MX_SCOPE { assert_int_equal(mx_save_npy(path_of("a"), mx_ones(MX_SHAPE(1 << 16), MX_FLOAT32)), 0); }
  chmod(path_of("a"), 0666);
  size_t old = mxi_set_mapped_from(1);
  assert_int_equal(as_nobody(save_over_mapped), 0);
  mxi_set_mapped_from(old);
}

static void root_keeps_another_users_file_that_users(void **state) {
  if (!is_root()) skip();
  put_file("a", 0640);
  own("a", NOBODY);
  assert_int_equal(save("a", 1), 0);
  assert_int_equal(info_of("a").st_uid, NOBODY);
  assert_int_equal(info_of("a").st_mode & 0777, 0640);
}

static int save_over_a_mount(void) {
  char file[128];
  strcpy(file, path_of("a"));
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
      mount(file, file, NULL, MS_BIND, NULL) < 0)
    return 77;
  return save("a", 1) == 0 && holds("a", 1) ? 0 : 1;
}
static void a_mount_point_is_written_in_place(void **state) {
  if (!is_root()) skip();
  int status = -1;
  put_file("a", 0644);
  pid_t child = fork();
  if (!child) _exit(save_over_a_mount());
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 77) skip(); // a container without that right
  assert_int_equal(status, 0);
  assert_true(holds("a", 1));
}

REMOVE_FOLDER("a", "b", "new", "link", "link2", "dangling", "loop")
static int remove_all(void **state) { // each test leaves nothing else behind
  static const char *const names[] = {"a", "b", "new", "link", "link2", "dangling", "loop"};
  mx_error_clear();
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) remove(path_of(names[i]));
  return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test_teardown(name, remove_all)
  const struct CMUnitTest tests[] = {
      TEST(a_new_file_has_the_permissions_of_the_umask),
      TEST(a_file_keeps_permissions_and_attributes),
      TEST(symbolic_links_stay_and_what_they_lead_to_is_replaced),
      TEST(of_hard_links_the_one_named_is_replaced),
      TEST(names_may_have_255_bytes),
      TEST(a_name_without_a_folder_is_of_the_working_folder),
      TEST(devices_and_descriptors_are_written_to_as_they_are),
      TEST(until_it_is_whole_the_old_file_stays),
      TEST(only_who_may_write_a_file_may_save_it),
      TEST(what_cannot_be_replaced_is_written_in_place),
      TEST(a_file_in_use_is_not_written_in_place),
      TEST(root_keeps_another_users_file_that_users),
      TEST(a_mount_point_is_written_in_place),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
