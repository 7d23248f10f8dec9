/* What the folders below the engine ask of it. Whoever reads values has them computed first: `core` when it
   prints or reads an array, an op whose shape depends on values, a file that is saved. These are all their
   calls upward. They are bound when the library is linked: there is one engine, so a table of pointers would
   cost every read an indirect call and choose nothing. tools/check_layers.py lets these names pass, and no
   other. */
#ifndef MXI_CORE_UPCALLS_H
#define MXI_CORE_UPCALLS_H
#include "mlx/array.h"

int mx_eval(mx_array a);
int mx_eval_all(int n, const mx_array *arrays);
/* Makes the bytes of a ready or submitted array readable by the host: afterwards a->data is set. */
int mxi_to_host(mx_array a);
/* Has the engine a backend for it? */
bool mx_is_available(mx_device d);
#endif
