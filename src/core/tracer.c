/* A session's number is its place in the table of open ones, and above that a count. */
#include "core/tracer.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/vec.h"
#include "core/node.h"
#include "core/thread.h"

enum { PLACE_BITS = 10, PLACES = 1 << PLACE_BITS };

static struct {
  _Atomic uint64_t open;       /* the session's number; 0: free */
  mxi_vec(mx_array) evaluated; /* referenced; under MXI_LOCK_SESSIONS */
} places[PLACES];
static _Atomic uint64_t sessions; /* opened so far */

static int place_of(uint64_t session) { return (int)(session & (PLACES - 1)); }

bool mxi_session_is_open(uint64_t session) {
  return session == MXI_SESSION_MANY || (session && atomic_load(&places[place_of(session)].open) == session);
}

uint64_t mxi_session_of_both(uint64_t a, uint64_t b) {
  if (!mxi_session_is_open(a)) return b;
  return mxi_session_is_open(b) ? MXI_SESSION_MANY : a;
}

uint64_t mxi_session(void) { return mxi_thread.session; }

int mxi_session_open(void) {
  if (mxi_thread.open_transforms++) return 0;
  uint64_t count = atomic_fetch_add(&sessions, 1) + 1;
  for (int tried = 0; tried < PLACES; tried++) {
    uint64_t place = (count + (uint64_t)tried) % PLACES, none = 0, session = count << PLACE_BITS | place;
    if (!atomic_compare_exchange_strong(&places[place].open, &none, session)) continue;
    mxi_thread.session = session;
    return 0;
  }
  mxi_thread.open_transforms--;
  return mxi_fail(MX_RUNTIME_ERROR, "[transform] expected at most %d threads inside vjp or jvp, got more",
                  PLACES);
}

/* Nobody walks through it any more. */
static void drop_node(mx_array a) {
  mx_node *n = a->node;
  a->node = NULL;
  if (n) mxi_node_unref(n);
}

void mxi_session_close(void) {
  if (--mxi_thread.open_transforms) return;
  int place = place_of(mxi_thread.session);
  mxi_thread.session = 0;
  mxi_lock(MXI_LOCK_SESSIONS);
  mxi_vec(mx_array)
      done = {places[place].evaluated.v, places[place].evaluated.n, places[place].evaluated.cap};
  places[place].evaluated.v = NULL;
  places[place].evaluated.n = places[place].evaluated.cap = 0;
  atomic_store(&places[place].open, 0);
  mxi_unlock(MXI_LOCK_SESSIONS);
  for (size_t i = 0; i < done.n; i++) drop_node(done.v[i]);
  for (size_t i = 0; i < done.n; i++) mxi_unref(done.v[i]);
  mxi_vec_free(&done);
}

void mxi_session_evaluated(mx_array a) {
  if (a->session == MXI_SESSION_MANY) return;
  int place = place_of(a->session);
  mxi_lock(MXI_LOCK_SESSIONS);
  bool open = atomic_load(&places[place].open) == a->session;
  /* Without memory for the list the node stays as long as the array. */
  if (open && mxi_push(&places[place].evaluated, a) == 0) mxi_ref(a);
  mxi_unlock(MXI_LOCK_SESSIONS);
  if (!open) drop_node(a);
}
