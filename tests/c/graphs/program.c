#include "graphs/op.h"
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

void program_drop_unused(struct program *p) {
  for (int v = 0; v < p->nvalues; v++) p->values[v].uses = 0;
  for (int i = p->ninstructions; i--;) {
    struct instruction *ins = &p->instructions[i];
    bool used = false;
    for (int r = 0; r < ins->nresults; r++)
      used |= p->values[ins->first + r].uses > 0 || p->values[ins->first + r].kept;
    if (!used) ins->dropped = true;
    if (!ins->dropped)
      for (int k = 0; k < ins->noperands; k++) p->values[ins->operands[k]].uses++;
  }
}

int program_length(const struct program *p) {
  int n = 0;
  for (int i = 0; i < p->ninstructions; i++) n += !p->instructions[i].dropped;
  return n;
}

/* v3! v4 = split(v1 | 2 0) : float32 2 5 ; float32 2 5 @1 */
static void print_instruction(const struct program *p, const struct instruction *ins, FILE *to) {
  for (int r = 0; r < ins->nresults; r++)
    fprintf(to, "v%d%s ", ins->first + r, p->values[ins->first + r].kept ? "!" : "");
  fprintf(to, "= %s(", graph_op(ins->kind)->name);
  for (int k = 0; k < ins->noperands; k++) fprintf(to, "%sv%d", k ? ", " : "", ins->operands[k]);
  for (int k = 0; k < ins->nparameters; k++) fprintf(to, "%s%" PRId64, k ? " " : " | ", ins->parameters[k]);
  fprintf(to, ") :");
  for (int r = 0; r < ins->nresults; r++) {
    const struct value *v = &p->values[ins->first + r];
    fprintf(to, "%s %s", r ? " ;" : "", mx_dtype_name(v->type));
    for (int i = 0; i < v->ndim; i++) fprintf(to, " %" PRId64, v->shape[i]);
  }
  if (ins->stream) fprintf(to, " @%d", ins->stream);
  fputc('\n', to);
}

void program_print(const struct program *p, FILE *to) {
  for (int i = 0; i < p->ninstructions; i++)
    if (!p->instructions[i].dropped) print_instruction(p, &p->instructions[i], to);
}

/* ---- Reading: what is printed, word by word ---- */
static const char *skip(const char *s) {
  while (isspace((unsigned char)*s) || *s == ',') s++;
  return s;
}

static bool read_number(const char **s, int64_t *value) {
  const char *at = skip(*s);
  if (!isdigit((unsigned char)*at) && *at != '-') return false;
  char *end;
  *value = strtoimax(at, &end, 10);
  *s = end;
  return true;
}

static bool read_value(const char **s, int64_t *number) {
  const char *at = skip(*s);
  if (*at++ != 'v' || !read_number(&at, number)) return false;
  *s = at;
  return *number >= 0 && *number < MOST_VALUES;
}

static bool read_char(const char **s, char c) {
  const char *at = skip(*s);
  if (*at != c) return false;
  *s = at + 1;
  return true;
}

static bool read_name(const char **s, char *name, size_t bytes) {
  size_t n = 0;
  for (*s = skip(*s); (isalnum((unsigned char)**s) || **s == '_') && n + 1 < bytes; ++*s) name[n++] = **s;
  name[n] = 0;
  return n > 0;
}

static bool read_type(const char **s, struct value *v) {
  char name[32];
  if (!read_name(s, name, sizeof name)) return false;
  int t = 0;
  while (t < MX_DTYPE_COUNT && strcmp(mx_dtype_name((mx_dtype)t), name)) t++;
  if (t == MX_DTYPE_COUNT) return false;
  v->type = (mx_dtype)t;
  v->size = 1;
  for (v->ndim = 0; v->ndim < MOST_AXES && read_number(s, &v->shape[v->ndim]); v->ndim++)
    v->size *= v->shape[v->ndim];
  return true;
}

static bool read_instruction(struct program *p, const char *s) {
  if (p->ninstructions == MOST_INSTRUCTIONS) return false;
  struct instruction ins = {.first = -1};
  int64_t number;
  while (ins.nresults < MOST_RESULTS && read_value(&s, &number)) {
    if (ins.first < 0) ins.first = (int)number;
    if (number != ins.first + ins.nresults++) return false;
    p->values[number] = (struct value){.kept = read_char(&s, '!')};
  }
  char name[64];
  if (!ins.nresults || !read_char(&s, '=') || !read_name(&s, name, sizeof name) || !read_char(&s, '('))
    return false;
  if ((ins.kind = graph_op_find(name)) < 0) return false;
  while (ins.noperands < MOST_OPERANDS && read_value(&s, &number))
    ins.operands[ins.noperands++] = (int)number;
  if (read_char(&s, '|'))
    while (ins.nparameters < MOST_PARAMETERS && read_number(&s, &number))
      ins.parameters[ins.nparameters++] = number;
  if (!read_char(&s, ')')) return false;
  for (int r = 0; r < ins.nresults; r++)
    if (!read_char(&s, r ? ';' : ':') || !read_type(&s, &p->values[ins.first + r])) return false;
  if (read_char(&s, '@')) {
    if (!read_number(&s, &number) || number < 0 || number >= MOST_STREAMS) return false;
    ins.stream = (int)number;
  }
  p->instructions[p->ninstructions++] = ins;
  if (p->nvalues < ins.first + ins.nresults) p->nvalues = ins.first + ins.nresults;
  return true;
}

int program_read(struct program *p, FILE *from) {
  char line[4096];
  while (fgets(line, sizeof line, from)) {
    const char *s = skip(line);
    if (!*s || *s == '#') continue;
    if (!read_instruction(p, s)) return fprintf(stderr, "not an instruction: %s", line), -1;
  }
  return 0;
}
