/* Each allocation is a mapping of its own, so that what is beyond is not the next one. With
   MLX_EMULATOR_GUARD it ends where an inaccessible page starts, and its addresses are never used again. */
#include "memory.h"
#include "driver.h"
#include "settings.h"
#include <map>
#include <mutex>
#include <string.h>
#include <sys/mman.h>

using namespace emulator;

namespace emulator {
namespace {

constexpr size_t PAGE = 4096, ALIGNMENT = 512, GUARDED_ALIGNMENT = 16;
size_t rounded(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

struct allocation {
  size_t bytes;
  char *mapping;
  size_t mapped;
};
using allocations = std::map<uint64_t, allocation>;

/* They outlive the process's destructors: threads may still run. */
std::mutex &lock = *new std::mutex;
allocations &device = *new allocations, &pinned = *new allocations;
size_t used;
unsigned accesses;

bool inside(const allocations &all, uint64_t address, size_t bytes) {
  std::lock_guard<std::mutex> hold(lock);
  auto after = all.upper_bound(address);
  if (after == all.begin()) return false;
  const auto &[start, a] = *--after;
  return address - start <= a.bytes && bytes <= a.bytes - (address - start);
}

char *map(size_t bytes) {
  void *p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<char *>(p);
}

void protect(const allocation &a, int access) { mprotect(a.mapping, a.mapped - PAGE, access); }
void protect_all(int access) {
  for (const auto &[start, a] : device) protect(a, access);
}

} // namespace

device_access::device_access() {
  if (!get_settings().guard) return;
  std::lock_guard<std::mutex> hold(lock);
  if (accesses++ == 0) protect_all(PROT_READ | PROT_WRITE);
}
device_access::~device_access() {
  if (!get_settings().guard) return;
  std::lock_guard<std::mutex> hold(lock);
  if (--accesses == 0) protect_all(PROT_NONE);
}

bool on_device(CUdeviceptr address, size_t bytes) { return inside(device, address, bytes); }
bool is_pinned(const void *address, size_t bytes) {
  return inside(pinned, reinterpret_cast<uint64_t>(address), bytes);
}
} // namespace emulator

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  EMULATOR_ENTER();
  if (!address || !bytes) return invalid_value;
  const settings &s = get_settings();
  std::lock_guard<std::mutex> hold(lock);
  if (bytes > s.memory || rounded(bytes, ALIGNMENT) > s.memory - used) return out_of_memory;
  allocation a = {bytes, nullptr, rounded(bytes, PAGE) + (s.guard ? PAGE : 0)};
  if (!(a.mapping = map(a.mapped))) return out_of_memory;
  char *start = a.mapping;
  if (s.guard) {
    char *end = a.mapping + a.mapped - PAGE;
    mprotect(end, PAGE, PROT_NONE);
    start = end - rounded(bytes, GUARDED_ALIGNMENT);
    memset(a.mapping, 0xA5, a.mapped - PAGE);
    if (!accesses) protect(a, PROT_NONE);
  }
  used += rounded(bytes, ALIGNMENT);
  *address = reinterpret_cast<CUdeviceptr>(start);
  device[*address] = a;
  return CUDA_SUCCESS;
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  EMULATOR_ENTER();
  if (!address) return CUDA_SUCCESS;
  wait_for_all_streams(); // as the driver does
  std::lock_guard<std::mutex> hold(lock);
  auto found = device.find(address);
  if (found == device.end()) return invalid_value;
  const allocation a = found->second;
  if (get_settings().guard)
    mmap(a.mapping, a.mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  else
    munmap(a.mapping, a.mapped);
  used -= rounded(a.bytes, ALIGNMENT);
  device.erase(found);
  return CUDA_SUCCESS;
}

CUresult cuMemGetInfo_v2(size_t *free, size_t *total) {
  EMULATOR_ENTER();
  std::lock_guard<std::mutex> hold(lock);
  *total = get_settings().memory;
  *free = *total - used;
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  EMULATOR_ENTER();
  if (!address || !bytes) return invalid_value;
  const allocation a = {bytes, map(rounded(bytes, PAGE)), rounded(bytes, PAGE)};
  if (!a.mapping) return out_of_memory;
  std::lock_guard<std::mutex> hold(lock);
  pinned[reinterpret_cast<uint64_t>(a.mapping)] = a;
  *address = a.mapping;
  return CUDA_SUCCESS;
}

CUresult cuMemFreeHost(void *address) {
  EMULATOR_ENTER();
  wait_for_all_streams();
  std::lock_guard<std::mutex> hold(lock);
  auto found = pinned.find(reinterpret_cast<uint64_t>(address));
  if (found == pinned.end()) return invalid_value;
  munmap(found->second.mapping, found->second.mapped);
  pinned.erase(found);
  return CUDA_SUCCESS;
}
