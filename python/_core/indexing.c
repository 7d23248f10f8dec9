/* x[key], x[key] = v, x.at[key].add(v).

   A key is read once into a list of items. Every form then reduces to three steps: a strided slice of the
   axes that ints and slices name; a gather (or scatter) over the axes that index arrays name; and a reshape
   that drops the axes of ints and adds those of None. As in NumPy, the axes of index arrays stand where the
   first one was when they are neighbours, and in front when they are not; an int counts as an index array
   when there is one. A boolean mask stands for one index array for each of its axes, the places where it
   holds: to know their number, reading with a mask evaluates it. Assigning with a mask alone does not. */
#include "index_key.h"
#include <string.h>

/* ---- The slicing step ---- */
typedef struct box {
  int64_t start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  int ndim;
  bool whole; /* every element in order: nothing to slice */
} box;

/* The part of the array that ints and slices select. With index arrays an int stays whole: it joins the
 * gather. */
static box slice_box(const key_items *k) {
  box b = {.ndim = mx_ndim(k->a), .whole = true};
  for (int i = 0; i < k->n; i++) {
    const item *t = &k->v[i];
    if (t->kind == ITEM_NEW_AXIS) continue;
    bool whole_axis = t->kind == ITEM_ARRAY || (t->kind == ITEM_INT && k->narrays) ||
                      (t->start == 0 && t->step == 1 && t->length == mx_dim(k->a, t->axis));
    b.start[t->axis] = whole_axis ? 0 : t->start;
    b.stop[t->axis] = whole_axis ? mx_dim(k->a, t->axis) : t->stop;
    b.step[t->axis] = whole_axis ? 1 : t->step;
    b.whole &= whole_axis;
  }
  return b;
}

static mx_array take_box(mx_array a, const box *b) {
  if (b->whole) return a;
  return mx_slice(a, (mx_ints){b->start, b->ndim}, (mx_ints){b->stop, b->ndim}, (mx_ints){b->step, b->ndim});
}

/* a without some axes of size 1, and then with others. */
static mx_array exchange_axes(mx_array a, mx_ints dropped, mx_ints added) {
  if (dropped.n) a = mx_squeeze(a, dropped);
  return added.n && mx_ok(a) ? mx_expand_dims(a, added) : a;
}

static mx_array too_many_axes(void) {
  mx_error_set(MX_INVALID_ARGUMENT, "[index] expected a result of at most %d dimensions", MX_MAX_NDIM);
  return MX_BAD;
}

/* ---- The gather step ---- */
typedef struct gather_plan {
  mx_array indices[MX_MAX_NDIM];
  int64_t axes[MX_MAX_NDIM], sizes[MX_MAX_NDIM];
  int n;
  bool adjacent;
  int first; /* items before the index arrays, when adjacent */
  int64_t broadcast[MX_MAX_NDIM];
  int nbroadcast;
} gather_plan;

/* Are there no indices at all? Then nothing is read or written, even where an axis has no element to name. */
static bool no_indices(const gather_plan *g) {
  for (int i = 0; i < g->nbroadcast; i++)
    if (g->broadcast[i] == 0) return true;
  return false;
}

static bool joins_gather(const item *t) { return t->kind == ITEM_ARRAY || t->kind == ITEM_INT; }

static int plan_gather(const key_items *k, gather_plan *g) {
  memset(g, 0, sizeof *g);
  mx_ints shapes[MX_MAX_NDIM];
  int last = -1;
  g->adjacent = true;
  g->first = -1;
  for (int i = 0; i < k->n; i++) {
    const item *t = &k->v[i];
    if (t->kind == ITEM_NEW_AXIS && !joins_gather(t)) continue;
    if (t->kind == ITEM_SLICE) {
      g->sizes[t->axis] = t->length;
      continue;
    }
    if (g->first < 0)
      g->first = i;
    else if (i != last + 1)
      g->adjacent = false;
    last = i;
    g->indices[g->n] = t->kind == ITEM_ARRAY ? t->indices : mx_int(t->start);
    if (!mx_ok(g->indices[g->n])) return -1;
    shapes[g->n] = mx_shape_ints(g->indices[g->n]);
    g->axes[g->n++] = t->axis;
    g->sizes[t->axis] = 1;
  }
  g->nbroadcast = mx_broadcast_shapes(g->n, shapes, g->broadcast);
  return g->nbroadcast < 0 ? -1 : 0;
}

/* The axes of the result in order, from the gathered array's (I..., other axes...): where each comes from, or
   -1 for a new axis. `lengths` is the result's shape. Returns the result's ndim. */
static int result_axes(const key_items *k, const gather_plan *g, int *from, int64_t *lengths) {
  int n = 0, other = g->nbroadcast;
  bool placed = false;
  for (int i = -1; i < k->n; i++) {
    bool here = !placed && (g->adjacent ? i == g->first : i == -1);
    if (here) {
      placed = true;
      for (int j = 0; j < g->nbroadcast; j++, n++) {
        if (n == MX_MAX_NDIM) return -1;
        from[n] = j;
        lengths[n] = g->broadcast[j];
      }
    }
    if (i < 0 || joins_gather(&k->v[i])) continue;
    if (n == MX_MAX_NDIM) return -1;
    from[n] = k->v[i].kind == ITEM_NEW_AXIS ? -1 : other++;
    lengths[n++] = k->v[i].kind == ITEM_NEW_AXIS ? 1 : k->v[i].length;
  }
  return n;
}

static mx_array gather(const key_items *k, mx_array a) {
  gather_plan g;
  int from[MX_MAX_NDIM];
  int64_t lengths[MX_MAX_NDIM], dropped[MX_MAX_NDIM], order[MX_MAX_NDIM], added[MX_MAX_NDIM];
  if (plan_gather(k, &g) < 0) return MX_BAD;
  int n = result_axes(k, &g, from, lengths);
  if (n < 0) return too_many_axes();
  if (no_indices(&g)) return mx_zeros((mx_ints){lengths, n}, mx_dtype_of(a));
  mx_array r;
  if (g.n == 1)
    r = mx_take(a, g.indices[0], (int)g.axes[0]); /* the index's axes stand where they should */
  else
    r = mx_gather(a, g.n, g.indices, (mx_ints){g.axes, g.n}, (mx_ints){g.sizes, mx_ndim(a)});
  if (!mx_ok(r)) return r;
  if (g.n >
      1) { /* (I..., slice sizes with 1 for the gathered axes) -> (I..., other axes) -> the result's order */
    int naxes = 0;
    for (int i = 0; i < g.n; i++) dropped[i] = g.nbroadcast + g.axes[i];
    r = mx_squeeze(r, (mx_ints){dropped, g.n});
    for (int i = 0; i < n; i++)
      if (from[i] >= 0) order[naxes++] = from[i];
    r = mx_transpose(r, (mx_ints){order, naxes});
  }
  int nadded = 0;
  for (int i = 0; i < n; i++)
    if (from[i] < 0) added[nadded++] = i;
  return mx_ok(r) ? exchange_axes(r, MX_NO_SHAPE, (mx_ints){added, nadded}) : r;
}

/* a[mask] over the leading axes: rows of the array with those joined. NULL with the exception set. */
static mx_array masked_rows(mx_array a, mx_array mask) {
  int lead = mx_ndim(mask), n = 1;
  int64_t shape[MX_MAX_NDIM + 1] = {mx_size(mask)};
  mx_array places;
  if (py_mask_places(a, mask, 0, &places) < 0) return NULL;
  if (lead == 0) { /* the whole array once, or not at all */
    mx_array once = mx_zeros(MX_SHAPE(mx_dim(places, 0)), MX_INT64);
    return py_checked(mx_take(mx_expand_dims(a, MX_AXES(0)), once, 0));
  }
  if (lead > 1) places = mx_argwhere(mx_flatten(mask, 0, -1));
  for (int i = lead; i < mx_ndim(a); i++) shape[n++] = mx_dim(a, i);
  return py_checked(mx_take(mx_reshape(a, (mx_ints){shape, n}), mx_flatten(places, 0, -1), 0));
}

static mx_array get(const key_items *k) {
  box b = slice_box(k);
  mx_array a = take_box(k->a, &b);
  if (!mx_ok(a)) return a;
  if (k->narrays) return gather(k, a);
  int64_t dropped[MX_MAX_NDIM], added[MX_MAX_NDIM];
  int n = 0, ndropped = 0, nadded = 0;
  for (int i = 0; i < k->n; i++) {
    if (k->v[i].kind == ITEM_INT) {
      dropped[ndropped++] = k->v[i].axis;
      continue;
    }
    if (n == MX_MAX_NDIM) return too_many_axes();
    if (k->v[i].kind == ITEM_NEW_AXIS) added[nadded++] = n;
    n++;
  }
  return exchange_axes(a, (mx_ints){dropped, ndropped}, (mx_ints){added, nadded});
}

/* x[i] with an int: the common case, without a list of items. */
static mx_array row(mx_array a, int64_t i) {
  int64_t start[MX_MAX_NDIM] = {0}, step[MX_MAX_NDIM];
  mx_ints shape = mx_shape_ints(a);
  int64_t stop[MX_MAX_NDIM];
  for (int d = 0; d < shape.n; d++) stop[d] = shape.v[d], step[d] = 1;
  start[0] = i;
  stop[0] = i + 1;
  mx_array r = mx_slice(a, (mx_ints){start, shape.n}, (mx_ints){stop, shape.n}, (mx_ints){step, shape.n});
  return mx_ok(r) ? mx_squeeze(r, MX_AXES(0)) : r;
}

PyObject *py_array_getitem(PyObject *self, PyObject *key) {
  mx_scope s = mx_scope_open();
  mx_array a = py_handle(self);
  PyObject *r = NULL;
  if (Py_TYPE(key) == &PyLong_Type && mx_ndim(a)) {
    int64_t i, n = mx_dim(a, 0);
    if (py_int64(key, &i) < 0) {
      if (PyErr_ExceptionMatches(PyExc_OverflowError))
        PyErr_SetString(PyExc_IndexError, "[index] index out of range");
    } else if (i < -n || i >= n) {
      PyErr_Format(PyExc_IndexError, "[index] index %lld is out of range for axis 0 with size %lld",
                   (long long)i, (long long)n);
    } else {
      r = py_wrap(row(a, i < 0 ? i + n : i));
    }
  } else {
    key_items k;
    mx_array part = py_read_key(&k, a, key, false) < 0 ? NULL : k.mask ? masked_rows(a, k.mask) : get(&k);
    r = part ? py_wrap(part) : NULL;
  }
  mx_scope_close(&s);
  return r;
}

/* ---- Updates ---- */
/* Drops leading axes of length 1 beyond `ndim`. */
static mx_array drop_leading(mx_array v, int ndim) {
  mx_ints s = mx_shape_ints(v);
  int drop = 0;
  while (s.n - drop > ndim && s.v[drop] == 1) drop++;
  return drop ? mx_reshape(v, (mx_ints){s.v + drop, s.n - drop}) : v;
}

/* The value with an axis of length 1 for every int, so that it broadcasts against the sliced box. */
static mx_array fit_box(const key_items *k, mx_array v) {
  int64_t shape[MAX_ITEMS], result_ndim = 0;
  for (int i = 0; i < k->n; i++) result_ndim += k->v[i].kind != ITEM_INT;
  v = drop_leading(v, (int)result_ndim);
  if (!mx_ok(v)) return v;
  mx_ints s = mx_shape_ints(v);
  int at = s.n, n = 0; /* both from the right; shape is filled backwards */
  for (int i = k->n - 1; i >= 0 && (at > 0 || n == 0); i--) {
    const item *t = &k->v[i];
    if (t->kind == ITEM_INT) {
      shape[MAX_ITEMS - ++n] = 1;
      continue;
    }
    int64_t d = at > 0 ? s.v[--at] : 1;
    if (t->kind == ITEM_SLICE)
      shape[MAX_ITEMS - ++n] = d;
    else if (d != 1)
      at = -1;
  }
  if (at != 0) {
    mx_error_set(MX_INVALID_ARGUMENT,
                 "[setitem] expected a value that broadcasts to the indexed part, got %d dimensions",
                 mx_ndim(v));
    return MX_BAD;
  }
  return mx_reshape(v, (mx_ints){shape + MAX_ITEMS - n, n});
}

static mx_array update_box(const key_items *k, const box *b, mx_array v, mx_update_mode mode) {
  v = fit_box(k, v);
  if (!mx_ok(v)) return v;
  if (b->ndim == 0 && mode == MX_UPDATE_SET) return mx_astype(v, mx_dtype_of(k->a));
  return mx_slice_update(k->a, v, (mx_ints){b->start, b->ndim}, (mx_ints){b->stop, b->ndim},
                         (mx_ints){b->step, b->ndim}, mode);
}

static mx_array update_gather(const key_items *k, const box *b, mx_array v, mx_update_mode mode) {
  mx_array a = take_box(k->a, b);
  gather_plan g;
  int from[MX_MAX_NDIM], n;
  int64_t lengths[MX_MAX_NDIM], order[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  if (!mx_ok(a) || plan_gather(k, &g) < 0) return MX_BAD;
  if ((n = result_axes(k, &g, from, lengths)) < 0 || g.nbroadcast + mx_ndim(a) > MX_MAX_NDIM)
    return too_many_axes();
  v = mx_broadcast_to(drop_leading(v, n), (mx_ints){lengths, n});
  if (no_indices(&g)) return mx_ok(v) ? k->a : v;
  /* The result's order -> (I..., other axes...) -> (I..., one axis for each of a's, 1 for the gathered ones).
   */
  int naxes = 0, m = 0;
  for (int want = 0; want < n; want++)
    for (int i = 0; i < n; i++)
      if (from[i] == want) order[naxes++] = i;
  for (int i = 0; i < n; i++)
    if (from[i] < 0) order[naxes++] = i; /* new axes, of length 1, to the end */
  v = mx_transpose(v, (mx_ints){order, naxes});
  for (int i = 0; i < g.nbroadcast; i++) shape[m++] = g.broadcast[i];
  for (int i = 0; i < mx_ndim(a); i++) shape[m++] = g.sizes[i];
  v = mx_reshape(v, (mx_ints){shape, m});
  mx_array r = mx_scatter(a, g.n, g.indices, v, (mx_ints){g.axes, g.n}, mode);
  if (b->whole || !mx_ok(r)) return r;
  return mx_slice_update(k->a, r, (mx_ints){b->start, b->ndim}, (mx_ints){b->stop, b->ndim},
                         (mx_ints){b->step, b->ndim}, MX_UPDATE_SET);
}

/* Where the mask holds, the value: one that broadcasts over the masked elements, or a list of them in order.
 */
static mx_array update_mask(const key_items *k, mx_array v) {
  mx_array a = k->a, mask = k->mask;
  int lead = mx_ndim(mask), ndim = mx_ndim(a);
  int64_t shape[MX_MAX_NDIM];
  bool fits = lead <= ndim;
  for (int i = 0; i < ndim; i++) {
    shape[i] = i < lead ? mx_dim(mask, i) : 1;
    fits = fits && (i >= lead || shape[i] == mx_dim(a, i));
  }
  if (!fits) {
    mx_error_set(MX_INVALID_ARGUMENT,
                 "[setitem] expected a boolean mask with the shape of the array's leading axes");
    return MX_BAD;
  }
  if (mx_ndim(v) > ndim - lead + 1) {
    mx_error_set(MX_INVALID_ARGUMENT,
                 "[setitem] expected a value of at most %d dimensions for this mask, got %d", ndim - lead + 1,
                 mx_ndim(v));
    return MX_BAD;
  }
  if (mx_ndim(v) == ndim - lead + 1 && mx_dim(v, 0) == 0) { /* no values: right where nothing is masked */
    mx_array places = mx_argwhere(mask);
    if (!mx_ok(places) || mx_dim(places, 0) == 0) return mx_ok(places) ? a : places;
    mx_error_set(MX_INVALID_ARGUMENT, "[setitem] expected %lld values for this mask, got 0",
                 (long long)mx_dim(places, 0));
    return MX_BAD;
  }
  if (mx_ndim(v) == ndim - lead + 1) { /* the j-th masked element takes v[j] */
    mx_array rank = mx_cumsum(mx_astype(mx_flatten(mask, 0, -1), MX_INT32), 0, false, true);
    rank = mx_maximum(mx_subtract(rank, mx_int(1)), mx_int(0));
    if (mx_dim(v, 0) == 1) rank = mx_zeros_like(rank);
    v = mx_take(v, rank, 0);
    int64_t full[MX_MAX_NDIM];
    for (int i = 0; i < ndim; i++) full[i] = i < lead ? shape[i] : mx_dim(v, 1 + i - lead);
    v = mx_reshape(v, (mx_ints){full, ndim});
  }
  v = mx_astype(v, mx_dtype_of(a));
  return mx_where(mx_reshape(mask, (mx_ints){shape, ndim}), v, a);
}

mx_array py_update(mx_array a, PyObject *key, mx_array value, mx_update_mode mode) {
  key_items k;
  if (PyBool_Check(key) && mode == MX_UPDATE_SET) /* all or nothing */
    k = (key_items){.a = a, .mask = mx_bool(key == Py_True)};
  else if (py_read_key(&k, a, key, mode != MX_UPDATE_SET) < 0)
    return NULL;
  mx_array v = mx_dtype_of(value) == mx_dtype_of(a) ? value : mx_astype(value, mx_dtype_of(a));
  if (k.mask && mode != MX_UPDATE_SET) {
    PyErr_SetString(PyExc_ValueError, "[at] expected a boolean mask of 1 dimension or more, got 0");
    return NULL;
  }
  if (k.mask) return py_checked(update_mask(&k, v));
  box b = slice_box(&k);
  return py_checked(k.narrays ? update_gather(&k, &b, v, mode) : update_box(&k, &b, v, mode));
}

mx_array py_update_value(PyObject *o, mx_dtype t) {
  if (py_is_array(o)) return py_lend(py_handle(o)); /* the key is read after it, and may run Python code */
  if (py_is_operand(o)) return py_weak_array(o, t);
  PyErr_SetString(o == Py_None ? PyExc_TypeError : PyExc_ValueError,
                  "[at] expected an array or a scalar as the new value");
  return NULL;
}

int py_array_setitem(PyObject *self, PyObject *key, PyObject *value) {
  mx_scope s = mx_scope_open();
  mx_array a = py_lend(py_handle(self)), v = py_update_value(value, mx_dtype_of(a));
  mx_array r = v ? py_update(a, key, v, MX_UPDATE_SET) : NULL;
  int status = r ? py_assign(self, r) : -1;
  mx_scope_close(&s);
  return status;
}
