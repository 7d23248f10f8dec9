#include "io/file.h"
#include <stdlib.h>
#include <string.h>

mx_file mxi_file_new(void) { return mxi_calloc(1, sizeof(struct mxi_file)); }

void mx_file_free(mx_file f) {
  if (!f) return;
  for (size_t i = 0; i < f->tensors.n; i++) {
    mxi_free(f->tensors.v[i].name);
    mxi_unref(f->tensors.v[i].array);
  }
  for (size_t i = 0; i < f->meta.n; i++) {
    mxi_free((char *)f->meta.v[i].meta.key);
    mxi_free(f->meta.v[i].storage);
    mxi_unref(f->meta.v[i].meta.array);
  }
  mxi_vec_free(&f->tensors);
  mxi_vec_free(&f->meta);
  mxi_free(f->tensor_order);
  mxi_free(f->meta_order);
  mxi_free(f);
  mxi_drain_unbound();
}

static char *copy_text(const char *s, size_t n) {
  char *p = mxi_malloc(n + 1);
  if (!p) return NULL;
  if (n) memcpy(p, s, n);
  p[n] = 0;
  return p;
}

int mxi_file_add(mx_file f, const char *name, size_t n, mx_array array) {
  if (!array) return -1;
  struct mxi_tensor t = {copy_text(name, n), array};
  if (t.name && mxi_push(&f->tensors, t) == 0) return 0;
  mxi_free(t.name);
  mxi_unref(array);
  return -1;
}

struct mxi_meta_entry *mxi_file_add_meta(mx_file f, const char *key, size_t n) {
  struct mxi_meta_entry e = {.meta.key = copy_text(key, n)};
  if (e.meta.key && mxi_push(&f->meta, e) == 0) return &f->meta.v[f->meta.n - 1];
  mxi_free((char *)e.meta.key);
  return NULL;
}

int mxi_meta_set_string(struct mxi_meta_entry *e, const char *s, size_t n) {
  e->storage = copy_text(s, n);
  if (!e->storage) return -1;
  e->meta.kind = MX_META_STRING;
  e->meta.string = e->storage;
  return 0;
}

/* ---- Look-up ---- names are sorted through an index, so that the file's order stays ---- */
static const char *tensor_name(const struct mxi_file *f, int i) { return f->tensors.v[i].name; }
static const char *meta_name(const struct mxi_file *f, int i) { return f->meta.v[i].meta.key; }
typedef const char *(*name_of)(const struct mxi_file *, int);

struct order_context {
  const struct mxi_file *file;
  name_of name;
};
static int compare_names(const void *a, const void *b, void *context) {
  const struct order_context *c = context;
  return strcmp(c->name(c->file, *(const int *)a), c->name(c->file, *(const int *)b));
}

static int *sorted(const struct mxi_file *f, size_t n, name_of name) {
  int *order = mxi_malloc(n * sizeof *order);
  if (!order) return NULL;
  for (size_t i = 0; i < n; i++) order[i] = (int)i;
  struct order_context context = {f, name};
  qsort_r(order, n, sizeof *order, compare_names, &context);
  return order;
}

static int check_distinct(const struct mxi_file *f, const int *order, size_t n, name_of name,
                          const char *what, struct mxi_place *place) {
  for (size_t i = 1; i < n; i++) {
    if (strcmp(name(f, order[i - 1]), name(f, order[i]))) continue;
    mxi_place_at(place, "%s '%s'", what, name(f, order[i]));
    return mxi_bad_file(place, "expected distinct names, got a duplicate");
  }
  return 0;
}

int mxi_file_finish(mx_file f, struct mxi_place *place) {
  f->tensor_order = sorted(f, f->tensors.n, tensor_name);
  if (!f->tensor_order) return -1;
  f->meta_order = sorted(f, f->meta.n, meta_name);
  if (!f->meta_order) return -1;
  MXI_TRY(check_distinct(f, f->tensor_order, f->tensors.n, tensor_name, "tensor", place));
  return check_distinct(f, f->meta_order, f->meta.n, meta_name, "metadata key", place);
}

static int find(const struct mxi_file *f, const int *order, size_t n, name_of name, const char *wanted) {
  size_t low = 0, high = n;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    int c = strcmp(name(f, order[middle]), wanted);
    if (!c) return order[middle];
    if (c < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return -1;
}

int mx_file_count(mx_file f) { return f ? (int)f->tensors.n : 0; }
int mx_file_meta_count(mx_file f) { return f ? (int)f->meta.n : 0; }
const char *mx_file_name(mx_file f, int i) {
  return i < 0 || i >= mx_file_count(f) ? NULL : tensor_name(f, i);
}
mx_array mx_file_array(mx_file f, int i) {
  return i < 0 || i >= mx_file_count(f) ? NULL : f->tensors.v[i].array;
}
const mx_meta *mx_file_meta(mx_file f, int i) {
  return i < 0 || i >= mx_file_meta_count(f) ? NULL : &f->meta.v[i].meta;
}
mx_array mx_file_get(mx_file f, const char *name) {
  return f && name ? mx_file_array(f, find(f, f->tensor_order, f->tensors.n, tensor_name, name)) : NULL;
}
const mx_meta *mx_file_meta_get(mx_file f, const char *key) {
  return f && key ? mx_file_meta(f, find(f, f->meta_order, f->meta.n, meta_name, key)) : NULL;
}
