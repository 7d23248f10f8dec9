/* The folder of compiled kernels (cuda/cubins.h): what is kept is found again, and nothing else is. */
#include "base/alloc.h"
#include "cuda/cubins.h"
#include "scope.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char source[] = "// sm_90\nthe source";
static char path[64];

static int make_folder(void **state) {
  strcpy(path, "/tmp/test_cubins_XXXXXX");
  return mkdtemp(path) ? 0 : -1;
}
static int remove_folder(void **state) {
  char command[128];
  snprintf(command, sizeof command, "rm -rf '%s'", path);
  return system(command);
}

static bool finds(int folder, const char *text, const char *code, size_t bytes) {
  size_t found = 0;
  void *p = mxi_cubins_load(folder, text, &found);
  bool same = p && found == bytes && !memcmp(p, code, bytes);
  mxi_free(p);
  return same;
}
static bool finds_none(int folder, const char *text) {
  size_t bytes;
  void *p = mxi_cubins_load(folder, text, &bytes);
  mxi_free(p);
  return !p;
}
/* The path of the one file in the folder. */
static void only_file(char *file) {
  DIR *d = opendir(path);
  int n = 0;
  for (struct dirent *e; (e = readdir(d));)
    if (e->d_name[0] != '.') n++, sprintf(file, "%s/%.60s", path, e->d_name);
  closedir(d);
  assert_int_equal(n, 1);
}

static void code_is_found_by_its_source_alone(void **state) {
  int folder = mxi_cubins_open(path);
  assert_true(finds_none(folder, source));
  mxi_cubins_save(folder, source, "code\0more", 9);
  assert_true(finds(folder, source, "code\0more", 9));
  assert_true(finds_none(folder, "// sm_90\nthe sourcf"));
  mxi_cubins_save(folder, source, "newer", 5);
  assert_true(finds(folder, source, "newer", 5));
  close(folder);
}

static void damaged_files_are_as_good_as_none(void **state) {
  char file[128];
  int folder = mxi_cubins_open(path);
  mxi_cubins_save(folder, source, "code", 4);
  only_file(file);
  struct stat s;
  stat(file, &s);
  for (off_t at = 0; at < s.st_size; at++) { // each byte changed
    char byte;
    int fd = open(file, O_RDWR);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_true(finds_none(folder, source));
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
  }
  assert_true(finds(folder, source, "code", 4));
  for (off_t length = s.st_size + 8; length-- > 0;) { // each length
    if (length == s.st_size) continue;
    mxi_cubins_save(folder, source, "code", 4);
    assert_int_equal(truncate(file, length), 0);
    assert_true(finds_none(folder, source));
  }
  mxi_cubins_save(folder, source, "code", 4); // and is replaced
  assert_true(finds(folder, source, "code", 4));
  close(folder);
}

static void links_and_folders_in_a_files_place_are_not_followed(void **state) {
  char file[128], elsewhere[160];
  int folder = mxi_cubins_open(path);
  mxi_cubins_save(folder, source, "code", 4);
  only_file(file);
  snprintf(elsewhere, sizeof elsewhere, "%s.elsewhere", file);
  assert_int_equal(rename(file, elsewhere), 0);
  assert_int_equal(symlink(elsewhere, file), 0);
  assert_true(finds_none(folder, source));
  mxi_cubins_save(folder, source, "newer", 5); // replaces the link, not what it leads to
  assert_true(finds(folder, source, "newer", 5));
  assert_int_equal(unlink(file) | mkfifo(file, 0600), 0);
  assert_true(finds_none(folder, source));
  assert_int_equal(unlink(file) | mkdir(file, 0700), 0);
  assert_true(finds_none(folder, source));
  mxi_cubins_save(folder, source, "code", 4);
  assert_int_equal(rmdir(file) | unlink(elsewhere), 0);
  mxi_cubins_save(folder, source, "code", 4);
  only_file(file); // no temporary file was left
  close(folder);
}

static void folders_that_others_can_write_to_are_not_used(void **state) {
  char deep[128];
  assert_int_equal(chmod(path, 0777), 0);
  assert_int_equal(mxi_cubins_open(path), -1);
  assert_int_equal(chmod(path, 0755), 0);
  snprintf(deep, sizeof deep, "%s/a/b", path);
  int folder = mxi_cubins_open(deep); // made, for the user alone
  assert_true(folder >= 0);
  struct stat s;
  assert_int_equal(fstat(folder, &s), 0);
  assert_int_equal(s.st_mode & 0777, 0700);
  close(folder);
  assert_int_equal(mxi_cubins_open("/dev/null"), -1);
  assert_int_equal(mxi_cubins_open("/dev/null/a"), -1);
}

static void the_files_used_least_recently_go_first(void **state) {
  char text[32], block[1000] = {0}, others[128];
  int folder = mxi_cubins_open(path);
  snprintf(others, sizeof others, "%s/notes.txt", path);
  close(open(others, O_CREAT | O_WRONLY, 0600));
  uint64_t all = 0;
  for (int i = 0; i < 10; i++) {
    snprintf(text, sizeof text, "source %d", i);
    mxi_cubins_save(folder, text, block, sizeof block);
    usleep(20000); // longer than the tick of file times
  }
  assert_true(finds(folder, "source 0", block, sizeof block)); // used again
  all = mxi_cubins_trim(folder, UINT64_MAX);
  assert_true(all >= 10 * sizeof block && all < 11 * sizeof block);
  assert_true(mxi_cubins_trim(folder, all / 2) <= all / 2);
  for (int i = 0; i < 10; i++) {
    snprintf(text, sizeof text, "source %d", i);
    assert_int_equal(!finds_none(folder, text), i == 0 || i > 5);
  }
  assert_int_equal(mxi_cubins_trim(folder, 0), 0);
  assert_int_equal(access(others, F_OK), 0); // others' files stay
  close(folder);
}

/* Files are whole at every moment, whoever writes them. */
static void several_processes_use_one_folder(void **state) {
  enum { PROCESSES = 4, TIMES = 200 };
  static char code[50000];
  memset(code, 'x', sizeof code);
  int folder = mxi_cubins_open(path);
  mxi_cubins_save(folder, source, code, sizeof code);
  pid_t children[PROCESSES];
  for (int i = 0; i < PROCESSES; i++) {
    if ((children[i] = fork())) continue;
    for (int k = 0; k < TIMES; k++) {
      mxi_cubins_save(folder, source, code, sizeof code);
      if (!finds(folder, source, code, sizeof code)) _exit(1);
    }
    _exit(0);
  }
  for (int i = 0; i < PROCESSES; i++) {
    int status;
    waitpid(children[i], &status, 0);
    assert_int_equal(status, 0);
  }
  char file[128];
  only_file(file);
  close(folder);
}

int main(void) {
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
  const struct CMUnitTest tests[] = {IN_FOLDER(code_is_found_by_its_source_alone),
                                     IN_FOLDER(damaged_files_are_as_good_as_none),
                                     IN_FOLDER(links_and_folders_in_a_files_place_are_not_followed),
                                     IN_FOLDER(folders_that_others_can_write_to_are_not_used),
                                     IN_FOLDER(the_files_used_least_recently_go_first),
                                     IN_FOLDER(several_processes_use_one_folder)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
