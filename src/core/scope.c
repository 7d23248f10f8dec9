/* Scopes: a stack of lists of owned arrays, one stack a thread. */
#include "core/array.h"
#include "core/thread.h"
#include "base/error.h"
#include <pthread.h>

_Thread_local struct mxi_thread mxi_thread __attribute__((tls_model("initial-exec")));

static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

static void release_items(struct mxi_scope_items *s) {
  /* A destructor of a foreign owner never runs here (see buffer.c), so the list can't change under the loop.
   */
  for (size_t i = 0; i < s->n; i++) mxi_unref(s->v[i]);
  s->n = 0;
}

static void thread_exit(void *unused) {
  (void)unused;
  for (int i = 0; i < mxi_thread.scopes_cap; i++) {
    release_items(&mxi_thread.scopes[i]);
    mxi_free(mxi_thread.scopes[i].v);
  }
  mxi_free(mxi_thread.scopes);
  mxi_thread.scopes = NULL;
  mxi_thread.scopes_cap = mxi_thread.depth = 0;
}
static void make_exit_key(void) { pthread_key_create(&exit_key, thread_exit); }

static int grow_scopes(void) {
  pthread_once(&exit_once, make_exit_key);
  int cap = mxi_thread.scopes_cap ? mxi_thread.scopes_cap * 2 : 16;
  struct mxi_scope_items *s = mxi_realloc(mxi_thread.scopes, (size_t)cap * sizeof *s);
  if (!s) return -1;
  for (int i = mxi_thread.scopes_cap; i < cap; i++) s[i] = (struct mxi_scope_items){0};
  mxi_thread.scopes = s;
  mxi_thread.scopes_cap = cap;
  pthread_setspecific(exit_key, &mxi_thread);
  return 0;
}

mx_scope mx_scope_open(void) {
  /* Without memory for the scope itself the enclosing one serves; with none, the ops inside fail. */
  if (mxi_thread.depth == mxi_thread.scopes_cap && grow_scopes() < 0) return (mx_scope){-1};
  return (mx_scope){++mxi_thread.depth};
}

void mx_scope_close(mx_scope *scope) {
  if (scope->open > 0)
    while (mxi_thread.depth >= scope->open) release_items(&mxi_thread.scopes[mxi_thread.depth-- - 1]);
  scope->open = 0;
  mxi_drain_unbound();
}

void mx_scope_drain(void) {
  if (mxi_thread.depth) release_items(&mxi_thread.scopes[mxi_thread.depth - 1]);
  mxi_drain_unbound();
}

static mx_array push(int scope, mx_array a) {
  struct mxi_scope_items *s = &mxi_thread.scopes[scope];
  if (mxi_push(s, a) == 0) return a;
  mxi_unref(a);
  return MX_BAD;
}

mx_array mxi_own(mx_array a) {
  if (!a) return MX_BAD;
  if (a == MX_BAD) return a;
  if (mxi_thread.depth) return push(mxi_thread.depth - 1, a);
  mxi_unref(a);
  mxi_fail(MX_RUNTIME_ERROR,
           "[scope] expected an open scope to own the result, got none: use MX_SCOPE { ... }");
  return MX_BAD;
}

mx_array mx_pass(mx_array a) {
  if (!mx_ok(a)) return a;
  if (mxi_thread.depth >= 2) return push(mxi_thread.depth - 2, mxi_ref(a));
  mxi_fail(MX_RUNTIME_ERROR, "[pass] expected an enclosing scope, got %d open", mxi_thread.depth);
  return MX_BAD;
}

mx_array mx_keep(mx_array a) { return mx_ok(a) ? mxi_ref(a) : a; }
void mx_release(mx_array a) {
  mxi_unref(a);
  mxi_drain_unbound();
}
