/* Guarded ranges: memory over files that others may cut short. A read beyond such a file's end raises SIGBUS;
   the guard puts zeros there and notes the damage, so that the read goes on and its reader can be told. Other
   faults go to the handlers that were there before, or came later. */
#ifndef MXI_CORE_GUARD_H
#define MXI_CORE_GUARD_H
#include <stdbool.h>
#include <stddef.h>

enum { MXI_UNGUARDED = -1 };
/* Guards whole pages from `begin`. Returns the guard's number, or MXI_UNGUARDED when all are taken. */
int mxi_guard(const void *begin, size_t bytes);
void mxi_unguard(int guard); /* before the memory goes */
/* Did a read in the range fail? It then read zeros. */
bool mxi_guard_was_needed(int guard);
/* Puts the handler first again where another took its place, and lets this thread receive the signal. */
void mxi_guard_renew(void);
#endif
