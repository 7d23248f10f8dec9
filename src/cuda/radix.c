#include "cuda/radix.h"
#include "base/checked.h"
#include "base/error.h"
#include "cuda/context.h"
#include "cuda/kernel.h"

enum {
  BITS = MXI_CUDA_SORT_BITS,
  DIGITS = MXI_CUDA_SORT_DIGITS,
  THREADS = MXI_CUDA_SORT_THREADS,
  CHUNK = 1 << (MXI_CUDA_SORT_STATE_BITS - 1) /* items of a row that one launch moves */
};
static struct mxi_cuda_kernel rows_kernels[] = {MXI_CUDA_SIZES(sort, sort_rows)};
static struct mxi_cuda_kernel rows_places_kernels[] = {MXI_CUDA_SIZES(sort, sort_rows_places)};
static struct mxi_cuda_kernel counts_kernels[] = {MXI_CUDA_SIZES(sort, sort_counts)};
static struct mxi_cuda_kernel scan_kernel = MXI_CUDA_KERNEL(sort, sort_scan);
static struct mxi_cuda_kernel pass_kernels[] = {MXI_CUDA_SIZES(sort, sort_pass)};
static struct mxi_cuda_kernel pass_places_kernels[] = {MXI_CUDA_SIZES(sort, sort_pass_places)};
static struct mxi_cuda_kernel bounds_kernels[] = {MXI_CUDA_SIZES(sort, sort_bounds)};
static struct mxi_cuda_kernel part_kernels[] = {MXI_CUDA_SIZES(sort, sort_part)};
static struct mxi_cuda_kernel pass_elements_kernel = MXI_CUDA_KERNEL(sort, sort_pass_elements_8);

/* Keys of up to 32 bits are sorted as such. */
static int64_t key_bytes(const struct mxi_cuda_radix *r) { return r->log_bytes == 3 ? 8 : 4; }
static bool is_complex(const struct mxi_cuda_radix *r) { return r->coding.kind == MXI_CUDA_SORT_COMPLEX; }

/* ---- Rows that fit a block ---- */
static int64_t most_items(const struct mxi_cuda_radix *r) {
  return MXI_CUDA_SORT_SHORT_THREADS * (64 / key_bytes(r));
}

static int sort_short_rows(mx_stream s, const struct mxi_cuda_radix *r) {
  /* several to a block, if there are blocks enough for the device */
  int64_t blocks = 4 * (int64_t)mxi_cuda_device()->multiprocessors;
  int64_t rows = mxi_max(1, mxi_min(mxi_min(DIGITS, most_items(r) / r->length), r->rows / blocks));
  bool places = r->places || is_complex(r) || rows > 1;
  struct mxi_cuda_sort_rows p = {.in = r->in,
                                 .out = r->places ? r->places : r->sorted,
                                 .count = r->rows,
                                 .length = (int32_t)r->length,
                                 .rows = (int32_t)rows,
                                 .each = (int32_t)mxi_ceil_div(rows * r->length, MXI_CUDA_SORT_SHORT_THREADS),
                                 .bits = r->bits,
                                 .places = r->places != NULL,
                                 .coding = r->coding};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(r->rows, rows), .threads = MXI_CUDA_SORT_SHORT_THREADS};
  return mxi_cuda_launch(s, &(places ? rows_places_kernels : rows_kernels)[r->log_bytes], grid, &p, sizeof p);
}

/* ---- Long rows ---- */
struct long_rows {
  const struct mxi_cuda_radix *r;
  struct mxi_cuda_scratch scratch;
  int passes;
  int64_t tile;              /* items */
  void *keys[2], *values[2]; /* where passes write: [0] those from which an even number of passes is left */
  uint64_t *counts;          /* (rows, passes, digits) */
  uint64_t *bases[2];        /* (rows, digits), of the chunks behind the first */
  uint32_t *turns, *states;  /* of the next launch */
};

static int64_t chunks_of(const struct long_rows *l) { return mxi_ceil_div(l->r->length, CHUNK); }
static int64_t value_bytes(const struct mxi_cuda_radix *r) { return is_complex(r) && !r->places ? 8 : 4; }

/* Parts of the scratch memory, each aligned; with base NULL it is only measured. */
static void *part_of(char *base, int64_t *used, int64_t bytes) {
  void *part = base ? base + *used : NULL;
  *used += mxi_round_up(bytes, 256);
  return part;
}

struct zeros {
  void *address;
  int64_t bytes;
};
static int64_t divide_scratch(struct long_rows *l, char *base, struct zeros *zeros) {
  const struct mxi_cuda_radix *r = l->r;
  int64_t used = 0, n = r->rows * r->length, chunks = chunks_of(l);
  int64_t tiles = r->rows * mxi_ceil_div(r->length, l->tile), row_digits = r->rows * DIGITS;
  bool alone = !r->places && !is_complex(r);
  l->counts = part_of(base, &used, row_digits * l->passes * (int64_t)sizeof *l->counts);
  l->turns = part_of(base, &used, l->passes * chunks * (int64_t)sizeof *l->turns);
  l->states = part_of(base, &used, tiles * l->passes * DIGITS * (int64_t)sizeof *l->states);
  *zeros = (struct zeros){base, used};
  for (int i = 0; i < 2 && chunks > 1; i++)
    l->bases[i] = part_of(base, &used, row_digits * (int64_t)sizeof *l->bases[i]);
  if (l->passes > 1) l->keys[1] = part_of(base, &used, n << r->log_bytes);
  l->keys[0] = alone || r->places ? r->sorted : NULL;
  if (!l->keys[0] && l->passes > 2) l->keys[0] = part_of(base, &used, n << r->log_bytes);
  if (alone) return used;
  l->values[0] = r->places ? r->places : r->sorted;
  if (l->passes > 1) l->values[1] = part_of(base, &used, n * value_bytes(r));
  return used;
}

static int take_scratch(mx_stream s, struct long_rows *l) {
  struct zeros zeros;
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(s);
  if (!stream) return -1;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)divide_scratch(l, NULL, &zeros), &l->scratch));
  divide_scratch(l, l->scratch.address, &zeros);
  CUresult set = mxi_cuda.cuMemsetD8Async((CUdeviceptr)zeros.address, 0, (size_t)zeros.bytes, stream->handle);
  mxi_cuda_count(stream);
  if (mxi_cuda_check(set, "cuMemsetD8Async") == 0) return 0;
  mxi_cuda_scratch_free(&l->scratch);
  return -1;
}

static int count_digits(mx_stream s, const struct long_rows *l) {
  const struct mxi_cuda_radix *r = l->r;
  struct mxi_cuda_sort_counts p = {.in = r->in,
                                   .counts = (unsigned long long *)l->counts,
                                   .length = r->length,
                                   .parts = mxi_ceil_div(r->length, MXI_CUDA_SORT_PART),
                                   .passes = l->passes,
                                   .coding = r->coding};
  struct mxi_cuda_grid parts = {.x = r->rows * p.parts, .threads = THREADS};
  struct mxi_cuda_grid scans = {.x = r->rows * l->passes, .threads = DIGITS};
  MXI_TRY(mxi_cuda_launch(s, &counts_kernels[r->log_bytes], parts, &p, sizeof p));
  return mxi_cuda_launch(s, &scan_kernel, scans, &p, sizeof p);
}

static struct mxi_cuda_kernel *pass_kernel(const struct mxi_cuda_radix *r) {
  if (r->places) return &pass_places_kernels[r->log_bytes];
  return is_complex(r) ? &pass_elements_kernel : &pass_kernels[r->log_bytes];
}

static struct mxi_cuda_sort_pass pass_of(const struct long_rows *l, int pass) {
  const struct mxi_cuda_radix *r = l->r;
  int left = l->passes - 1 - pass;
  bool first = pass == 0, last = left == 0, alone = !r->places && !is_complex(r);
  return (struct mxi_cuda_sort_pass){.in = first ? r->in : l->keys[(left + 1) % 2],
                                     .out = !last                ? l->keys[left % 2]
                                            : alone || r->places ? r->sorted
                                                                 : NULL,
                                     .in_with = !first      ? l->values[(left + 1) % 2]
                                                : r->places ? NULL
                                                            : r->in,
                                     .out_with = l->values[left % 2],
                                     .base = l->counts + pass * DIGITS,
                                     .base_step = (int64_t)l->passes * DIGITS,
                                     .length = r->length,
                                     .shift = (uint32_t)(pass * BITS),
                                     .encodes = first,
                                     .decodes = last,
                                     .coding = r->coding};
}

static int run_pass(mx_stream s, struct long_rows *l, struct mxi_cuda_sort_pass p,
                    struct mxi_cuda_kernel *kernel) {
  const struct mxi_cuda_radix *r = l->r;
  int64_t chunks = chunks_of(l);
  for (int64_t chunk = 0; chunk < chunks; chunk++) {
    p.first = chunk * CHUNK;
    p.count = mxi_min(CHUNK, r->length - p.first);
    p.tiles = (uint32_t)mxi_ceil_div(p.count, l->tile);
    p.turn = l->turns++;
    p.states = l->states;
    p.next_base = chunk + 1 < chunks ? l->bases[chunk % 2] : NULL;
    struct mxi_cuda_grid grid = {.x = r->rows * p.tiles, .threads = THREADS};
    MXI_TRY(mxi_cuda_launch(s, kernel, grid, &p, sizeof p));
    l->states += r->rows * p.tiles * DIGITS;
    p.base = p.next_base;
    p.base_step = DIGITS;
  }
  return 0;
}

static int sort_long_rows(mx_stream s, const struct mxi_cuda_radix *r) {
  struct long_rows l = {
      .r = r, .passes = (int)mxi_ceil_div(r->bits, BITS), .tile = MXI_CUDA_SORT_TILE_BYTES / key_bytes(r)};
  MXI_TRY(take_scratch(s, &l));
  int result = count_digits(s, &l);
  for (int i = 0; i < l.passes && result == 0; i++) result = run_pass(s, &l, pass_of(&l, i), pass_kernel(r));
  mxi_cuda_scratch_free(&l.scratch);
  return result;
}

/* An only pass can't write over what it reads. */
static int sort_long_bytes_in_place(mx_stream s, const struct mxi_cuda_radix *r) {
  struct mxi_cuda_radix copied = *r;
  struct mxi_cuda_scratch copy;
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(s);
  size_t bytes = (size_t)(r->rows * r->length) << r->log_bytes;
  if (!stream) return -1;
  MXI_TRY(mxi_cuda_scratch_take(s, bytes, &copy));
  copied.in = copy.address;
  int result = mxi_cuda_check(
      mxi_cuda.cuMemcpyDtoDAsync_v2((CUdeviceptr)copy.address, (CUdeviceptr)r->in, bytes, stream->handle),
      "cuMemcpyDtoDAsync");
  if (result == 0) {
    mxi_cuda_count(stream);
    result = sort_long_rows(s, &copied);
  }
  mxi_cuda_scratch_free(&copy);
  return result;
}

int mxi_cuda_radix_sort(mx_stream s, const struct mxi_cuda_radix *r) {
  if (r->length <= most_items(r) && !(r->sorted && r->places)) return sort_short_rows(s, r);
  return r->in == r->sorted && r->bits <= BITS ? sort_long_bytes_in_place(s, r) : sort_long_rows(s, r);
}

/* ---- Partitions ---- */
static int part_sorted(mx_stream s, const struct mxi_cuda_radix *r, int64_t kth, const void *sorted,
                       uint64_t *pivots) {
  struct long_rows l = {.r = r, .passes = 1, .tile = MXI_CUDA_SORT_TILE_BYTES / key_bytes(r)};
  MXI_TRY(take_scratch(s, &l));
  struct mxi_cuda_sort_bounds bounds = {sorted, pivots, l.counts, r->rows, r->length, kth, r->coding};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(r->rows, MXI_CUDA_SORT_SHORT_THREADS),
                               .threads = MXI_CUDA_SORT_SHORT_THREADS};
  struct mxi_cuda_sort_pass p = pass_of(&l, 0);
  p.pivots = pivots;
  int result = mxi_cuda_launch(s, &bounds_kernels[r->log_bytes], grid, &bounds, sizeof bounds);
  if (result == 0) result = run_pass(s, &l, p, &part_kernels[r->log_bytes]);
  mxi_cuda_scratch_free(&l.scratch);
  return result;
}

int mxi_cuda_radix_part(mx_stream s, const struct mxi_cuda_radix *r, int64_t kth) {
  if (r->length <= most_items(r)) return sort_short_rows(s, r);
  struct mxi_cuda_scratch scratch;
  int64_t bytes = mxi_round_up((r->rows * r->length) << r->log_bytes, 256);
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(bytes + r->rows * (int64_t)sizeof(uint64_t)), &scratch));
  struct mxi_cuda_radix values = *r;
  values.places = NULL;
  values.sorted = scratch.address;
  values.coding.equates = false;
  int result = sort_long_rows(s, &values);
  if (result == 0)
    result = part_sorted(s, r, kth, scratch.address, (uint64_t *)((char *)scratch.address + bytes));
  mxi_cuda_scratch_free(&scratch);
  return result;
}
