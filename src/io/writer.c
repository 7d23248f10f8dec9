#include "io/writer.h"
#include "core/interrupt.h"
#include "core/mapped.h"
#include "io/place.h"
#include "mlx/ops.h"
#include <errno.h>
#include <unistd.h>

int mxi_check_saved(const char *op, const struct mxi_target *to, int n, const char *const *names,
                    const mx_array *arrays) {
  if (to->to_stream ? !mxi_given_function(op, "write", (void (*)(void))to->stream.write)
                    : !mxi_given_path(op, to->path))
    return -1;
  if (n < 0) return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a number of arrays >= 0, got %d", op, n);
  if (n > 0 && (!names || !arrays))
    return mxi_fail(MX_TYPE_ERROR, "[%s] expected %d names and arrays, got NULL", op, n);
  for (int i = 0; i < n; i++)
    if (!names[i]) return mxi_fail(MX_TYPE_ERROR, "[%s] expected a name for array %d, got NULL", op, i);
  return n > 0 ? mx_eval_all(n, arrays) : 0;
}

int mxi_writer_open(struct mxi_writer *w, const char *op, const struct mxi_target *to) {
  *w = (struct mxi_writer){.op = op};
  if (!to->to_stream) return mxi_replacement_open(&w->file, op, to->path);
  w->stream = to->stream;
  return 0;
}

int mxi_writer_write(struct mxi_writer *w, const void *data, size_t n) {
  w->at += n;
  if (w->stream.write) return n ? w->stream.write(w->stream.context, data, n) : 0;
  enum { AT_ONCE = 1 << 23 }; // some ms, so that an interrupt is heard
  for (const char *p = data; n;) {
    MXI_TRY(mxi_go_on(w->op));
    ssize_t done = write(w->file.fd, p, n < AT_ONCE ? n : AT_ONCE);
    if (done < 0 && errno != EINTR) return mxi_io_fail(w->op, "write", w->file.path, errno);
    if (done <= 0) continue;
    p += done;
    n -= (size_t)done;
  }
  return 0;
}

int mxi_with_rows(mx_array a, int (*use)(void *context, const void *data, size_t n), void *context) {
  int status = -1;
  MX_SCOPE {
    mx_array rows = mx_contiguous(a, false);
    if (mx_eval(rows) == 0) {
      const void *data = mx_size(rows) ? mx_data(rows) : NULL;
      status = !data && mx_size(rows) ? -1 : use(context, data, mx_nbytes(rows));
      if (mxi_after_reading(rows) < 0) status = -1;
    }
  }
  return status;
}

static int write_rows(void *writer, const void *data, size_t n) { return mxi_writer_write(writer, data, n); }
int mxi_writer_array(struct mxi_writer *w, mx_array a) { return mxi_with_rows(a, write_rows, w); }

int mxi_writer_close(struct mxi_writer *w, int status) {
  return w->stream.write ? status : mxi_replacement_close(&w->file, status);
}
