/* What a kernel's code and the emulator know of each other. A lane is one thread of a block. */
#ifndef MXI_EMULATOR_LANE_H
#define MXI_EMULATOR_LANE_H
#include "emulator/types.h"
#include <stddef.h>
#include <stdint.h>

#define MXI_EMULATOR_API __attribute__((visibility("default")))

namespace emulator {

struct geometry {
  uint3 block_index;
  dim3 block, grid;
  unsigned char *shared; // dynamic shared memory
};

struct lane {
  uint3 thread;
  unsigned index; // in the block: x + block.x * (y + block.y * z)
  const geometry *at;
};

/* A place in a kernel's source: the default argument of what reports it. */
struct place {
  const char *what, *file;
  int line;
  static constexpr place here(const char *file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {nullptr, file, line};
  }
  constexpr place named(const char *name) const { return {name, file, line}; }
};

enum vote { VOTE_NONE, VOTE_OR, VOTE_AND, VOTE_COUNT };

/* Waits until `threads` threads (0: all of the block that have not returned) are at barrier `id`; what they
 * voted. */
MXI_EMULATOR_API int barrier(int id, unsigned threads, vote kind, int value, place at);
/* As barrier, without waiting for the others. */
MXI_EMULATOR_API void barrier_arrive(int id, unsigned threads, place at);

/* All lanes of the mask come here, each with its operand; the last one runs the function on the operands of
   all, operands[i] that of lane i of the warp. */
typedef void collective_function(void *const operands[32], unsigned mask);
MXI_EMULATOR_API void collective(unsigned mask, collective_function *run, void *operand, place at);

/* cp.async: `valid` bytes are copied and the rest is zero, not before the wait for their group. */
MXI_EMULATOR_API void copy_async(void *shared, const void *global, unsigned bytes, unsigned valid, place at);
MXI_EMULATOR_API void copy_async_commit();
MXI_EMULATOR_API void copy_async_wait(unsigned groups_pending);

/* Ends the launch with an error, as a kernel's fault does. */
[[noreturn]] MXI_EMULATOR_API void trap(const char *why, place at);
/* Lets another thread of the block run. */
MXI_EMULATOR_API void pause();
/* The lanes of the warp that have not returned. */
MXI_EMULATOR_API unsigned active_mask();

/* What the driver finds of a kernel, as the symbol NAME_emulated. */
struct kernel_record {
  const char *name;
  void (*run)(const void *params); // one thread
  unsigned threads;                // of a block at most
  size_t params_bytes;
};

} // namespace emulator

/* A thread's variable at a fixed place, which is quick to find: room is short there, so only for pointers. */
#define MXI_EMULATOR_NEAR __thread __attribute__((tls_model("initial-exec")))
/* The thread that runs; null outside kernels. */
extern MXI_EMULATOR_API MXI_EMULATOR_NEAR struct emulator::lane *mxi_emulated_lane;
#endif
