/* A block's threads take turns on one thread of the host: each runs until it waits for others, at a barrier
   or in a collective of its warp, or returns. They run on carriers, stacks that run one thread to its end and
   then the next, so that threads which never wait cost no switch; only a thread that waits keeps its carrier.

   Where nobody can go on, the block is deadlocked: that is reported with who waits where, and the launch
   fails. */
#include "block.h"
#include "errors.h"
#include "fault.h"
#include "fiber.h"
#include "settings.h"
#include <algorithm>
#include <atomic>
#include <link.h>
#include <mutex>
#include <numeric>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <vector>

MXI_EMULATOR_NEAR emulator::lane *mxi_emulated_lane;

namespace emulator {
namespace {

enum { MAX_THREADS = 1024, WARP = 32, BARRIERS = 16 };
enum : size_t { SHARED_BYTES = 228 << 10, PAGE_BYTES = 4096 };

enum state { NOT_STARTED, RUNNING, AT_BARRIER, AT_COLLECTIVE, RETURNED };

struct carrier;
struct copy { // cp.async
  void *to;
  const void *from;
  unsigned bytes, valid;
  uint64_t group;
};
struct block_lane : lane {
  enum state state;
  carrier *on;
  place waits_at;
  unsigned mask;            // AT_COLLECTIVE
  collective_function *run; // AT_COLLECTIVE
  int barrier, vote;        // AT_BARRIER; what the barrier said
  std::vector<copy> copies; // in flight, in order
  uint64_t groups;          // of copies that were committed
};

struct carrier : fiber {
  struct runner *of;
};

struct barrier_state {
  unsigned arrived, expected; // expected: 0 = the whole block
  place first;
  enum vote kind;
  unsigned count;
};

struct warp_state {
  unsigned there, returned, arrived; // lanes
  void *operands[WARP];
};

/* What runs a block; it is kept for later launches, with its stacks. */
struct runner {
  const launch *of;
  geometry at;
  CUresult failed;
  context main;
  std::vector<block_lane> lanes{MAX_THREADS};
  warp_state warps[MAX_THREADS / WARP];
  barrier_state barriers[BARRIERS];
  std::vector<carrier *> carriers, idle;
  unsigned order[MAX_THREADS], threads, started, returned;
  block_lane *ready[MAX_THREADS]; // a ring
  unsigned ready_first, ready_count;
  generator random;
  unsigned char *shared_end;
  void *static_shared; // of the kernel's library, once this thread has it
  size_t static_shared_bytes;

  runner();
  void prepare(const launch &l, uint64_t seed);
  void run_block(unsigned x, unsigned y, unsigned z);
  void spoil_shared();
  void reset_carriers();

  block_lane *start_next();
  void finish(block_lane *l);
  void make_ready(block_lane *l);
  context *next();
  void wait(block_lane *l);
  bool release_if_complete(int id);
  void report_deadlock();
  [[noreturn]] void fail();
};

MXI_EMULATOR_NEAR runner *running; // on this thread of the host

block_lane *self() { return static_cast<block_lane *>(mxi_emulated_lane); }

__attribute__((format(printf, 1, 2))) void report(const char *format, ...) {
  const runner *r = running;
  const lane *l = mxi_emulated_lane;
  char text[512];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const uint3 &b = r->at.block_index;
  if (l)
    fprintf(stderr, "emulator: %s, block (%u, %u, %u), thread (%u, %u, %u): %s\n", r->of->kernel->name, b.x,
            b.y, b.z, l->thread.x, l->thread.y, l->thread.z, text);
  else
    fprintf(stderr, "emulator: %s, block (%u, %u, %u): %s\n", r->of->kernel->name, b.x, b.y, b.z, text);
}

/* ---- Starting and ending threads ---- */

block_lane *runner::start_next() {
  if (started == threads) return nullptr;
  block_lane *l = &lanes[order[started++]];
  l->state = RUNNING;
  return l;
}

void runner::finish(block_lane *l) {
  l->state = RETURNED;
  l->copies.clear();
  warp_state &w = warps[l->index / WARP];
  w.returned |= 1u << l->index % WARP;
  returned++;
  release_if_complete(0);
}

void carry(void *argument) {
  carrier *c = static_cast<carrier *>(argument);
  runner *r = c->of;
  arrived(&c->at);
  for (;;) {
    while (block_lane *l = r->start_next()) {
      l->on = c;
      mxi_emulated_lane = l;
      r->of->kernel->run(r->of->params);
      r->finish(l);
    }
    mxi_emulated_lane = nullptr;
    r->idle.push_back(c);
    switch_context(&c->at, r->next());
  }
}

/* ---- Taking turns ---- */

void runner::make_ready(block_lane *l) {
  l->state = RUNNING;
  ready[(ready_first + ready_count++) % MAX_THREADS] = l;
}

/* Who runs next; the block's caller when nobody can. */
context *runner::next() {
  if (ready_count && !(random.state && started < threads && random.below(2))) {
    block_lane *&first = ready[ready_first];
    if (random.state) std::swap(first, ready[(ready_first + random.below(ready_count)) % MAX_THREADS]);
    block_lane *l = first;
    ready_first = (ready_first + 1) % MAX_THREADS;
    ready_count--;
    return &l->on->at;
  }
  if (started == threads) return &main;
  if (idle.empty()) {
    carrier *c = new carrier;
    c->of = this;
    c->restart(carry, c);
    carriers.push_back(c);
    idle.push_back(c);
  }
  carrier *c = idle.back();
  idle.pop_back();
  return &c->at;
}

void runner::wait(block_lane *l) {
  context *to = next();
  if (to != &l->on->at) switch_context(&l->on->at, to);
  mxi_emulated_lane = l;
}

void runner::reset_carriers() {
  idle = carriers;
  for (block_lane &l : lanes) l.copies.clear();
  for (carrier *c : carriers) c->restart(carry, c);
}

void runner::fail() {
  if (!failed) failed = launch_failed;
  leave_for(&main);
}

/* ---- Barriers ---- */

bool runner::release_if_complete(int id) {
  barrier_state &b = barriers[id];
  const unsigned expected = b.expected ? b.expected : threads - returned;
  if (!b.arrived || b.arrived < expected) return false;
  const unsigned arrived = b.arrived;
  const int vote = b.kind == VOTE_OR ? b.count > 0 : b.kind == VOTE_AND ? b.count == arrived : int(b.count);
  b.arrived = 0;
  for (unsigned i = 0; i < threads; i++) {
    block_lane *l = &lanes[i];
    if (l->state != AT_BARRIER || l->barrier != id) continue;
    l->vote = vote;
    make_ready(l);
  }
  return true;
}

void arrive(runner *r, int id, unsigned threads, vote kind, int value, place at) {
  if (id < 0 || id >= BARRIERS) trap("a barrier's number is from 0 to 15", at);
  if (threads % WARP || threads > MAX_THREADS) trap("a barrier is for a multiple of 32 threads", at);
  barrier_state &b = r->barriers[id];
  if (!b.arrived) b = {0, threads, at, kind, 0};
  const bool same_place =
      b.first.line == at.line && (b.first.file == at.file || !strcmp(b.first.file, at.file));
  if (b.expected != threads || b.kind != kind || (threads == 0 && !same_place)) {
    report("%s at %s:%d, while others of the block are at the one of %s:%d", at.what, at.file, at.line,
           b.first.file, b.first.line);
    r->fail();
  }
  b.arrived++;
  b.count += value != 0;
}

/* ---- Deadlocks ---- */

void report_barrier(const runner *r, const block_lane &l) {
  const barrier_state &b = r->barriers[l.barrier];
  report("deadlock: waits in %s at %s:%d, where %u of %u threads are", l.waits_at.what, l.waits_at.file,
         l.waits_at.line, b.arrived, b.expected ? b.expected : r->threads - r->returned);
}
void report_collective(const runner *r, const block_lane &l) {
  const warp_state &w = r->warps[l.index / WARP];
  const unsigned missing = l.mask & ~w.arrived;
  report("deadlock: waits in %s at %s:%d with mask %08x, where lanes %08x are missing (%08x have returned, "
         "%08x are not "
         "in the block)",
         l.waits_at.what, l.waits_at.file, l.waits_at.line, l.mask, missing, missing & w.returned,
         missing & ~w.there);
}
/* One line for each place where somebody waits. */
void runner::report_deadlock() {
  std::vector<place> told;
  for (unsigned i = 0; i < threads; i++) {
    block_lane &l = lanes[i];
    if (l.state != AT_BARRIER && l.state != AT_COLLECTIVE) continue;
    if (std::any_of(told.begin(), told.end(), [&](const place &p) { return p.line == l.waits_at.line; }))
      continue;
    told.push_back(l.waits_at);
    mxi_emulated_lane = &l;
    l.state == AT_BARRIER ? report_barrier(this, l) : report_collective(this, l);
  }
  mxi_emulated_lane = nullptr;
  failed = launch_failed;
}

/* ---- Blocks ---- */

/* The kernel's dynamic shared memory ends where an inaccessible page starts. */
runner::runner() {
  const size_t whole = (SHARED_BYTES + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
  void *p = mmap(nullptr, whole + PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED || mprotect(p, whole, PROT_READ | PROT_WRITE)) {
    fprintf(stderr, "emulator: no memory for shared memory\n");
    abort();
  }
  shared_end = static_cast<unsigned char *>(p) + whole;
}

/* Static shared memory is the thread-local storage of the kernel's library. */
int find_static_shared(struct dl_phdr_info *library, size_t, void *argument) {
  runner *r = static_cast<runner *>(argument);
  const auto kernel = reinterpret_cast<uintptr_t>(r->of->kernel);
  const ElfW(Phdr) *tls = nullptr;
  bool has_kernel = false;
  for (const ElfW(Phdr) *p = library->dlpi_phdr; p < library->dlpi_phdr + library->dlpi_phnum; p++) {
    if (p->p_type == PT_TLS) tls = p;
    if (p->p_type == PT_LOAD) has_kernel |= kernel - library->dlpi_addr - p->p_vaddr < p->p_memsz;
  }
  if (!has_kernel) return 0;
  r->static_shared = tls ? library->dlpi_tls_data : nullptr; // null before the first use, too
  r->static_shared_bytes = tls ? tls->p_memsz : 0;
  return 1;
}

/* What a block finds in shared memory is not zeros, nor what the last one left. */
void runner::spoil_shared() {
  memset(at.shared, 0xA5, size_t(shared_end - at.shared));
  if (!static_shared) dl_iterate_phdr(find_static_shared, this);
  if (static_shared) memset(static_shared, 0xA5, static_shared_bytes);
}

void runner::prepare(const launch &l, uint64_t seed) {
  of = &l;
  failed = CUDA_SUCCESS;
  main = context();
  static_shared = nullptr;
  random.state = seed;
  threads = l.block.x * l.block.y * l.block.z;
  at.grid = l.grid;
  at.block = l.block;
  at.shared = shared_end - (l.shared_bytes + 127) / 128 * 128; // aligned as MXI_DYNAMIC_SHARED promises
  std::iota(order, order + threads, 0);
  unsigned i = 0;
  for (unsigned z = 0; z < l.block.z; z++)
    for (unsigned y = 0; y < l.block.y; y++)
      for (unsigned x = 0; x < l.block.x; x++, i++) {
        lanes[i].thread = {x, y, z};
        lanes[i].index = i;
        lanes[i].at = &at;
      }
}

void runner::run_block(unsigned x, unsigned y, unsigned z) {
  at.block_index = {x, y, z};
  started = returned = ready_first = ready_count = 0;
  memset(barriers, 0, sizeof barriers);
  for (unsigned i = 0; i < threads; i++) lanes[i].state = NOT_STARTED, lanes[i].groups = 0;
  for (unsigned w = 0; w * WARP < threads; w++) {
    const unsigned n = threads - w * WARP;
    warps[w].there = n < WARP ? (1u << n) - 1 : ~0u;
    warps[w].returned = warps[w].arrived = 0;
  }
  if (random.state)
    for (unsigned i = threads; i > 1; i--) std::swap(order[i - 1], order[random.below(i)]);
  if (get_settings().guard) spoil_shared();
  switch_context(&main, next());
  if (!failed && returned < threads) report_deadlock();
  mxi_emulated_lane = nullptr;
}

/* Runners are handed from launch to launch, until the process ends. */
std::mutex &pool_lock = *new std::mutex;
std::vector<runner *> &pool = *new std::vector<runner *>;
runner *take_runner() {
  std::lock_guard<std::mutex> hold(pool_lock);
  if (pool.empty()) return new runner;
  runner *r = pool.back();
  pool.pop_back();
  return r;
}
void return_runner(runner *r) {
  std::lock_guard<std::mutex> hold(pool_lock);
  pool.push_back(r);
}

/* Block number i of n in another order: i times a number that has no divisor in common with n, and an offset.
 */
struct block_order {
  uint64_t n, factor = 1, offset = 0;
  block_order(uint64_t n, generator random) : n(n) {
    if (!random.state) return;
    offset = random.below(n);
    do factor = 1 + random.below(n);
    while (std::gcd(factor, n) != 1);
  }
  uint64_t operator[](uint64_t i) const { return uint64_t((unsigned __int128)i * factor % n + offset) % n; }
};

} // namespace

CUresult run_launch(const launch &l) {
  static std::atomic<uint64_t> launches{0};
  const uint64_t seed = get_settings().seed ? get_settings().seed + 1000003 * launches++ : 0;
  runner *r = take_runner();
  r->prepare(l, seed);
  running = r;
  watch_faults();
  const uint64_t n = uint64_t(l.grid.x) * l.grid.y * l.grid.z;
  const block_order order(n, {seed});
  for (uint64_t i = 0; i < n && !r->failed; i++) {
    const uint64_t b = order[i], row = b / l.grid.x;
    r->run_block(unsigned(b % l.grid.x), unsigned(row % l.grid.y), unsigned(row / l.grid.y));
  }
  running = nullptr;
  const CUresult failed = r->failed;
  if (failed) r->reset_carriers();
  return_runner(r);
  return failed;
}

context *fault_in_kernel(const char *what, const void *address) {
  if (!mxi_emulated_lane) return nullptr;
  report("%s at address %p", what, address);
  running->failed = illegal_address;
  return &running->main;
}

/* ---- What kernels call ---- */

int barrier(int id, unsigned threads, vote kind, int value, place at) {
  runner *r = running;
  block_lane *l = self();
  arrive(r, id, threads, kind, value, at);
  l->state = AT_BARRIER;
  l->barrier = id;
  l->waits_at = at;
  r->release_if_complete(id);
  r->wait(l);
  return l->vote;
}

void barrier_arrive(int id, unsigned threads, place at) {
  arrive(running, id, threads, VOTE_NONE, 0, at);
  running->release_if_complete(id);
}

void collective(unsigned mask, collective_function *run, void *operand, place at) {
  runner *r = running;
  block_lane *l = self();
  block_lane *first = l - l->index % WARP; // lane 0 of the warp
  warp_state &w = r->warps[l->index / WARP];
  const unsigned me = 1u << l->index % WARP;
  if (!(mask & me)) trap("the mask lacks the lane itself", at);
  if (mask & ~w.there) trap("the mask has lanes that are not in the block", at);
  if (mask & w.returned) trap("the mask has lanes that have returned", at);
  w.operands[l->index % WARP] = operand;
  w.arrived |= me;
  l->mask = mask;
  l->run = run;
  l->waits_at = at;
  if ((w.arrived & mask) != mask) {
    l->state = AT_COLLECTIVE;
    r->wait(l);
    return;
  }
  for (unsigned rest = mask; rest; rest &= rest - 1) {
    const block_lane &other = first[__builtin_ctz(rest)];
    if (other.mask == mask && other.run == run && other.waits_at.line == at.line) continue;
    report("%s at %s:%d with mask %08x, while lane %d is in %s at %s:%d with mask %08x", at.what, at.file,
           at.line, mask, __builtin_ctz(rest), other.waits_at.what, other.waits_at.file, other.waits_at.line,
           other.mask);
    r->fail();
  }
  run(w.operands, mask);
  w.arrived &= ~mask;
  for (unsigned rest = mask & ~me; rest; rest &= rest - 1) r->make_ready(&first[__builtin_ctz(rest)]);
}

static void perform(const copy &c) {
  memcpy(c.to, c.from, c.valid);
  memset(static_cast<char *>(c.to) + c.valid, 0, c.bytes - c.valid);
}
void copy_async(void *shared, const void *global, unsigned bytes, unsigned valid, place at) {
  if (reinterpret_cast<uintptr_t>(shared) % bytes || reinterpret_cast<uintptr_t>(global) % bytes)
    trap("an address of cp.async is not aligned", at);
  if (valid > bytes) trap("cp.async has more source bytes than it copies", at);
  block_lane *l = self();
  const copy c = {shared, global, bytes, valid, l->groups};
  // It may happen at any time until the wait.
  if (running->random.state && running->random.below(2)) return perform(c);
  l->copies.push_back(c);
}
void copy_async_commit() { self()->groups++; }
void copy_async_wait(unsigned groups_pending) {
  block_lane *l = self();
  auto c = l->copies.begin();
  for (; c != l->copies.end() && c->group + groups_pending < l->groups; c++) perform(*c);
  l->copies.erase(l->copies.begin(), c);
}

void trap(const char *why, place at) {
  report("%s: %s at %s:%d", why, at.what ? at.what : "code", at.file, at.line);
  running->fail();
}

void pause() {
  runner *r = running;
  block_lane *l = self();
  r->make_ready(l);
  r->wait(l);
}

unsigned active_mask() {
  const warp_state &w = running->warps[mxi_emulated_lane->index / WARP];
  return w.there & ~w.returned;
}

} // namespace emulator
