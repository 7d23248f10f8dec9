/* An array as text: `array([[1, 2],\n       [3, 4]], dtype=int32)`. An axis longer than six shows its first
   and last three elements. */
#include "core/array.h"
#include "core/mapped.h"
#include "core/upcalls.h"
#include "base/alloc.h"
#include "base/error.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EDGE = 3, MAX_PRECISION = 64 };

typedef struct text {
  char *s;
  size_t n, room;
  bool failed;
} text;

static void append(text *t, const char *s, size_t n) {
  if (t->failed) return;
  if (t->n + n + 1 > t->room) {
    size_t room = 2 * t->room + n + 64;
    char *grown = mxi_realloc(t->s, room);
    if (!grown) {
      t->failed = true;
      return;
    }
    t->s = grown;
    t->room = room;
  }
  memcpy(t->s + t->n, s, n);
  t->n += n;
  t->s[t->n] = 0;
}
static void append_text(text *t, const char *s) { append(t, s, strlen(s)); }

/* precision < 0: six significant digits, as %g; else that many decimals. */
static void append_number(text *t, double x, int precision) {
  char s[512]; /* %.64f of 1e308 has 374 characters */
  int n = precision < 0 ? snprintf(s, sizeof s, "%g", x) : snprintf(s, sizeof s, "%.*f", precision, x);
  append(t, s, (size_t)n);
}

static void append_element(text *t, const struct mxi_array *a, const char *element, int precision) {
  char s[32];
  mx_dtype type = (mx_dtype)a->dtype;
  if (type == MX_BOOL) {
    append_text(t, *(const uint8_t *)element ? "True" : "False");
  } else if (type == MX_UINT64) {
    append(t, s, (size_t)snprintf(s, sizeof s, "%llu", (unsigned long long)*(const uint64_t *)element));
  } else if (mxi_is_integer(type)) {
    append(t, s, (size_t)snprintf(s, sizeof s, "%lld", (long long)mxi_scalar_load_int(element, type)));
  } else {
    double im = 0, re = mxi_scalar_load(element, type, &im);
    append_number(t, re, precision);
    if (type != MX_COMPLEX64) return;
    if (im >= 0 || isnan(im)) append_text(t, "+");
    append_number(t, im, precision);
    append_text(t, "j");
  }
}

/* The part of the array below `axis`, whose first element is at `data`. */
static void append_axis(text *t, const struct mxi_array *a, int axis, const char *data, int precision) {
  if (axis == a->ndim) {
    append_element(t, a, data, precision);
    return;
  }
  bool last = axis == a->ndim - 1;
  int64_t n = mxi_shape(a)[axis], stride = mxi_strides(a)[axis] * (int64_t)mxi_itemsize(a);
  char separator[16 + MXI_MAX_NDIM] = ", ";
  if (!last) snprintf(separator, sizeof separator, ",\n%*s", 7 + axis, ""); /* under the bracket */
  append_text(t, "[");
  for (int64_t i = 0; i < n && !t->failed; i++) {
    if (i) append_text(t, separator);
    if (n > 2 * EDGE && i == EDGE) {
      append_text(t, "...");
      append_text(t, separator);
      i = n - EDGE;
    }
    append_axis(t, a, axis + 1, data + i * stride, precision);
  }
  append_text(t, "]");
}

char *mx_to_string(mx_array a, int precision) {
  if (mx_eval(a) < 0 || (!a->data && mxi_to_host(a) < 0)) return NULL;
  text t = {0};
  append_text(&t, "array(");
  if (precision > MAX_PRECISION) precision = MAX_PRECISION;
  append_axis(&t, a, 0, a->data, precision);
  append_text(&t, ", dtype=");
  append_text(&t, mx_dtype_name((mx_dtype)a->dtype));
  append_text(&t, ")");
  if (!t.failed && mxi_after_reading(a) == 0) return t.s;
  mxi_free(t.s);
  return NULL;
}
