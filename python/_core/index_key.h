/* A key of x[key], read once: a list of items, each naming axes of the array. */
#ifndef MLX_PYTHON_INDEX_KEY_H
#define MLX_PYTHON_INDEX_KEY_H
#include "core.h"

typedef enum item_kind { ITEM_INT, ITEM_SLICE, ITEM_NEW_AXIS, ITEM_ARRAY } item_kind;
typedef struct item {
  item_kind kind;
  int axis; /* of the array; not for ITEM_NEW_AXIS */
  int64_t start, stop, step, length;
  mx_array indices;
} item;

enum { MAX_ITEMS = 2 * MX_MAX_NDIM };
typedef struct key_items {
  mx_array a;
  item v[MAX_ITEMS];
  int n, narrays;
  mx_array mask; /* a boolean mask over the leading axes: then nothing else is set */
} key_items;

/* Reads a key. A mask that is the whole key is left as it is, unless `places` asks for index arrays: those
   need its evaluation. 0, or -1 with the exception set. */
int py_read_key(key_items *k, mx_array a, PyObject *key, bool places);
/* Evaluates a mask over the axes of a from `axis` on; (count, axes of the mask) places in *places. 0 or -1.
 */
int py_mask_places(mx_array a, mx_array mask, int axis, mx_array *places);
#endif
