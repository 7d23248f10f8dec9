/* partition and argpartition of rows. The k-th smallest key of a row is selected; then one pass moves what is
   below it, equal to it and above it, each in the order of the row, so that the result depends on the row
   alone. In a long row the key is first fenced in by a sample: only the few keys between two of the sample's
   are looked at further. */
#include "cpu/select.h"
#include "cpu/cpu.h"
#include "cpu/locals.h"
#include "cpu/sort_rows.h"
#include <string.h>

enum {
  SAMPLE = 2048, /* keys of a sample */
  SLACK = 80     /* places in it, on either side of the k-th: 3.5 standard deviations or more */
};

static int64_t item_size(const struct mxi_rows *r) { return (int64_t)mxi_sort_item_size(&r->sort); }

/* What a row needs beside its keys: keys to select among. */
static void part_row(const struct mxi_rows *r, int64_t i, char *keys, char *room) {
  const struct mxi_sort *s = &r->sort;
  int64_t n = r->length, within, below;
  MXI_DISPATCH(mxi_sort_encode)(s, mxi_row_in(r, i), n, 0, keys);
  memcpy(room, keys, (size_t)(n * item_size(r)));
  uint64_t key = MXI_DISPATCH(mxi_select_kth)(s, room, room + n * item_size(r), n, r->kth);
  within = MXI_DISPATCH(mxi_select_window)(s, keys, n, key, key, room, &below);
  int64_t places[3] = {0, below, below + within};
  MXI_DISPATCH(mxi_select_place)(s, keys, n, 0, key, r->indices, places, mxi_row_out(r, i));
}

/* ---- One long row, in parts ---- */
struct select_parts {
  const struct mxi_rows *rows;
  int64_t row;
  char *keys, *room; /* room is twice as long */
  struct mxi_row_parts parts;
  uint64_t low, high, key;
  int64_t below[MXI_ROW_PARTS], within[MXI_ROW_PARTS], places[MXI_ROW_PARTS][3];
};

static char *part_of(const struct select_parts *p, char *base, int64_t i) {
  return base + i * p->parts.length * item_size(p->rows);
}

static void encode_select_part(void *ctx, int64_t i) {
  struct select_parts *p = ctx;
  const struct mxi_rows *r = p->rows;
  const char *in = mxi_row_in(r, p->row) + i * p->parts.length * (int64_t)mx_dtype_size(r->sort.dtype);
  MXI_DISPATCH(mxi_sort_encode)(&r->sort, in, mxi_part_length(&p->parts, i), 0, part_of(p, p->keys, i));
}
static void window_part(void *ctx, int64_t i) {
  struct select_parts *p = ctx;
  p->within[i] =
      MXI_DISPATCH(mxi_select_window)(&p->rows->sort, part_of(p, p->keys, i), mxi_part_length(&p->parts, i),
                                      p->low, p->high, part_of(p, p->room, i), &p->below[i]);
}
static void place_part(void *ctx, int64_t i) {
  struct select_parts *p = ctx;
  const struct mxi_rows *r = p->rows;
  MXI_DISPATCH(mxi_select_place)
  (&r->sort, part_of(p, p->keys, i), mxi_part_length(&p->parts, i), i * p->parts.length, p->key, r->indices,
   p->places[i], mxi_row_out(r, p->row));
}

/* Keys of the row, spread over it, in order; overwrites the room. */
static void sample_row(const struct select_parts *p, char *sample) {
  const struct mxi_rows *r = p->rows;
  int64_t size = item_size(r), step = r->length / SAMPLE;
  for (int64_t i = 0; i < SAMPLE; i++)
    memcpy(p->room + i * size, p->keys + (i * step + i * 37 % step) * size, (size_t)size);
  const char *sorted = MXI_DISPATCH(mxi_sort_radix)(&r->sort, p->room, p->room + SAMPLE * size, SAMPLE);
  memcpy(sample, sorted, (size_t)(SAMPLE * size));
}
static uint64_t key_at(const struct mxi_rows *r, const char *keys, int64_t i) {
  return r->sort.form == MXI_SORT_32 ? ((const uint32_t *)keys)[i] : ((const uint64_t *)keys)[i];
}

/* The bounds between which the k-th key lies in all likelihood. */
static void choose_window(struct select_parts *p) {
  MXI_LOCAL(uint64_t, sample, SAMPLE);
  const struct mxi_rows *r = p->rows;
  sample_row(p, (char *)sample);
  int64_t middle = (int64_t)((double)r->kth / (double)r->length * SAMPLE);
  p->low = middle < SLACK ? 0 : key_at(r, (char *)sample, middle - SLACK);
  p->high = middle + SLACK >= SAMPLE ? r->sort.form == MXI_SORT_32 ? UINT32_MAX : UINT64_MAX
                                     : key_at(r, (char *)sample, middle + SLACK);
}

/* The k-th key of the row: among those of the window, moved together, or among all if it missed. */
static uint64_t kth_key(struct select_parts *p) {
  const struct mxi_rows *r = p->rows;
  int64_t size = item_size(r), below = 0, within = 0, n = r->length;
  for (int64_t i = 0; i < p->parts.count; i++) {
    memmove(p->room + within * size, part_of(p, p->room, i), (size_t)(p->within[i] * size));
    below += p->below[i];
    within += p->within[i];
  }
  if (r->kth >= below && r->kth < below + within)
    return MXI_DISPATCH(mxi_select_kth)(&r->sort, p->room, p->room + n * size, within, r->kth - below);
  memcpy(p->room, p->keys, (size_t)(n * size));
  return MXI_DISPATCH(mxi_select_kth)(&r->sort, p->room, p->room + n * size, n, r->kth);
}

/* Where each part's three lists begin. */
static void place_list_parts(struct select_parts *p) {
  int64_t below = 0, within = 0;
  for (int64_t i = 0; i < p->parts.count; i++) below += p->below[i], within += p->within[i];
  int64_t at[3] = {0, below, below + within};
  for (int64_t i = 0; i < p->parts.count; i++) {
    memcpy(p->places[i], at, sizeof at);
    at[0] += p->below[i];
    at[1] += p->within[i];
    at[2] += mxi_part_length(&p->parts, i) - p->below[i] - p->within[i];
  }
}

static int part_long_row(const struct mxi_rows *r, int64_t i, char *keys, char *room) {
  struct select_parts p = {.rows = r, .row = i, .keys = keys, .room = room, .parts = mxi_row_parts(r)};
  MXI_TRY(mxi_parallel_for(p.parts.count, encode_select_part, &p));
  choose_window(&p);
  MXI_TRY(mxi_parallel_for(p.parts.count, window_part, &p));
  p.key = kth_key(&p);
  p.low = p.high = p.key;
  MXI_TRY(mxi_parallel_for(p.parts.count, window_part, &p));
  place_list_parts(&p);
  return mxi_parallel_for(p.parts.count, place_part, &p);
}

int mxi_select_rows(mx_dtype t, bool indices, int64_t count, int64_t length, int64_t kth, const void *in,
                    void *out) {
  struct mxi_rows r = {
      .indices = indices, .in = in, .out = out, .count = count, .length = length, .kth = kth};
  r.sort = (struct mxi_sort){.dtype = t, .form = mx_dtype_size(t) == 8 ? MXI_SORT_64 : MXI_SORT_32};
  r.sort.high = 8 * (int)mx_dtype_size(t);
  if (indices && length > (int64_t)UINT32_MAX)
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[argpartition] expected at most 2^32 - 1 elements along the axis, got %lld",
                    (long long)length);
  static const struct mxi_row_steps steps = {3, part_row, part_long_row};
  return mxi_rows_run(&r, &steps);
}
