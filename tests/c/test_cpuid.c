/* Which instruction set is used on which machine: a virtual machine may mask any feature. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>
#include "base/error.h"
#include "cpu/cpuid.h"
#include "cpu/isa.h"

static const struct mxi_cpuid everything = {
    {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}};

static struct mxi_cpuid without(const struct mxi_cpu_feature *f) {
  struct mxi_cpuid c = everything;
  c.words[f->word] &= ~(UINT32_C(1) << f->bit);
  return c;
}

static void a_level_falls_when_any_of_its_features_is_masked(void **state) {
  assert_int_equal(mxi_isa_of(&everything), MXI_ISA_V4);
  int of_level[5] = {0};
  for (int i = 0; i < mxi_cpu_feature_count; i++) {
    const struct mxi_cpu_feature *f = &mxi_cpu_features[i];
    struct mxi_cpuid c = without(f);
    of_level[f->level]++;
    assert_int_equal(mxi_cpuid_level(&c), f->level - 1);
    assert_string_equal(mxi_cpuid_missing(&c), f->name);
    assert_int_equal(mxi_isa_of(&c), f->level == 4 ? MXI_ISA_V3 : MXI_ISA_V2);
  }
  /* as many as the psABI lists, and the states of registers: 2 and 3 */
  assert_int_equal(of_level[2], 7);
  assert_int_equal(of_level[3], 9 + 2);
  assert_int_equal(of_level[4], 5 + 3);
}

static void a_virtual_machine_that_masks_one_feature_of_v3_runs_v2(void **state) {
  const char *const masked[] = {"F16C", "LZCNT", "MOVBE", "OSXSAVE", "BMI1"};
  for (size_t i = 0; i < sizeof masked / sizeof *masked; i++) {
    int found = 0;
    for (int k = 0; k < mxi_cpu_feature_count; k++) {
      if (strcmp(mxi_cpu_features[k].name, masked[i])) continue;
      struct mxi_cpuid c = without(&mxi_cpu_features[k]);
      assert_int_equal(mxi_isa_of(&c), MXI_ISA_V2);
      assert_int_equal(mxi_isa_check_of(&c), MXI_LOWEST_LEVEL > 2 ? -1 : 0);
      found++;
    }
    assert_int_equal(found, 1);
  }
}

static void a_machine_without_the_lowest_level_is_refused_by_an_error_that_says_what_it_lacks(void **state) {
  struct mxi_cpuid nothing = {{0}};
  assert_int_equal(mxi_isa_check_of(&nothing), -1);
  assert_int_equal(mx_error_code(), MX_DEVICE_ERROR);
  assert_non_null(strstr(mx_error(), "without SSE3"));
  for (int i = 0; i < mxi_cpu_feature_count; i++) {
    const struct mxi_cpu_feature *f = &mxi_cpu_features[i];
    struct mxi_cpuid c = without(f);
    assert_int_equal(mxi_isa_check_of(&c), f->level <= MXI_LOWEST_LEVEL ? -1 : 0);
    if (f->level <= MXI_LOWEST_LEVEL) assert_non_null(strstr(mx_error(), f->name));
  }
}

/* The compiler's own tests of the same machine. */
static void this_machine_has_what_its_level_says(void **state) {
  struct mxi_cpuid c = mxi_cpuid_read();
  int level = mxi_cpuid_level(&c);
  __builtin_cpu_init();
  bool v2 = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt");
  bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  bool v4 = __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  assert_true(v2 || level < 2);
  assert_true(v3 || level < 3);
  assert_true(v4 || level < 4);
#if !defined(__clang__) /* which knows no levels before version 17 */
  assert_int_equal(level >= 2, !!__builtin_cpu_supports("x86-64-v2"));
  assert_int_equal(level >= 3, !!__builtin_cpu_supports("x86-64-v3"));
  assert_int_equal(level >= 4, !!__builtin_cpu_supports("x86-64-v4"));
#endif
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_level_falls_when_any_of_its_features_is_masked),
      cmocka_unit_test(a_virtual_machine_that_masks_one_feature_of_v3_runs_v2),
      cmocka_unit_test(a_machine_without_the_lowest_level_is_refused_by_an_error_that_says_what_it_lacks),
      cmocka_unit_test(this_machine_has_what_its_level_says),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
