/* A stream is a thread that does its work in order; with MLX_EMULATOR_SYNC it is its callers, one at a time.
   What CUDA leaves open about time is used: with a seed, work starts late at random. */
#include "driver.h"
#include "memory.h"
#include "settings.h"
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <signal.h>
#include <string.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace emulator;

struct CUstream_st {
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::function<void()>> work; // the first is being done
};

namespace emulator {
namespace {

struct completion {
  std::mutex lock;
  std::condition_variable changed;
  bool done = false;
  void set() {
    std::lock_guard<std::mutex> hold(lock);
    done = true;
    changed.notify_all();
  }
  void wait() {
    std::unique_lock<std::mutex> hold(lock);
    changed.wait(hold, [&] { return done; });
  }
};

std::mutex &streams_lock = *new std::mutex;
std::vector<CUstream> &streams = *new std::vector<CUstream>;

/* Up to 100 us late, one time of four. */
void dawdle(generator &random) {
  if (random.state && random.below(4) == 0) usleep(unsigned(random.below(100)));
}

void serve(CUstream s, uint64_t seed) {
  generator random = {seed};
  std::unique_lock<std::mutex> hold(s->lock);
  for (;;) {
    s->changed.wait(hold, [&] { return !s->work.empty(); });
    const std::function<void()> work = std::move(s->work.front());
    hold.unlock();
    dawdle(random);
    work();
    hold.lock();
    s->work.pop_front();
    if (s->work.empty()) s->changed.notify_all();
  }
}

CUstream new_stream() {
  std::lock_guard<std::mutex> hold(streams_lock);
  CUstream s = new CUstream_st;
  streams.push_back(s);
  const settings &set = get_settings();
  if (set.sync) return s;
  sigset_t all, before; // handlers are the program's threads' business; those of faults can't be blocked
  sigfillset(&all);
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE}) sigdelset(&all, signal);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::thread(serve, s, set.seed ? set.seed + streams.size() : 0).detach();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return s;
}
CUstream actual(CUstream s) {
  static CUstream const the_default = new_stream();
  return s ? s : the_default;
}
} // namespace

/* Without access to the device's memory. */
static void submit_signal(CUstream stream, std::function<void()> work) {
  CUstream s = actual(stream);
  std::lock_guard<std::mutex> hold(s->lock);
  if (get_settings().sync) return work();
  s->work.push_back(std::move(work));
  s->changed.notify_all();
}
void submit(CUstream stream, std::function<void()> work) {
  submit_signal(stream, [work = std::move(work)] {
    device_access access;
    work();
  });
}
void wait_for(CUstream stream) {
  CUstream s = actual(stream);
  std::unique_lock<std::mutex> hold(s->lock);
  s->changed.wait(hold, [&] { return s->work.empty(); });
}
void wait_for_all_streams() {
  std::vector<CUstream> all;
  {
    std::lock_guard<std::mutex> hold(streams_lock);
    all = streams;
  }
  for (CUstream s : all) wait_for(s);
}
} // namespace emulator

/* An event is its latest record. */
struct CUevent_st {
  std::mutex lock;
  std::shared_ptr<completion> latest;
  std::shared_ptr<completion> get() {
    std::lock_guard<std::mutex> hold(lock);
    return latest;
  }
};

CUresult cuStreamCreate(CUstream *stream, unsigned) {
  EMULATOR_ENTER();
  *stream = new_stream();
  return CUDA_SUCCESS;
}
CUresult cuStreamSynchronize(CUstream stream) {
  EMULATOR_ENTER();
  wait_for(stream);
  return obstacle();
}
CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned) {
  EMULATOR_ENTER();
  if (!event) return invalid_handle;
  if (const auto e = event->get()) submit_signal(stream, [e] { e->wait(); });
  return CUDA_SUCCESS;
}
CUresult cuEventCreate(CUevent *event, unsigned) {
  EMULATOR_ENTER();
  *event = new CUevent_st;
  return CUDA_SUCCESS;
}
CUresult cuEventRecord(CUevent event, CUstream stream) {
  EMULATOR_ENTER();
  if (!event) return invalid_handle;
  const auto e = std::make_shared<completion>();
  {
    std::lock_guard<std::mutex> hold(event->lock);
    event->latest = e;
  }
  submit_signal(stream, [e] { e->set(); });
  return CUDA_SUCCESS;
}
CUresult cuEventQuery(CUevent event) {
  EMULATOR_ENTER();
  if (!event) return invalid_handle;
  const auto e = event->get();
  if (!e) return CUDA_SUCCESS;
  std::lock_guard<std::mutex> hold(e->lock);
  return e->done ? obstacle() : CUresult(not_ready);
}
CUresult cuEventSynchronize(CUevent event) {
  EMULATOR_ENTER();
  if (!event) return invalid_handle;
  if (const auto e = event->get()) e->wait();
  return obstacle();
}
CUresult cuEventDestroy_v2(CUevent event) {
  EMULATOR_ENTER();
  if (!event) return invalid_handle;
  delete event; // what waits for its records keeps them
  return CUDA_SUCCESS;
}

/* ---- Copies ---- */

static void *pointer(CUdeviceptr address) { return reinterpret_cast<void *>(address); }

/* Pageable memory is read at once, pinned memory when the stream gets there. */
CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  EMULATOR_ENTER();
  if (!on_device(to, bytes)) return invalid_value;
  if (is_pinned(from, bytes)) {
    submit(stream, [=] { memcpy(pointer(to), from, bytes); });
  } else {
    const auto staged = std::make_shared<std::vector<char>>(static_cast<const char *>(from),
                                                            static_cast<const char *>(from) + bytes);
    submit(stream, [=] { memcpy(pointer(to), staged->data(), bytes); });
  }
  return CUDA_SUCCESS;
}
/* Pageable memory is written before this returns. */
CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  EMULATOR_ENTER();
  if (!on_device(from, bytes)) return invalid_value;
  submit(stream, [=] { memcpy(to, pointer(from), bytes); });
  if (!is_pinned(to, bytes)) wait_for(stream);
  return obstacle();
}
CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  EMULATOR_ENTER();
  if (!on_device(to, bytes) || !on_device(from, bytes)) return invalid_value;
  submit(stream, [=] { memmove(pointer(to), pointer(from), bytes); });
  return CUDA_SUCCESS;
}
CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
  EMULATOR_ENTER();
  if (!on_device(to, bytes)) return invalid_value;
  submit(stream, [=] { memset(pointer(to), value, bytes); });
  return CUDA_SUCCESS;
}
CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t words, CUstream stream) {
  EMULATOR_ENTER();
  if (to % sizeof value || words > SIZE_MAX / sizeof value || !on_device(to, words * sizeof value))
    return invalid_value;
  submit(stream, [=] {
    unsigned *p = static_cast<unsigned *>(pointer(to));
    for (size_t i = 0; i < words; i++) p[i] = value;
  });
  return CUDA_SUCCESS;
}
