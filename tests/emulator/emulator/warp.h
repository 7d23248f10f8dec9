/* What the threads of a block, and the lanes of a warp, do together. */
#ifndef MXI_EMULATOR_WARP_H
#define MXI_EMULATOR_WARP_H
#include "emulator/lane.h"
#include <type_traits>

using mxi_place = emulator::place;

/* ---- Blocks ---- */
static inline void __syncthreads(mxi_place at = mxi_place::here()) {
  emulator::barrier(0, 0, emulator::VOTE_NONE, 0, at.named("__syncthreads"));
}
static inline int __syncthreads_or(int value, mxi_place at = mxi_place::here()) {
  return emulator::barrier(0, 0, emulator::VOTE_OR, value, at.named("__syncthreads_or"));
}
static inline int __syncthreads_and(int value, mxi_place at = mxi_place::here()) {
  return emulator::barrier(0, 0, emulator::VOTE_AND, value, at.named("__syncthreads_and"));
}
static inline int __syncthreads_count(int value, mxi_place at = mxi_place::here()) {
  return emulator::barrier(0, 0, emulator::VOTE_COUNT, value, at.named("__syncthreads_count"));
}
[[noreturn]] static inline void mxi_emulated_trap(mxi_place at = mxi_place::here()) {
  emulator::trap("__trap was called", at.named("__trap"));
}
#define __trap() mxi_emulated_trap()

/* ---- Warps ---- */
namespace emulator {
template <class Operand>
static inline void together(unsigned mask, void (*run)(Operand *const[32], unsigned), Operand *operand,
                            place at) {
  collective(mask, reinterpret_cast<collective_function *>(reinterpret_cast<void *>(run)), operand, at);
}

/* Calls f(lane) for the lanes of a mask. */
template <class F> static inline void each_lane(unsigned mask, F f) {
  for (; mask; mask &= mask - 1) f(__builtin_ctz(mask));
}

template <class T> struct shuffled {
  T value;
  int from; // lane of the warp
};
template <class T> static void run_shuffle(shuffled<T> *const lanes[32], unsigned mask) {
  T values[32];
  each_lane(mask, [&](int i) { values[i] = lanes[i]->value; });
  each_lane(mask, [&](int i) {
    if (!(mask >> lanes[i]->from & 1)) trap("a shuffle reads a lane outside its mask", place::here());
    lanes[i]->value = values[lanes[i]->from];
  });
}
template <class T> static inline T shuffle(unsigned mask, T value, int from, place at) {
  static_assert(std::is_arithmetic<T>::value && (sizeof(T) == 4 || sizeof(T) == 8),
                "a number of 4 or 8 bytes");
  shuffled<T> s = {value, from};
  together(mask, run_shuffle<T>, &s, at);
  return s.value;
}

static inline int lane_id() { return int(mxi_emulated_lane->index % 32); }

struct ballot_operand {
  int predicate;
  unsigned result;
};
static inline void run_ballot(ballot_operand *const lanes[32], unsigned mask) {
  unsigned votes = 0;
  each_lane(mask, [&](int i) { votes |= unsigned(lanes[i]->predicate != 0) << i; });
  each_lane(mask, [&](int i) { lanes[i]->result = votes; });
}
static inline unsigned ballot(unsigned mask, int predicate, place at) {
  ballot_operand b = {predicate, 0};
  together(mask, run_ballot, &b, at);
  return b.result;
}

template <class T> struct match_operand {
  T value;
  unsigned same;
};
template <class T> static void run_match(match_operand<T> *const lanes[32], unsigned mask) {
  each_lane(mask, [&](int i) {
    lanes[i]->same = 0;
    each_lane(mask, [&](int j) {
      lanes[i]->same |= unsigned(!memcmp(&lanes[i]->value, &lanes[j]->value, sizeof(T))) << j;
    });
  });
}

template <class T, class F> static void run_reduce(T *const lanes[32], unsigned mask) {
  T result = *lanes[__builtin_ctz(mask)];
  each_lane(mask & (mask - 1), [&](int i) { result = F{}(result, *lanes[i]); });
  each_lane(mask, [&](int i) { *lanes[i] = result; });
}
template <class F, class T> static inline T reduce(unsigned mask, T value, place at) {
  together(mask, run_reduce<T, F>, &value, at);
  return value;
}
struct sum {
  unsigned operator()(unsigned x, unsigned y) const { return x + y; }
};
struct least {
  template <class T> T operator()(T x, T y) const { return y < x ? y : x; }
};
struct most {
  template <class T> T operator()(T x, T y) const { return x < y ? y : x; }
};
struct conjunction {
  unsigned operator()(unsigned x, unsigned y) const { return x & y; }
};
struct disjunction {
  unsigned operator()(unsigned x, unsigned y) const { return x | y; }
};
struct difference {
  unsigned operator()(unsigned x, unsigned y) const { return x ^ y; }
};

struct nothing {};
static inline void run_nothing(nothing *const[32], unsigned) {}
} // namespace emulator

static inline void __syncwarp(unsigned mask = ~0u, mxi_place at = mxi_place::here()) {
  emulator::nothing n;
  emulator::together(mask, emulator::run_nothing, &n, at.named("__syncwarp"));
}
static inline unsigned __activemask() { return emulator::active_mask(); }

/* Lanes exchange within segments of `width`; one whose source is outside its segment keeps its value. */
template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32,
                            mxi_place at = mxi_place::here()) {
  const int first = emulator::lane_id() & ~(width - 1);
  return emulator::shuffle(mask, value, first | (source & (width - 1)), at.named("__shfl_sync"));
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                               mxi_place at = mxi_place::here()) {
  const int lane = emulator::lane_id(), from = lane - int(delta);
  return emulator::shuffle(mask, value, from < (lane & ~(width - 1)) ? lane : from,
                           at.named("__shfl_up_sync"));
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                                 mxi_place at = mxi_place::here()) {
  const int lane = emulator::lane_id(), from = lane + int(delta);
  return emulator::shuffle(mask, value, from > (lane | (width - 1)) ? lane : from,
                           at.named("__shfl_down_sync"));
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32,
                                mxi_place at = mxi_place::here()) {
  const int lane = emulator::lane_id(), from = lane ^ lanes;
  return emulator::shuffle(mask, value, from > (lane | (width - 1)) ? lane : from,
                           at.named("__shfl_xor_sync"));
}
static inline unsigned __ballot_sync(unsigned mask, int predicate, mxi_place at = mxi_place::here()) {
  return emulator::ballot(mask, predicate, at.named("__ballot_sync"));
}
static inline int __any_sync(unsigned mask, int predicate, mxi_place at = mxi_place::here()) {
  return emulator::ballot(mask, predicate, at.named("__any_sync")) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, mxi_place at = mxi_place::here()) {
  return emulator::ballot(mask, predicate, at.named("__all_sync")) == mask;
}
template <class T>
static inline unsigned __match_any_sync(unsigned mask, T value, mxi_place at = mxi_place::here()) {
  emulator::match_operand<T> m = {value, 0};
  emulator::together(mask, emulator::run_match<T>, &m, at.named("__match_any_sync"));
  return m.same;
}
template <class T>
static inline unsigned __match_all_sync(unsigned mask, T value, int *all, mxi_place at = mxi_place::here()) {
  *all = __match_any_sync(mask, value, at) == mask;
  return *all ? mask : 0;
}

#define MXI_REDUCE_SYNC(NAME, T, F)                                                \
  static inline T NAME(unsigned mask, T value, mxi_place at = mxi_place::here()) { \
    return (T)emulator::reduce<emulator::F>(mask, value, at.named(#NAME));         \
  }
MXI_REDUCE_SYNC(__reduce_add_sync, int, sum)
MXI_REDUCE_SYNC(__reduce_add_sync, unsigned, sum)
MXI_REDUCE_SYNC(__reduce_min_sync, int, least)
MXI_REDUCE_SYNC(__reduce_min_sync, unsigned, least)
MXI_REDUCE_SYNC(__reduce_max_sync, int, most)
MXI_REDUCE_SYNC(__reduce_max_sync, unsigned, most)
MXI_REDUCE_SYNC(__reduce_and_sync, unsigned, conjunction)
MXI_REDUCE_SYNC(__reduce_or_sync, unsigned, disjunction)
MXI_REDUCE_SYNC(__reduce_xor_sync, unsigned, difference)
#undef MXI_REDUCE_SYNC
#endif
