/* The primitive table, and parameters. */
#include "core/node.h"
#include "base/alloc.h"
#include "base/hash.h"
#include <string.h>

/* ---- The primitive table, generated from prims.def ---- */
#define F(ID, kind, name) {MXI_F_##kind, offsetof(struct mxi_p_##ID, name), #name},
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...) \
  static const struct mxi_field fields_##ID[] = {__VA_ARGS__{0, 0, NULL}};
#include "core/prims.def"
#undef MX_PRIM
#undef F

const mx_prim mxi_prims[MXI_PRIM_COUNT] = {
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...)                                                \
  [MXI_##ID] = {                                                                                            \
      text,       MXI_##ID, flags, sizeof(struct mxi_p_##ID), sizeof fields_##ID / sizeof *fields_##ID - 1, \
      fields_##ID},
#include "core/prims.def"
#undef MX_PRIM
};

/* ---- Parameters ---- */
mx_params *mxi_params_new(const mx_prim *p, const void *fields) {
  size_t bytes = p->params_bytes;
  for (int i = 0; i < p->nfields; i++)
    if (p->fields[i].kind == MXI_F_INTS) {
      mx_ints list = *(const mx_ints *)((const char *)fields + p->fields[i].offset);
      bytes += (size_t)(list.n > 0 ? list.n : 0) * sizeof(int64_t);
    }
  mx_params *made = mxi_malloc(sizeof *made + bytes);
  if (!made) return NULL;
  atomic_init(&made->refs, 1);
  memcpy(made->fields, fields, p->params_bytes);
  char *storage = made->fields + p->params_bytes;
  for (int i = 0; i < p->nfields; i++) {
    char *field = made->fields + p->fields[i].offset;
    if (p->fields[i].kind == MXI_F_INTS) {
      mx_ints *list = (mx_ints *)field;
      size_t n = (size_t)(list->n > 0 ? list->n : 0) * sizeof(int64_t);
      if (n) memcpy(storage, list->v, n);
      list->v = (const int64_t *)storage;
      storage += n;
    } else if (p->fields[i].kind == MXI_F_OBJECT) {
      mxi_object *o = *(mxi_object **)field;
      if (o) atomic_fetch_add(&o->refs, 1);
    }
  }
  return made;
}

void mxi_params_unref(const mx_prim *p, mx_params *params) {
  if (!params || atomic_fetch_sub_explicit(&params->refs, 1, memory_order_acq_rel) != 1) return;
  for (int i = 0; i < p->nfields; i++)
    if (p->fields[i].kind == MXI_F_OBJECT) {
      mxi_object *o = *(mxi_object **)(params->fields + p->fields[i].offset);
      if (o && atomic_fetch_sub(&o->refs, 1) == 1) o->release(o);
    }
  mxi_free(params);
}

bool mxi_params_equal(const mx_prim *p, const mx_params *a, const mx_params *b) {
  if (a == b || !p->nfields) return true;
  for (int i = 0; i < p->nfields; i++) {
    const char *x = a->fields + p->fields[i].offset, *y = b->fields + p->fields[i].offset;
    if (p->fields[i].kind == MXI_F_INTS) {
      const mx_ints *u = (const mx_ints *)x, *v = (const mx_ints *)y;
      if (u->n != v->n || (u->n > 0 && memcmp(u->v, v->v, (size_t)u->n * sizeof(int64_t)))) return false;
    } else if (memcmp(x, y, 8))
      return false; // int64_t, double and pointers alike
  }
  return true;
}

uint64_t mxi_params_hash(const mx_prim *p, const mx_params *a) {
  uint64_t h = (uint64_t)p->id + 1;
  for (int i = 0; i < p->nfields; i++) {
    const char *x = a->fields + p->fields[i].offset;
    if (p->fields[i].kind == MXI_F_INTS) {
      const mx_ints *u = (const mx_ints *)x;
      for (int k = 0; k < u->n; k++) h = mxi_mix(h, (uint64_t)u->v[k]);
      h = mxi_mix(h, (uint64_t)u->n);
    } else
      h = mxi_mix(h, *(const uint64_t *)x);
  }
  return h;
}
