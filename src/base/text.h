/* A text that grows as it is printed to: `struct mxi_string s = {0}; mxi_string_print(&s, "%d", 3);`. Memory
   that is short is noticed at the end, by mxi_string_take. */
#ifndef MXI_BASE_TEXT_H
#define MXI_BASE_TEXT_H
#include "base/vec.h"
#include <stdbool.h>

struct mxi_string {
  mxi_vec(char) chars;
  bool failed;
};
void mxi_string_print(struct mxi_string *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A text as it is. */
void mxi_string_add(struct mxi_string *s, const char *text);
/* The text, which the caller frees; NULL with the error set when memory was short. The string is empty then.
 */
char *mxi_string_take(struct mxi_string *s);
#endif
