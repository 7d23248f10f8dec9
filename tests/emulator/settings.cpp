#include "settings.h"
#include <stdlib.h>

namespace emulator {
static bool is_set(const char *name) {
  const char *value = getenv(name);
  return value && *value && *value != '0';
}
static uint64_t number(const char *name, uint64_t otherwise) {
  const char *value = getenv(name);
  return value && *value ? strtoull(value, nullptr, 0) : otherwise;
}

const settings &get_settings() {
  static const settings s = {number("MLX_EMULATOR_SEED", 0), is_set("MLX_EMULATOR_GUARD"),
                             is_set("MLX_EMULATOR_SYNC"),
                             size_t(number("MLX_EMULATOR_MEMORY", uint64_t(2) << 30))};
  return s;
}
} // namespace emulator
