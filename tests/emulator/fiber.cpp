#include "fiber.h"
#include <atomic>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#elif defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace emulator {

/* Address space: pages are taken when they are touched. Code that is not optimised has large frames. */
enum : size_t { STACK_BYTES = 512 << 10, PAGE_BYTES = 4096 };

fiber::fiber() {
  const size_t whole = STACK_BYTES + 2 * PAGE_BYTES;
  void *p = mmap(nullptr, whole, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  stack = static_cast<char *>(p) + PAGE_BYTES;
  if (p == MAP_FAILED || mprotect(stack, STACK_BYTES, PROT_READ | PROT_WRITE)) {
    fprintf(stderr, "emulator: no memory for the stack of a thread\n");
    abort();
  }
  // Stacks start at different offsets in their pages, or all would want the same few lines of the cache.
  static std::atomic<unsigned> count{0};
  colour = count++ % 60 * 320;
  at.bottom = stack;
  at.bytes = STACK_BYTES;
}

#if defined(__x86_64__)
/* The callee-saved registers are on the stack that stopped, and its pointer in *from. emulator_resume is
   where a stack goes on whose pointer is in rsp already. */
asm(R"(
.text
.p2align 4
.globl emulator_switch
.hidden emulator_switch
.type emulator_switch, @function
emulator_switch:
  .cfi_startproc
  endbr64
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  mov %rsp, (%rdi)
  mov %rsi, %rsp
.globl emulator_resume
.hidden emulator_resume
emulator_resume:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret
  .cfi_endproc
.size emulator_switch, . - emulator_switch

.p2align 4
.hidden emulator_entry
.type emulator_entry, @function
emulator_entry:
  .cfi_startproc
  .cfi_undefined %rip
  mov %r12, %rdi
  call *%r13
  ud2
  .cfi_endproc
.size emulator_entry, . - emulator_entry
)");
extern "C" void emulator_switch(void **from, void *to);
extern "C" void emulator_entry();

void fiber::restart(void (*entry)(void *), void *argument) {
  void **top = reinterpret_cast<void **>(stack + STACK_BYTES - colour);
  *--top = nullptr; // so that the stack is aligned where emulator_entry starts
  *--top = nullptr;
  *--top = reinterpret_cast<void *>(emulator_entry);
  *--top = nullptr;                         // rbp
  *--top = nullptr;                         // rbx
  *--top = argument;                        // r12
  *--top = reinterpret_cast<void *>(entry); // r13
  *--top = nullptr;                         // r14
  *--top = nullptr;                         // r15
  at.sp = top;
  forget_stack();
}
static void switch_registers(context *from, context *to) { emulator_switch(&from->sp, to->sp); }
#else
static void enter(unsigned entry_high, unsigned entry_low, unsigned high, unsigned low) {
  const auto entry = reinterpret_cast<void (*)(void *)>(uint64_t(entry_high) << 32 | entry_low);
  entry(reinterpret_cast<void *>(uint64_t(high) << 32 | low));
}
void fiber::restart(void (*entry)(void *), void *argument) {
  getcontext(&at.registers);
  at.registers.uc_stack.ss_sp = stack;
  at.registers.uc_stack.ss_size = STACK_BYTES - colour;
  at.registers.uc_link = nullptr;
  forget_stack();
  const uint64_t e = reinterpret_cast<uint64_t>(entry), a = reinterpret_cast<uint64_t>(argument);
  makecontext(&at.registers, reinterpret_cast<void (*)()>(enter), 4, unsigned(e >> 32), unsigned(e),
              unsigned(a >> 32), unsigned(a));
}
static void switch_registers(context *from, context *to) { swapcontext(&from->registers, &to->registers); }
#endif

/* ---- Sanitizers are told of each switch ---- */

#if defined(__SANITIZE_ADDRESS__)
/* The stack that was left; a thread's own stack is known from the first switch away from it. */
static __thread context *left;
void arrived(context *at) {
  const void *bottom;
  size_t bytes;
  __sanitizer_finish_switch_fiber(at->fake_stack, &bottom, &bytes);
  if (left && !left->bottom) {
    left->bottom = bottom;
    left->bytes = bytes;
  }
}
static void leave(context *from, context *to) {
  left = from;
  __sanitizer_start_switch_fiber(from ? &from->fake_stack : nullptr, to->bottom, to->bytes);
}
void fiber::forget_stack() {
  at.fake_stack = nullptr;
  ASAN_UNPOISON_MEMORY_REGION(stack, STACK_BYTES);
}
#elif defined(__SANITIZE_THREAD__)
void arrived(context *) {}
static void leave(context *from, context *to) {
  if (from && !from->tsan) from->tsan = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(to->tsan, 0);
}
void fiber::forget_stack() {
  if (at.tsan) __tsan_destroy_fiber(at.tsan);
  at.tsan = __tsan_create_fiber(0);
}
#else
void arrived(context *) {}
static void leave(context *, context *) {}
void fiber::forget_stack() {}
#endif

void switch_context(context *from, context *to) {
  leave(from, to);
  switch_registers(from, to);
  arrived(from);
}
void leave_for(context *to) {
  context nowhere;
  leave(nullptr, to);
  switch_registers(&nowhere, to);
  __builtin_unreachable();
}

} // namespace emulator
