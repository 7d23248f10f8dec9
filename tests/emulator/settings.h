/* What the environment asks of the emulator; see README.md. */
#ifndef MXI_EMULATOR_SETTINGS_H
#define MXI_EMULATOR_SETTINGS_H
#include <stddef.h>
#include <stdint.h>

namespace emulator {
struct settings {
  uint64_t seed; // MLX_EMULATOR_SEED: random orders; 0 = none
  bool guard;    // MLX_EMULATOR_GUARD: allocations end at an inaccessible page
  bool sync;     // MLX_EMULATOR_SYNC: everything runs in the caller
  size_t memory; // MLX_EMULATOR_MEMORY: bytes of the device
};
const settings &get_settings();

/* Random numbers (splitmix64), enough to shuffle with. */
struct generator {
  uint64_t state;
  uint64_t next() {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
  }
  uint64_t below(uint64_t n) { return next() % n; }
};
} // namespace emulator
#endif
