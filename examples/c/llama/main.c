/* Asks a llama model from a GGUF file: llama --model FILE --prompt TEXT. Without a prompt, a conversation: a
   line each.
   --bench P N: reads P tokens, then decodes N one by one without sampling; three times, of which the best
   counts. */
#include "chat.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
  const char *model, *prompt, *system, *threads;
  int max_tokens, bench_prompt, bench_decode;
  double temperature, top_p;
  uint64_t seed;
};

static const char usage[] = "usage: llama --model FILE [--prompt TEXT] [--system TEXT] [--max-tokens N] "
                            "[--temp T] [--top-p P] [--seed S]\n"
                            "             [--threads N] [--bench P N]\n";

/* ---- Options ---- */
static int number(const char *text, double low, double high, double *value) {
  char *end;
  *value = strtod(text, &end);
  if (end != text && !*end && *value >= low && *value <= high) return 0;
  fprintf(stderr, "llama: expected a number from %g to %g, got '%s'\n", low, high, text);
  return -1;
}

static int whole(const char *text, int low, int *value) {
  double x;
  if (number(text, low, 1e9, &x) < 0) return -1;
  *value = (int)x;
  return 0;
}

static int set_option(struct options *o, int name, const char *value) {
  double x;
  int n;
  switch (name) {
  case 'm': o->model = value; return 0;
  case 'p': o->prompt = value; return 0;
  case 'y': o->system = value; return 0;
  case 'n': return whole(value, 0, &o->max_tokens);
  case 't': return number(value, 0, 100, &o->temperature);
  case 'q': return number(value, 0, 1, &o->top_p);
  case 'j': o->threads = value; return whole(value, 1, &n);
  case 'b': return whole(value, 0, &o->bench_prompt);
  case 's':
    if (number(value, 0, 9e15, &x) < 0) return -1;
    o->seed = (uint64_t)x;
    return 0;
  default: return -1;
  }
}

static int parse(struct options *o, int argc, char **argv) {
  static const struct option names[] = {
      {"model", 1, 0, 'm'},      {"prompt", 1, 0, 'p'}, {"system", 1, 0, 'y'}, {"seed", 1, 0, 's'},
      {"max-tokens", 1, 0, 'n'}, {"temp", 1, 0, 't'},   {"top-p", 1, 0, 'q'},  {"threads", 1, 0, 'j'},
      {"bench", 1, 0, 'b'},      {0, 0, 0, 0}};
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    if (set_option(o, name, optarg) < 0) return -1;
    if (name == 'b' && (optind >= argc || whole(argv[optind++], 1, &o->bench_decode) < 0)) return -1;
  }
  return o->model && optind == argc ? 0 : -1;
}

/* ---- The benchmark ---- */
struct rate {
  double prompt, decode; /* seconds */
};

static int measure(const struct model *m, int prompt, int decode, const int32_t *tokens, struct rate *r) {
  struct cache cache;
  if (cache_init(&cache, m) < 0) return -1;
  int status = 0;
  double start = seconds();
  if (prompt)
    MX_SCOPE
      status = mx_eval(prefill(m, &cache, prompt, tokens));
  double middle = seconds();
  for (int i = 0; i < decode && !status; i++)
    MX_SCOPE
      status = mx_eval(model_forward(m, &cache, 1, &tokens[prompt + i]));
  *r = (struct rate){middle - start, seconds() - middle};
  cache_free(&cache);
  return status;
}

static int bench(const struct model *m, int prompt, int decode) {
  int32_t *tokens = malloc(((size_t)prompt + (size_t)decode) * sizeof *tokens);
  struct rate best = {1e30, 1e30}, r = best;
  if (!tokens) return mx_error_set(MX_OUT_OF_MEMORY, "[bench] expected memory for the tokens, got none");
  for (int i = 0; i < prompt + decode; i++) tokens[i] = (int32_t)((i * 7919ll + 100) % m->vocabulary);
  int status = 0;
  for (int i = 0; i < 3 && !status; i++) {
    status = measure(m, prompt, decode, tokens, &r);
    if (r.prompt < best.prompt) best.prompt = r.prompt;
    if (r.decode < best.decode) best.decode = r.decode;
  }
  if (!status) printf("prefill %.1f tok/s, decode %.1f tok/s\n", prompt / best.prompt, decode / best.decode);
  free(tokens);
  return status;
}

/* ---- Talking ---- */
static int say(struct chat *c, const char *message, int max_tokens) {
  struct timing t;
  if (chat_say(c, message, max_tokens, &t) < 0) return -1;
  printf("\n");
  fprintf(stderr, "[prompt: %d tokens, %.1f tok/s; answer: %d tokens, %.1f tok/s]\n", t.prompt_tokens,
          t.prompt_tokens / t.prompt_seconds, t.answer_tokens,
          t.answer_seconds > 0 ? t.answer_tokens / t.answer_seconds : 0);
  return 0;
}

static int converse(struct chat *c, int max_tokens) {
  char *line = NULL;
  size_t capacity = 0;
  int status = 0;
  for (ssize_t n; !status && (fputs("> ", stderr), n = getline(&line, &capacity, stdin)) > 0;) {
    line[n - (line[n - 1] == '\n')] = 0;
    if (*line) status = say(c, line, max_tokens);
  }
  free(line);
  return status;
}

static int run(struct chat *c, const struct options *o) {
  if (o->bench_decode) return bench(&c->model, o->bench_prompt, o->bench_decode);
  return o->prompt ? say(c, o->prompt, o->max_tokens) : converse(c, o->max_tokens);
}

int main(int argc, char **argv) {
  struct options o = {.max_tokens = 256, .temperature = 0.2, .top_p = 0.9};
  if (parse(&o, argc, argv) < 0) return fputs(usage, stderr), 2;
  if (o.threads) setenv("MLX_NUM_THREADS", o.threads, 1); // read when the library first needs threads
  struct chat chat = {.sampler = {o.temperature, o.top_p}, .system = o.system};
  int status = mx_random_seed(o.seed);
  if (!status) status = chat_open(&chat, o.model);
  if (!status) status = run(&chat, &o);
  if (status < 0) fprintf(stderr, "llama: %s\n", mx_error());
  chat_close(&chat);
  return status < 0;
}
