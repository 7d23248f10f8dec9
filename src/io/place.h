/* Where in which file a reader stands, for its error texts. */
#ifndef MXI_IO_PLACE_H
#define MXI_IO_PLACE_H
#include "base/error.h"

struct mxi_place {
  const char *op;   /* "load_gguf" */
  const char *path; /* borrowed */
  char at[112];     /* "tensor 'x'" */
};
/* Names the place, printf style; text from the file is cut and cleaned. */
void mxi_place_at(struct mxi_place *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sets MX_INVALID_ARGUMENT "[op] expected ..., got ... in FILE at PLACE"; returns -1. */
int mxi_bad_file(const struct mxi_place *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sets MX_IO_ERROR "[op] expected to VERB FILE, got STRERROR(code)"; returns -1. */
int mxi_io_fail(const char *op, const char *verb, const char *path, int code);

/* What error texts show of a path: the end of a long one, which tells more than its start; what follows in
   the text must still fit. */
const char *mxi_path_end(const char *path);
/* What error texts call a stream. */
static inline const char *mxi_stream_name(const char *name) { return name ? name : "a stream"; }

/* Is this well-formed UTF-8 (RFC 3629) without NUL? */
bool mxi_utf8_valid(const char *s, size_t n);
bool mxi_text_valid(const char *s); /* a string */
/* Is there a path, and a stream's function? Else MX_TYPE_ERROR. */
bool mxi_given_path(const char *op, const char *path);
bool mxi_given_function(const char *op, const char *name, void (*function)(void));
#endif
