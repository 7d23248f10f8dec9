/* The choice of the next token. */
#ifndef LLAMA_SAMPLER_H
#define LLAMA_SAMPLER_H
#include "mlx/mlx.h"

struct sampler {
  double temperature; /* 0: always the most likely token */
  double top_p;       /* only the likeliest tokens that together have this probability; 1: all */
};
/* logits (1, V) -> a token (1), lazily. */
mx_array sampler_choose(const struct sampler *s, mx_array logits);
#endif
