/* The index of caches: constant time, and the order of last use. */
#include "scope.h"
#include "base/lru.h"

enum { MANY = 10000 };
struct item {
  struct mxi_lru_entry entry; /* first */
  uint64_t key;
};
static struct item items[MANY];

static bool has_key(const struct mxi_lru_entry *e, const void *key) {
  return ((const struct item *)e)->key == *(const uint64_t *)key;
}
static struct item *find(struct mxi_lru *l, uint64_t hash, uint64_t key) {
  return (struct item *)mxi_lru_find(l, hash, has_key, &key);
}
static void put(struct mxi_lru *l, int i, uint64_t hash, uint64_t key) {
  items[i].key = key;
  assert_int_equal(mxi_lru_put(l, &items[i].entry, hash), 0);
}
static void drop_all(struct mxi_lru *l) {
  while (mxi_lru_take_oldest(l)) continue;
  mxi_lru_free(l);
}

static size_t longest_bucket(const struct mxi_lru *l) {
  size_t longest = 0;
  for (size_t b = 0; b < (size_t)1 << l->bits; b++) {
    size_t n = 0;
    for (const struct mxi_lru_entry *e = l->buckets[b]; e; e = e->next) n++;
    if (n > longest) longest = n;
  }
  return longest;
}

static void a_look_up_among_many_meets_few(void **state) {
  static const uint64_t steps[] = {1, 64, 1000, UINT64_C(1) << 32, UINT64_C(0x123456789abcdef1)};
  for (int s = 0; s < 5; s++) {
    struct mxi_lru l = {0};
    for (int i = 0; i < MANY; i++) put(&l, i, (uint64_t)i * steps[s], (uint64_t)i);
    assert_true(longest_bucket(&l) <= 12);
    for (int i = 0; i < MANY; i++) assert_ptr_equal(find(&l, (uint64_t)i * steps[s], (uint64_t)i), &items[i]);
    assert_null(find(&l, MANY * steps[s], MANY));
    drop_all(&l);
  }
}

static void equal_hashes_are_told_apart_by_their_keys(void **state) {
  struct mxi_lru l = {0};
  for (int i = 0; i < 100; i++) put(&l, i, 7, (uint64_t)i);
  for (int i = 0; i < 100; i++) assert_ptr_equal(find(&l, 7, (uint64_t)i), &items[i]);
  assert_null(find(&l, 7, 100));
  drop_all(&l);
}

static void the_one_not_used_for_longest_goes_first(void **state) {
  struct mxi_lru l = {0};
  for (int i = 0; i < 40; i++) put(&l, i, (uint64_t)i, (uint64_t)i);
  for (int i = 10; i < 20; i++) assert_non_null(find(&l, (uint64_t)i, (uint64_t)i));
  assert_non_null(find(&l, 0, 0));
  int order[40], n = 0;
  for (int i = 1; i < 40; i++)
    if (i < 10 || i >= 20) order[n++] = i;
  for (int i = 10; i < 20; i++) order[n++] = i;
  order[n++] = 0;
  for (int i = 0; i < n; i++) {
    assert_int_equal(l.n, n - i);
    assert_ptr_equal(mxi_lru_take_oldest(&l), &items[order[i]]);
    assert_null(find(&l, (uint64_t)order[i], (uint64_t)order[i]));
  }
  assert_null(mxi_lru_take_oldest(&l));
  put(&l, 0, 5, 5);
  assert_ptr_equal(find(&l, 5, 5), &items[0]);
  drop_all(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_look_up_among_many_meets_few),
      cmocka_unit_test(equal_hashes_are_told_apart_by_their_keys),
      cmocka_unit_test(the_one_not_used_for_longest_goes_first),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
