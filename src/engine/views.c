/* Primitives whose result is another look at their input's memory: shapes, strides and offsets, and no bytes.
 */
#include "engine/place.h"
#include <string.h>

static int same(mx_array in, mx_array out) {
  mxi_set_view(out, in, 0, mxi_strides(in));
  return 0;
}

/* Views the row-major copy of `in`, `offset` elements on; strides NULL: row-major. */
static int view_copy(mx_stream stream, mx_array in, mx_array out, int64_t offset, const int64_t *strides) {
  mx_array copy = mxi_copy_launch(stream, in);
  if (!copy) return -1;
  mxi_set_view(out, copy, offset, strides);
  mxi_unref(copy);
  return 0;
}

static int transpose(mx_ints axes, mx_array in, mx_array out) {
  int64_t strides[MXI_MAX_NDIM];
  for (int i = 0; i < axes.n; i++) strides[i] = mxi_strides(in)[axes.v[i]];
  mxi_set_view(out, in, 0, strides);
  return 0;
}

static int broadcast(mx_array in, mx_array out) {
  int64_t strides[MXI_MAX_NDIM];
  for (int i = 0; i < out->ndim; i++) {
    int own = i - (out->ndim - in->ndim);
    strides[i] = own < 0 || (in->dims[own] == 1 && out->dims[i] != 1) ? 0 : mxi_strides(in)[own];
  }
  mxi_set_view(out, in, 0, strides);
  return 0;
}

static int slice(const struct mxi_p_SLICE *p, mx_array in, mx_array out) {
  int64_t strides[MXI_MAX_NDIM], offset = 0;
  for (int i = 0; i < in->ndim; i++) {
    offset += p->start.v[i] * mxi_strides(in)[i];
    strides[i] = mxi_strides(in)[i] * p->step.v[i];
  }
  mxi_set_view(out, in, out->size ? offset : 0, strides);
  return 0;
}

/* Strides that show `in` in the shape of `out`, if the memory allows: each run of input dims that is
   contiguous in itself is cut anew. False when a copy is needed. */
static bool reshape_strides(mx_array in, mx_array out, int64_t *strides) {
  int64_t dims[MXI_MAX_NDIM], steps[MXI_MAX_NDIM];
  int n = 0; // input dims of size > 1, neighbours merged where contiguous
  for (int i = 0; i < in->ndim; i++) {
    if (in->dims[i] == 1) continue;
    if (n && steps[n - 1] == mxi_strides(in)[i] * in->dims[i]) {
      dims[n - 1] *= in->dims[i];
      steps[n - 1] = mxi_strides(in)[i];
    } else {
      dims[n] = in->dims[i];
      steps[n++] = mxi_strides(in)[i];
    }
  }
  int k = n - 1;
  int64_t left = n ? dims[k] : 1, step = n ? steps[k] : 1;
  for (int i = out->ndim - 1; i >= 0; i--) {
    if (left == 1 && k > 0) {
      k--;
      left = dims[k];
      step = steps[k];
    }
    strides[i] = step;
    if (out->dims[i] == 1) continue;
    if (left % out->dims[i]) return false;
    left /= out->dims[i];
    step *= out->dims[i];
  }
  return true;
}

static int reshape(mx_stream stream, mx_array in, mx_array out) {
  int64_t strides[MXI_MAX_NDIM];
  if (mxi_row_contiguous(in) || !out->size)
    mxi_set_view(out, in, 0, NULL);
  else if (reshape_strides(in, out, strides))
    mxi_set_view(out, in, 0, strides);
  else
    return view_copy(stream, in, out, 0, NULL);
  return 0;
}

static int as_strided(const struct mxi_p_AS_STRIDED *p, mx_stream stream, mx_array in, mx_array out) {
  if (!mxi_row_contiguous(in)) return view_copy(stream, in, out, p->offset, p->strides.v);
  mxi_set_view(out, in, p->offset, p->strides.v);
  return 0;
}

/* Buffers themselves are aligned; a file that is mapped, and foreign memory, are not. */
static bool is_aligned(mx_array a, size_t size) {
  uintptr_t at = a->data ? (uintptr_t)a->data : (uintptr_t)a->offset;
  return at % size == 0;
}

/* The same bytes as another dtype. Equal sizes keep any strides; else the elements must lie row-major, at an
   address that the other dtype may have. */
static int view(mx_stream stream, mx_array in, mx_array out) {
  size_t from = mxi_itemsize(in), to = mxi_itemsize(out);
  if (from == to) return same(in, out);
  if (!in->buffer && in->size == 1) { // one inline element, seen as several
    mx_buffer *b = mxi_buffer_new(from);
    if (!b) return -1;
    memcpy(b->data, in->data, from);
    mxi_set_data(out, b, 0, NULL);
    return 0;
  }
  if (!mxi_row_contiguous(in) || !is_aligned(in, to)) return view_copy(stream, in, out, 0, NULL);
  mxi_set_view(out, in, 0, NULL);
  return 0;
}

static bool column_major(mx_array a) {
  int64_t expected = 1;
  for (int i = 0; i < a->ndim; i++) {
    if (mxi_shape(a)[i] != 1 && mxi_strides(a)[i] != expected) return false;
    expected *= mxi_shape(a)[i];
  }
  return true;
}

static int contiguous(bool allow_column_major, mx_stream stream, mx_array in, mx_array out) {
  if (mxi_row_contiguous(in) || (allow_column_major && column_major(in))) return same(in, out);
  return view_copy(stream, in, out, 0, NULL);
}

#define PARAMS(ID) ((const struct mxi_p_##ID *)s->params->fields)
int mxi_view_run(const struct mxi_step *s, mx_array *in, mx_array *out) {
  switch (s->prim->id) {
  case MXI_TRANSPOSE: return transpose(PARAMS(TRANSPOSE)->axes, in[0], out[0]);
  case MXI_BROADCAST: return broadcast(in[0], out[0]);
  case MXI_SLICE: return slice(PARAMS(SLICE), in[0], out[0]);
  case MXI_RESHAPE: return reshape(s->stream, in[0], out[0]);
  case MXI_AS_STRIDED: return as_strided(PARAMS(AS_STRIDED), s->stream, in[0], out[0]);
  case MXI_VIEW: return view(s->stream, in[0], out[0]);
  case MXI_CONTIGUOUS: return contiguous(PARAMS(CONTIGUOUS)->allow_col_major, s->stream, in[0], out[0]);
  default: // identities: output i is input i
    for (int i = 0; i < s->noutputs; i++) same(in[i], out[i]);
    return 0;
  }
}
