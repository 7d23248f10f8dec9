/* A llama language model (Touvron et al. 2023), read from a GGUF file and computed with the public API of
   mlx.c.

   Shapes in the comments: B = 1 sequence, T tokens, C features, H heads of D features, Hkv key heads, V
   words. */
#ifndef LLAMA_MODEL_H
#define LLAMA_MODEL_H
#include "mlx/mlx.h"

/* y = x W^T. A quantised W (scales present) is multiplied as it is packed. */
struct linear {
  mx_array weight, scales, biases;
  mx_quant format;
};
struct layer {
  mx_array attention_norm, feed_forward_norm; /* (C) */
  struct linear query, key, value, output;    /* (H D, C), (Hkv D, C) twice, (C, H D) */
  struct linear gate, up, down;               /* (F, C) twice, (C, F) */
};
struct model {
  mx_file file; /* owns the weights */
  int layers, heads, key_heads, head_dim, rope_dims, vocabulary;
  double norm_epsilon, rope_base;
  struct linear embedding, head; /* (V, C); one tensor when they are tied */
  mx_array norm;                 /* (C) */
  mx_array rope_frequencies;     /* (rope_dims / 2) or NULL */
  struct layer *layer;
};
/* Keys and values of the tokens so far, each (1, Hkv, capacity, D); the first `length` positions are filled.
 */
struct cache {
  int layers, length, capacity;
  mx_array *keys, *values;
};

int model_load(struct model *m, const char *path); /* -1 with mx_error() set */
void model_free(struct model *m);
int cache_init(struct cache *c, const struct model *m);
void cache_free(struct cache *c);
/* Reads n more tokens; their keys and values join the cache. Returns the logits (1, V) of what follows the
   last one, owned by the scope, or MX_BAD. */
mx_array model_forward(const struct model *m, struct cache *c, int n, const int32_t *tokens);
#endif
