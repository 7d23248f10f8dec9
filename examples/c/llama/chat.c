#include "chat.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int chat_open(struct chat *c, const char *model_path) {
  if (model_load(&c->model, model_path) < 0 || cache_init(&c->cache, &c->model) < 0) return -1;
  c->tokenizer = tokenizer_new(c->model.file);
  return c->tokenizer ? 0 : -1;
}

void chat_close(struct chat *c) {
  tokenizer_free(c->tokenizer);
  cache_free(&c->cache);
  model_free(&c->model);
}

/* ---- The template: ChatML ---- <|im_start|>ROLE\nTEXT<|im_end|>\n ---- */
static int add_text(const struct chat *c, struct tokens *out, const char *text) {
  return tokenizer_encode(c->tokenizer, text, strlen(text), false, out);
}

static int add_mark(const struct chat *c, struct tokens *out, const char *mark) {
  int32_t token = tokenizer_find(c->tokenizer, mark);
  if (token < 0)
    return mx_error_set(MX_INVALID_ARGUMENT, "[chat] expected a model with the token %s, got none", mark);
  return tokens_push(out, token);
}

/* Role and text are encoded together, as in training: their words may span the line's end. Marks inside the
   text stay plain text, so that a message can't speak for another role. */
static int add_message(const struct chat *c, struct tokens *out, const char *role, const char *text) {
  size_t n = strlen(role) + strlen(text) + 2;
  char *body = malloc(n);
  if (!body) return mx_error_set(MX_OUT_OF_MEMORY, "[chat] expected %zu bytes of memory, got none", n);
  snprintf(body, n, "%s\n%s", role, text);
  int status = add_mark(c, out, "<|im_start|>") < 0 || add_text(c, out, body) < 0 ||
                       add_mark(c, out, "<|im_end|>") < 0 || add_text(c, out, "\n") < 0
                   ? -1
                   : 0;
  free(body);
  return status;
}

/* The template of SmolLM2 opens a conversation without a system message with this one. */
static int add_opening(const struct chat *c, struct tokens *out) {
  static const char usual[] = "You are a helpful AI assistant named SmolLM, trained by Hugging Face";
  const mx_meta *template = mx_file_meta_get(c->model.file, "tokenizer.chat_template");
  bool has_usual = template && template->kind == MX_META_STRING && strstr(template->string, usual);
  const char *system = c->system ? c->system : has_usual ? usual : NULL;
  return system ? add_message(c, out, "system", system) : 0;
}

/* A later turn first ends the answer before it, whose <|im_end|> was chosen but not read. */
static int add_turn(const struct chat *c, struct tokens *out, const char *message) {
  int status = c->cache.length == 0                 ? add_opening(c, out)
               : add_mark(c, out, "<|im_end|>") < 0 ? -1
                                                    : add_text(c, out, "\n");
  if (status < 0 || add_message(c, out, "user", message) < 0 || add_mark(c, out, "<|im_start|>") < 0)
    return -1;
  return add_text(c, out, "assistant\n");
}

/* ---- Answering ---- */
mx_array prefill(const struct model *m, struct cache *c, int n, const int32_t *tokens) {
  enum { PIECE = 512 };
  for (; n > PIECE; n -= PIECE, tokens += PIECE)
    if (mx_eval(model_forward(m, c, PIECE, tokens)) < 0) return MX_BAD;
  return model_forward(m, c, n, tokens);
}

static int choose(const struct chat *c, mx_array logits, int32_t *token) {
  int64_t value = 0;
  if (mx_item_int(sampler_choose(&c->sampler, logits), &value) < 0) return -1;
  *token = (int32_t)value;
  return 0;
}

static int show(const struct chat *c, struct stream *stream, int32_t token) {
  size_t n;
  const char *bytes = tokenizer_bytes(c->tokenizer, token, &n);
  char *text = malloc(n + sizeof stream->pending);
  if (!text) return mx_error_set(MX_OUT_OF_MEMORY, "[chat] expected %zu bytes of memory, got none", n);
  fwrite(text, 1, stream_push(stream, bytes, n, text), stdout);
  fflush(stdout);
  free(text);
  return 0;
}

static int read_prompt(struct chat *c, const char *message, int32_t *first, struct timing *t) {
  struct tokens prompt = {0};
  int status = add_turn(c, &prompt, message);
  double start = seconds();
  if (!status)
    MX_SCOPE
      status = choose(c, prefill(&c->model, &c->cache, prompt.n, prompt.v), first);
  t->prompt_tokens = prompt.n;
  t->prompt_seconds = seconds() - start;
  tokens_free(&prompt);
  return status;
}

int chat_say(struct chat *c, const char *message, int max_tokens, struct timing *t) {
  struct stream stream = {.n = 0};
  int32_t token = -1, end = tokenizer_end(c->tokenizer);
  *t = (struct timing){0};
  if (read_prompt(c, message, &token, t) < 0) return -1;
  double start = seconds();
  int status = 0;
  while (!status && t->answer_tokens < max_tokens && token != end) {
    status = show(c, &stream, token);
    t->answer_tokens++;
    if (!status)
      MX_SCOPE
        status = choose(c, model_forward(&c->model, &c->cache, 1, &token), &token);
  }
  t->answer_seconds = seconds() - start;
  fwrite(stream.pending, 1, stream.n, stdout);
  return status;
}
