#include "core/guard.h"
#include "base/lock.h"
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A table of fixed size, because the handler may neither lock nor allocate. A range is there while end is not
   0. Nobody reads a range that comes or goes, so a fault lies in one that stands still. */
enum { GUARDS = 1 << 14 };
static struct {
  _Atomic uintptr_t begin, end;
  atomic_bool needed;
} guards[GUARDS];
static atomic_int used; // no guard from here on was ever taken
static uintptr_t page_size;

/* ---- The handler ---- */
/* What stood in the handler's place: when it was installed, and what took its place since. */
static struct sigaction first, later;
static atomic_bool has_later;

/* Zeros from the page at `address` to the range's end: behind a page that is gone all are. */
static bool put_zeros(uintptr_t address) {
  uintptr_t page = address & ~(page_size - 1);
  for (int i = 0, n = atomic_load(&used); i < n; i++) {
    uintptr_t end = atomic_load(&guards[i].end), begin = atomic_load(&guards[i].begin);
    if (address < begin || address >= end || end != atomic_load(&guards[i].end)) continue;
    atomic_store(&guards[i].needed, true);
    /* By the system call itself: a handler may make any, and what others read of these pages meanwhile is
       thrown away, which ThreadSanitizer, that takes mmap for a write, can't know. */
    return syscall(SYS_mmap, page, end - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
           -1;
  }
  return false;
}

/* A handler that came later may end in calling ours: it is passed over then, and the one below gets the
   signal. */
static void pass_on(int number, siginfo_t *info, void *context) {
  bool fault = info->si_code > 0, to_later = atomic_exchange(&has_later, false);
  const struct sigaction *next = to_later ? &later : &first;
  if (next->sa_flags & SA_SIGINFO) {
    next->sa_sigaction(number, info, context);
  } else if (next->sa_handler != SIG_DFL && next->sa_handler != SIG_IGN) {
    next->sa_handler(number);
  } else if (fault || next->sa_handler == SIG_DFL) { // a fault can't be ignored
    sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    if (!fault) raise(number); // a fault comes again by itself
  }
  if (to_later && fault) atomic_store(&has_later, true);
}

static void on_bus_error(int number, siginfo_t *info, void *context) {
  int saved = errno;
  bool fault = info->si_code > 0; // else a process sent it, and there is no address
  if (!fault || !put_zeros((uintptr_t)info->si_addr)) pass_on(number, info, context);
  errno = saved;
}

/* Called with the lock held. */
static void install(void) {
  static bool installed;
  struct sigaction now, ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  if (sigaction(SIGBUS, NULL, &now) < 0) return;
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_bus_error) return;
  if (installed) {
    later = now;
    atomic_store(&has_later, true);
  } else {
    first = now;
    page_size = (uintptr_t)sysconf(_SC_PAGESIZE);
  }
  installed = true;
  sigaction(SIGBUS, &ours, NULL);
}

void mxi_guard_renew(void) {
  struct sigaction now;
  sigset_t bus;
  sigemptyset(&bus);
  sigaddset(&bus, SIGBUS);
  pthread_sigmask(SIG_UNBLOCK, &bus, NULL); // where it is blocked a fault ends the process
  if (sigaction(SIGBUS, NULL, &now) == 0 && now.sa_sigaction == on_bus_error) return;
  mxi_lock(MXI_LOCK_MAPPED);
  install();
  mxi_unlock(MXI_LOCK_MAPPED);
}

/* ---- Ranges ---- */
static int take_free(void) {
  int n = atomic_load(&used);
  for (int i = 0; i < n; i++)
    if (!atomic_load(&guards[i].end)) return i;
  if (n == GUARDS) return MXI_UNGUARDED;
  atomic_store(&used, n + 1);
  return n;
}

int mxi_guard(const void *begin, size_t bytes) {
  mxi_guard_renew();
  mxi_lock(MXI_LOCK_MAPPED);
  int i = take_free();
  if (i != MXI_UNGUARDED) {
    uintptr_t whole_pages = ((uintptr_t)begin + bytes + page_size - 1) & ~(page_size - 1);
    atomic_store(&guards[i].needed, false);
    atomic_store(&guards[i].begin, (uintptr_t)begin);
    atomic_store(&guards[i].end, whole_pages);
  }
  mxi_unlock(MXI_LOCK_MAPPED);
  return i;
}

void mxi_unguard(int guard) { atomic_store(&guards[guard].end, 0); }
bool mxi_guard_was_needed(int guard) { return atomic_load(&guards[guard].needed); }
