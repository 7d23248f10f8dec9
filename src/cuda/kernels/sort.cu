/* Radix sorts, least significant digit first; each pass is stable.

   sort_rows_BYTES (and sort_rows_places_BYTES): rows that fit a block, by passes in its shared memory. Where
   a block has several, the row's number is one more digit, the highest.

   sort_counts_BYTES, sort_scan, sort_pass_BYTES (and others with values): long rows. All digits are counted
   in one reading. Then a pass reads and writes each item once ("onesweep", Adinets and Merrill, 2022): a
   block sorts a tile by the digit, says how often each digit comes in it, and learns from the tiles before
   how often it came there, of the nearest which knows that of all before itself.

   sort_bounds_BYTES, sort_part_BYTES: places of a partition, a pass by the digits below, at and above. */
#include "cuda/kernels/radix.cuh"
#include "cuda/kernels/words.cuh"

/* Keys of 32 bits, or 64, of elements of so many bytes. */
template <int BYTES> struct sort_key { typedef uint32_t type; };
template <> struct sort_key<8> { typedef uint64_t type; };

/* ---- Short rows ---- */
enum { SHORT = MXI_CUDA_SORT_SHORT_THREADS, SHORT_WARPS = SHORT / 32 };
static_assert(int{SHORT} == int{MXI_DIGITS}, "a thread serves one digit");

/* The items of a warp lie behind one another, 32 * each of them. */
MXI_DEVICE int item_of(int each, int j) { return (threadIdx.x / 32 * each + j) * 32 + threadIdx.x % 32; }

template <class K, int EACH> struct short_rows {
  uint32_t counts[SHORT_WARPS][MXI_DIGITS];
  uint32_t sums[SHORT_WARPS];
  K keys[SHORT * EACH];
};

/* One pass over the block's items: digit(j) of the thread's item j; rank[j] becomes its place. */
template <class K, int EACH, class DIGIT>
MXI_DEVICE void place_items(short_rows<K, EACH> &at, uint32_t (&rank)[EACH], int each, DIGIT digit) {
  const int warp = threadIdx.x / 32;
#pragma unroll
  for (int w = 0; w < SHORT_WARPS; w++) at.counts[w][threadIdx.x] = 0;
  __syncthreads();
  mxi_warp_ranks(rank, each, at.counts[warp], digit);
  __syncthreads();
  uint32_t count = mxi_sum_warps<SHORT_WARPS>(at.counts);
  uint32_t start = mxi_sums_before(count, at.sums);
#pragma unroll
  for (int w = 0; w < SHORT_WARPS; w++) at.counts[w][threadIdx.x] += start;
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (j < each) rank[j] += at.counts[warp][digit(j)];
}

/* The thread's values go where `rank` says, and it gets those of its places. */
template <class T, int EACH>
MXI_DEVICE void exchange(T *space, T (&value)[EACH], const uint32_t (&rank)[EACH], int each) {
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (j < each) space[rank[j]] = value[j];
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++)
    if (j < each) value[j] = space[item_of(each, j)];
}

template <int BYTES, bool PLACES> MXI_DEVICE void sort_rows(const mxi_cuda_sort_rows &p) {
  typedef mxi_word<BYTES> word;
  typedef typename sort_key<BYTES>::type key_type;
  constexpr int EACH = 64 / sizeof(key_type);
  __shared__ short_rows<key_type, EACH> at;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * p.rows;
  const int rows = p.count - row < p.rows ? static_cast<int>(p.count - row) : p.rows;
  const uint32_t items = static_cast<uint32_t>(rows) * p.length;
  const word *in = static_cast<const word *>(p.in) + row * p.length;
  key_type key[EACH];
  uint32_t rank[EACH], place[PLACES ? EACH : 1];
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    if (j >= p.each) break;
    uint32_t i = item_of(p.each, j);
    key[j] = i < items ? mxi_key_of(in[i], p.coding) : static_cast<word>(~static_cast<word>(0));
    if constexpr (PLACES) place[j] = i;
  }
  for (int shift = 0; shift < p.bits; shift += MXI_CUDA_SORT_BITS) {
    place_items(at, rank, p.each, [&](int j) { return mxi_digit_of(key[j], shift); });
    exchange(at.keys, key, rank, p.each);
    if constexpr (PLACES) exchange(reinterpret_cast<uint32_t *>(at.keys), place, rank, p.each);
  }
  if constexpr (PLACES) {
    if (p.rows > 1) {
      /* those behind the last row are last as they are */
      place_items(at, rank, p.each, [&](int j) {
        uint32_t of = place[j] / p.length;
        return of < MXI_DIGITS ? of : MXI_DIGITS - 1u;
      });
      exchange(at.keys, key, rank, p.each);
      exchange(reinterpret_cast<uint32_t *>(at.keys), place, rank, p.each);
    }
    if (p.places) {
      uint32_t *out = static_cast<uint32_t *>(p.out) + row * p.length;
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        uint32_t i = item_of(p.each, j);
        if (j < p.each && i < items) out[i] = place[j] % p.length;
      }
      return;
    }
  }
  word *out = static_cast<word *>(p.out) + row * p.length;
  if constexpr (PLACES && BYTES == 8) {
    if (p.coding.kind == MXI_CUDA_SORT_COMPLEX) { /* their keys don't tell them */
#pragma unroll
      for (int j = 0; j < EACH; j++)
        if (j < p.each && place[j] < items) key[j] = in[place[j]];
      __syncthreads();
#pragma unroll
      for (int j = 0; j < EACH; j++) {
        uint32_t i = item_of(p.each, j);
        if (j < p.each && i < items) out[i] = key[j];
      }
      return;
    }
  }
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = item_of(p.each, j);
    if (j < p.each && i < items) out[i] = mxi_element_of(static_cast<word>(key[j]), p.coding);
  }
}

/* ---- Long rows: how often each digit comes ---- */
enum { THREADS = MXI_CUDA_SORT_THREADS, WARPS = THREADS / 32 };
static_assert(int{THREADS} >= int{MXI_DIGITS}, "a thread serves one digit");

template <int BYTES> MXI_DEVICE void count_digits(const mxi_cuda_sort_counts &p) {
  typedef mxi_word<BYTES> word;
  enum { AHEAD = 8 };
  __shared__ uint32_t counts[BYTES * MXI_DIGITS];
  const int64_t row = blockIdx.x / p.parts, part = blockIdx.x % p.parts;
  const word *in = static_cast<const word *>(p.in) + row * p.length + part * MXI_CUDA_SORT_PART;
  const int64_t left = p.length - part * MXI_CUDA_SORT_PART;
  const int n = left < MXI_CUDA_SORT_PART ? static_cast<int>(left) : MXI_CUDA_SORT_PART;
  for (int i = threadIdx.x; i < BYTES * MXI_DIGITS; i += THREADS) counts[i] = 0;
  __syncthreads();
  for (int first = threadIdx.x; first < n; first += AHEAD * THREADS) {
    word u[AHEAD];
#pragma unroll
    for (int j = 0; j < AHEAD; j++) u[j] = first + j * THREADS < n ? in[first + j * THREADS] : 0;
#pragma unroll
    for (int j = 0; j < AHEAD; j++) {
      if (first + j * THREADS >= n) break;
      word key = mxi_key_of(u[j], p.coding);
#pragma unroll
      for (int pass = 0; pass < BYTES; pass++)
        if (pass < p.passes)
          atomicAdd(&counts[pass * MXI_DIGITS + mxi_digit_of(key, pass * MXI_CUDA_SORT_BITS)], 1u);
    }
  }
  __syncthreads();
  unsigned long long *to = p.counts + row * p.passes * MXI_DIGITS;
  for (int i = threadIdx.x; i < p.passes * MXI_DIGITS; i += THREADS)
    if (counts[i]) atomicAdd(&to[i], static_cast<unsigned long long>(counts[i]));
}

/* A block for each pass of each row. */
MXI_KERNEL(sort_scan, mxi_cuda_sort_counts, MXI_CUDA_SORT_DIGITS) {
  __shared__ unsigned long long sums[MXI_DIGITS / 32];
  unsigned long long *at = &p.counts[static_cast<int64_t>(blockIdx.x) * MXI_DIGITS + threadIdx.x];
  *at = mxi_sums_before(*at, sums);
}

/* ---- Long rows: a pass ---- */
enum : uint32_t {
  TILE_KNOWN = 1u << MXI_CUDA_SORT_STATE_BITS, /* the count of the tile */
  ALL_KNOWN = 2u << MXI_CUDA_SORT_STATE_BITS,  /* the count of it and all before, of the row's chunk */
  COUNT_OF_STATE = TILE_KNOWN - 1
};

/* How often the digit threadIdx.x comes in the tiles before, when it comes `count` times in this one. The
   tiles before were taken by blocks that run or have ended, so each will say it. */
MXI_DEVICE uint32_t look_back(uint32_t *states, uint32_t tile, uint32_t count) {
  volatile uint32_t *state = states + static_cast<int64_t>(tile) * MXI_DIGITS + threadIdx.x;
  uint32_t before = 0;
  for (volatile uint32_t *at = state; tile > 0; tile--) {
    at -= MXI_DIGITS;
    uint32_t known;
    while ((known = *at) < TILE_KNOWN) {}
    before += known & COUNT_OF_STATE;
    if (known >= ALL_KNOWN) break;
  }
  *state = ALL_KNOWN | (before + count);
  return before;
}

template <class K> struct tile_places {
  enum { EACH = 64 / sizeof(K), SIZE = THREADS * EACH };
  union {
    uint32_t counts[WARPS][MXI_DIGITS];
    K keys[SIZE];
    uint32_t numbers[SIZE];
    uint64_t elements[MXI_CUDA_SORT_TILE_BYTES / 8];
  };
  int64_t to[MXI_DIGITS]; /* of a digit: its place in the row, less that in the tile */
  uint32_t sums[MXI_DIGITS / 32];
  uint32_t turn;
};

/* The values that go with the keys, by way of shared memory. */
template <class V, class K, int EACH>
MXI_DEVICE void move_values(const V *in, V *out, V *space, tile_places<K> &at, const uint32_t (&rank)[EACH],
                            const uint32_t (&digit)[EACH], int64_t first, uint32_t items) {
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = item_of(EACH, j);
    if (i < items) space[rank[j]] = in ? in[first + i] : static_cast<V>(first + i);
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = j * THREADS + threadIdx.x;
    if (i < items) out[at.to[digit[j]] + i] = space[i];
  }
}

enum sort_values { ALONE, WITH_PLACES, WITH_ELEMENTS };

template <int BYTES, sort_values VALUES, bool PARTS = false>
MXI_DEVICE void run_pass(const mxi_cuda_sort_pass &p) {
  typedef mxi_word<BYTES> word;
  typedef typename sort_key<BYTES>::type key_type;
  typedef tile_places<key_type> tile_type;
  constexpr int EACH = tile_type::EACH;
  __shared__ tile_type at;
  const uint32_t warp = threadIdx.x / 32;
  if (threadIdx.x == 0) at.turn = atomicAdd(p.turn, 1u);
#pragma unroll
  for (int i = 0; i < WARPS * MXI_DIGITS / THREADS; i++)
    at.numbers[i * THREADS + threadIdx.x] = 0; /* counts */
  __syncthreads();
  const uint32_t row = at.turn / p.tiles, tile = at.turn % p.tiles;
  const int64_t start = row * p.length, first = p.first + static_cast<int64_t>(tile) * tile_type::SIZE;
  const int64_t left = p.first + p.count - first;
  const uint32_t items = left < tile_type::SIZE ? static_cast<uint32_t>(left) : uint32_t{tile_type::SIZE};

  const key_type pivot = PARTS ? static_cast<key_type>(p.pivots[row]) : 0;
  auto digit_of = [&](key_type k) {
    return PARTS ? static_cast<uint32_t>(k > pivot) + (k >= pivot) : mxi_digit_of(k, p.shift);
  };

  /* those behind the end have the highest key, and stay there */
  const word *in = static_cast<const word *>(p.in) + start + first;
  key_type key[EACH];
  uint32_t rank[EACH];
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = item_of(EACH, j);
    key[j] = i < items ? in[i] : static_cast<word>(~static_cast<word>(0));
  }
  if (p.encodes)
#pragma unroll
    for (int j = 0; j < EACH; j++)
      if (static_cast<uint32_t>(item_of(EACH, j)) < items)
        key[j] = mxi_key_of(static_cast<word>(key[j]), p.coding);
  mxi_warp_ranks(rank, EACH, at.counts[warp], [&](int j) { return digit_of(key[j]); });
  __syncthreads();

  /* a digit a thread */
  uint32_t *states = p.states + static_cast<int64_t>(row) * p.tiles * MXI_DIGITS;
  uint32_t sum = 0, count = 0;
  if (threadIdx.x < MXI_DIGITS) {
    sum = mxi_sum_warps<WARPS>(at.counts);
    count = threadIdx.x == digit_of(static_cast<word>(~static_cast<word>(0)))
                ? sum - (tile_type::SIZE - items)
                : sum;
    volatile uint32_t *state = &states[static_cast<int64_t>(tile) * MXI_DIGITS + threadIdx.x];
    if (tile) *state = TILE_KNOWN | count;
  }
  uint32_t place = mxi_sums_before(sum, at.sums);
  if (threadIdx.x < MXI_DIGITS) {
#pragma unroll
    for (int w = 0; w < WARPS; w++) at.counts[w][threadIdx.x] += place;
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++) rank[j] += at.counts[warp][digit_of(key[j])];
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++) at.keys[rank[j]] = key[j];
  if (threadIdx.x < MXI_DIGITS) {
    uint64_t to = p.base[row * p.base_step + threadIdx.x] + look_back(states, tile, count);
    at.to[threadIdx.x] = static_cast<int64_t>(to) - place;
    if (p.next_base && tile == p.tiles - 1) p.next_base[row * MXI_DIGITS + threadIdx.x] = to + count;
  }
  __syncthreads();

  word *out = static_cast<word *>(p.out) + start;
  uint32_t digit[EACH];
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = j * THREADS + threadIdx.x;
    key_type k = at.keys[i];
    digit[j] = digit_of(k);
    if (!p.out || i >= items) continue;
    word u = static_cast<word>(k);
    out[at.to[digit[j]] + i] = p.decodes ? mxi_element_of(u, p.coding) : u;
  }
  if constexpr (VALUES == WITH_PLACES) {
    const uint32_t *with = p.in_with ? static_cast<const uint32_t *>(p.in_with) + start : NULL;
    move_values(with, static_cast<uint32_t *>(p.out_with) + start, at.numbers, at, rank, digit, first, items);
  }
  if constexpr (VALUES == WITH_ELEMENTS)
    move_values(static_cast<const uint64_t *>(p.in_with) + start, static_cast<uint64_t *>(p.out_with) + start,
                at.elements, at, rank, digit, first, items);
}

#define SORT(BYTES)                                                                              \
  MXI_KERNEL(sort_rows_##BYTES, mxi_cuda_sort_rows, SHORT) { sort_rows<BYTES, false>(p); }       \
  MXI_KERNEL(sort_rows_places_##BYTES, mxi_cuda_sort_rows, SHORT) { sort_rows<BYTES, true>(p); } \
  MXI_KERNEL(sort_counts_##BYTES, mxi_cuda_sort_counts, THREADS) { count_digits<BYTES>(p); }     \
  MXI_KERNEL(sort_pass_##BYTES, mxi_cuda_sort_pass, THREADS) { run_pass<BYTES, ALONE>(p); }      \
  MXI_KERNEL(sort_pass_places_##BYTES, mxi_cuda_sort_pass, THREADS) { run_pass<BYTES, WITH_PLACES>(p); }
SORT(1)
SORT(2)
SORT(4)
SORT(8)
MXI_KERNEL(sort_pass_elements_8, mxi_cuda_sort_pass, THREADS) { run_pass<8, WITH_ELEMENTS>(p); }

/* ---- Partitions of long rows, when they are sorted ---- */
/* The first place whose key is not below `key`, or not at or below it. */
template <class W>
MXI_DEVICE int64_t find_bound(const W *sorted, int64_t n, W key, bool above, const mxi_cuda_sort_coding &c) {
  int64_t low = 0;
  for (int64_t high = n; low < high;) {
    int64_t middle = low + (high - low) / 2;
    W k = mxi_key_of(sorted[middle], c);
    if (k < key || (above && k == key))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}
template <int BYTES> MXI_DEVICE void find_bounds(const mxi_cuda_sort_bounds &p) {
  typedef mxi_word<BYTES> word;
  const int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (row >= p.rows) return;
  const word *sorted = static_cast<const word *>(p.sorted) + row * p.length;
  const word key = mxi_key_of(sorted[p.kth], p.coding);
  uint64_t *base = p.bases + row * MXI_DIGITS;
  p.pivots[row] = key;
  base[0] = 0;
  base[1] = find_bound(sorted, p.length, key, false, p.coding);
  base[2] = find_bound(sorted, p.length, key, true, p.coding);
}
#define PART(BYTES)                                                                       \
  MXI_KERNEL(sort_bounds_##BYTES, mxi_cuda_sort_bounds, SHORT) { find_bounds<BYTES>(p); } \
  MXI_KERNEL(sort_part_##BYTES, mxi_cuda_sort_pass, THREADS) { run_pass<BYTES, WITH_PLACES, true>(p); }
PART(1)
PART(2)
PART(4)
PART(8)
