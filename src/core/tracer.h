/* Sessions of derivatives. From the opening of a thread's outermost vjp or jvp to its closing is one session,
   with a number that is never used again. What is computed from its tracers carries the number, and keeps its
   node when it is evaluated, by whichever thread, as long as the session is open. So a walk that enters
   arrays of its own, open session alone needs no lock: no eval takes their nodes away under it. */
#ifndef MXI_CORE_TRACER_H
#define MXI_CORE_TRACER_H
#include "core/array.h"

/* The number of what depends on tracers of several open sessions. Each of them may still walk it, so it keeps
   its node for life. */
#define MXI_SESSION_MANY UINT64_MAX

/* Opens a trace of the calling thread, and with the outermost its session. -1 with the error set when too
   many threads have one open. */
int mxi_session_open(void);
/* Closes it. With the outermost, what was evaluated in the session lets go of its node. */
void mxi_session_close(void);
/* The calling thread's session; 0 when none is open. */
uint64_t mxi_session(void);
bool mxi_session_is_open(uint64_t session);
/* The number for a result of inputs of two different sessions. */
uint64_t mxi_session_of_both(uint64_t a, uint64_t b);
/* `a` is ready and has kept its node: it lets go when its session closes, or at once if that is over. */
void mxi_session_evaluated(mx_array a);

/* May a walk of the calling thread's session enter it? */
static inline bool mxi_in_session(const struct mxi_array *a, uint64_t session) {
  return a->session && (a->session == session || a->session == MXI_SESSION_MANY);
}
#endif
