/* Stacks that take turns on one thread of the host. */
#ifndef MXI_EMULATOR_FIBER_H
#define MXI_EMULATOR_FIBER_H
#include <stddef.h>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulator {

/* Where a stack stopped running. */
struct context {
#if defined(__x86_64__)
  void *sp = nullptr;
#else
  ucontext_t registers;
#endif
  const void *bottom = nullptr; // of its stack: this and the rest are for sanitizers
  size_t bytes = 0;
  void *fake_stack = nullptr, *tsan = nullptr;
};

struct fiber {
  context at;
  char *stack;
  size_t colour; // bytes at its top that are not used
  fiber();       // with a stack of its own, between inaccessible pages
  /* The next switch to it calls entry(argument) on an empty stack; entry must not return. */
  void restart(void (*entry)(void *), void *argument);

private:
  void forget_stack(); // sanitizers do
};

/* Saves the running stack in `from` and goes on with `to`. */
void switch_context(context *from, context *to);
/* As switch_context; the running stack is never continued. */
[[noreturn]] void leave_for(context *to);
/* The first thing on a restarted stack. */
void arrived(context *at);

} // namespace emulator
#endif
