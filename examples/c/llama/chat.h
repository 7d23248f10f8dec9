/* A conversation: what is said, as the tokens the model was trained on. */
#ifndef LLAMA_CHAT_H
#define LLAMA_CHAT_H
#include "model.h"
#include "sampler.h"
#include "tokenizer.h"

struct chat {
  struct model model;
  struct tokenizer *tokenizer;
  struct cache cache;
  struct sampler sampler;
  const char *system; /* NULL: the system message the model was trained with */
};
struct timing {
  int prompt_tokens, answer_tokens;
  double prompt_seconds, answer_seconds;
};
int chat_open(struct chat *c, const char *model_path);
void chat_close(struct chat *c);
/* Reads a user's message and streams the answer to stdout, at most max_tokens. The conversation goes on with
   the next call. Returns 0, or -1 with mx_error() set. */
int chat_say(struct chat *c, const char *message, int max_tokens, struct timing *timing);

/* Reads n tokens, in pieces that bound the memory; returns logits as model_forward does. */
mx_array prefill(const struct model *m, struct cache *c, int n, const int32_t *tokens);
double seconds(void); /* of a clock that only goes forward */
#endif
