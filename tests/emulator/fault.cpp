/* A fault inside a kernel becomes the launch's error: the signal's handler goes on where the launch waits for
   its block. Sanitizers report better, and other machines end the process. */
#include "fault.h"
#include <mutex>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <ucontext.h>

namespace emulator {
#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
extern "C" void emulator_resume();

static struct sigaction before[NSIG];

static void handle(int signal, siginfo_t *info, void *registers) {
  const char *what = signal == SIGFPE ? "integer division by zero" : "illegal access";
  if (context *to = fault_in_kernel(what, info->si_addr)) {
    greg_t *r = static_cast<ucontext_t *>(registers)->uc_mcontext.gregs;
    r[REG_RSP] = reinterpret_cast<greg_t>(to->sp);
    r[REG_RIP] = reinterpret_cast<greg_t>(emulator_resume);
    return;
  }
  const struct sigaction &b = before[signal];
  if (b.sa_flags & SA_SIGINFO) return b.sa_sigaction(signal, info, registers);
  if (b.sa_handler != SIG_DFL && b.sa_handler != SIG_IGN) return b.sa_handler(signal);
  sigaction(signal, &b, nullptr); // the instruction faults again, as if nobody had looked
}

static void install() {
  struct sigaction a = {};
  a.sa_sigaction = handle;
  a.sa_flags = SA_SIGINFO | SA_ONSTACK;
  for (int signal : {SIGSEGV, SIGBUS, SIGFPE}) sigaction(signal, &a, &before[signal]);
}

/* A thread's stack for handlers: that of a kernel may have overflowed. */
static void give_stack() {
  static __thread bool given;
  stack_t s;
  if (given || (sigaltstack(nullptr, &s) == 0 && !(s.ss_flags & SS_DISABLE))) return;
  s = {};
  s.ss_size = 64 << 10;
  s.ss_sp = malloc(s.ss_size); // kept as long as the thread may be
  given = s.ss_sp && sigaltstack(&s, nullptr) == 0;
}

void watch_faults() {
  static std::once_flag once;
  std::call_once(once, install);
  give_stack();
}
#else
void watch_faults() {}
#endif
} // namespace emulator
