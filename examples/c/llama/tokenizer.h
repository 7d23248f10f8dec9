/* Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019) with the vocabulary of a GGUF file. */
#ifndef LLAMA_TOKENIZER_H
#define LLAMA_TOKENIZER_H
#include "mlx/mlx.h"

struct tokenizer;
/* NULL with mx_error() set when the file holds no such vocabulary. Independent of the file afterwards. */
struct tokenizer *tokenizer_new(mx_file gguf);
void tokenizer_free(struct tokenizer *t);

struct tokens {
  int32_t *v;
  int n, capacity;
};
int tokens_push(struct tokens *t, int32_t token);
void tokens_free(struct tokens *t);

/* Appends the tokens of n bytes of text. special: "<|im_start|>" and the like in the text become their one
   token; else they are plain text. Returns 0, or -1 with mx_error() set. */
int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, bool special, struct tokens *out);
/* The token of this very text; -1 when there is none. */
int32_t tokenizer_find(const struct tokenizer *t, const char *text);
int32_t tokenizer_end(const struct tokenizer *t); /* the token that ends an answer */
/* The bytes a token stands for: none for special tokens. */
const char *tokenizer_bytes(const struct tokenizer *t, int32_t token, size_t *n);

/* Text from tokens as they come: a character whose bytes are spread over tokens is held back until it is
 * whole. */
struct stream {
  char pending[4];
  size_t n;
};
/* Writes what is complete to out (at least tokenizer_bytes' n + 4 bytes); returns how many. */
size_t stream_push(struct stream *s, const char *bytes, size_t n, char *out);
#endif
