#include "model.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Weights ---- */
/* A tensor by name, printf style; NULL with the error set when absent. */
__attribute__((format(printf, 2, 3))) static mx_array tensor(const struct model *m, const char *format, ...) {
  char name[128];
  va_list args;
  va_start(args, format);
  vsnprintf(name, sizeof name, format, args);
  va_end(args);
  mx_array a = mx_file_get(m->file, name);
  if (!a) mx_error_set(MX_INVALID_ARGUMENT, "[llama] expected a tensor '%s' in the file, got none", name);
  return a;
}

/* STEM.weight, with STEM.scales and STEM.biases when it is quantised; `in` features. The shapes tell the bits
   of an element and how many share a scale. */
static struct linear linear(const struct model *m, const char *stem, int64_t in) {
  struct linear l = {.weight = tensor(m, "%s.weight", stem)};
  char name[128];
  snprintf(name, sizeof name, "%s.scales", stem);
  l.scales = mx_file_get(m->file, name);
  snprintf(name, sizeof name, "%s.biases", stem);
  l.biases = mx_file_get(m->file, name);
  if (l.weight && l.scales && mx_dim(l.scales, -1) > 0)
    l.format = (mx_quant){.group_size = (int)(in / mx_dim(l.scales, -1)),
                          .bits = (int)(mx_dim(l.weight, -1) * 32 / in)};
  return l;
}

/* layer_linear(m, 3, "attn_q", in): blk.3.attn_q */
static struct linear layer_linear(const struct model *m, int i, const char *part, int64_t in) {
  char stem[96];
  snprintf(stem, sizeof stem, "blk.%d.%s", i, part);
  return linear(m, stem, in);
}

static struct layer read_layer(const struct model *m, int i, int64_t features, int64_t hidden) {
  int64_t inner = (int64_t)m->heads * m->head_dim;
  return (struct layer){
      .attention_norm = tensor(m, "blk.%d.attn_norm.weight", i),
      .feed_forward_norm = tensor(m, "blk.%d.ffn_norm.weight", i),
      .query = layer_linear(m, i, "attn_q", features),
      .key = layer_linear(m, i, "attn_k", features),
      .value = layer_linear(m, i, "attn_v", features),
      .output = layer_linear(m, i, "attn_output", inner),
      .gate = layer_linear(m, i, "ffn_gate", features),
      .up = layer_linear(m, i, "ffn_up", features),
      .down = layer_linear(m, i, "ffn_down", hidden),
  };
}

/* A number from the metadata; `otherwise` when absent. */
static double number(const struct model *m, const char *key, double otherwise) {
  const mx_meta *e = mx_file_meta_get(m->file, key);
  if (e && e->kind == MX_META_DOUBLE) return e->number;
  return e && e->kind == MX_META_INT ? (double)e->integer : otherwise;
}

/* A size from the metadata, 0 when it is absent or no sensible size. */
static int size_of(const struct model *m, const char *key, int otherwise) {
  double x = number(m, key, otherwise);
  return x >= 0 && x <= 1 << 24 ? (int)x : 0;
}

/* The wavelengths of llama 3's rope: base^(2i/D), stretched by the factors in the file. */
static mx_array stretched_frequencies(const struct model *m, mx_array factors) {
  mx_array exponents = mx_arange(0, m->rope_dims, 2, MX_FLOAT32);
  mx_array plain = mx_power(mx_float(m->rope_base), mx_divide(exponents, mx_float(m->rope_dims)));
  return mx_keep(mx_multiply(plain, factors));
}

static int read_hyperparameters(struct model *m, int64_t *features, int64_t *hidden) {
  const mx_meta *architecture = mx_file_meta_get(m->file, "general.architecture");
  if (!architecture || architecture->kind != MX_META_STRING || strcmp(architecture->string, "llama"))
    return mx_error_set(MX_INVALID_ARGUMENT,
                        "[llama] expected the architecture 'llama' in the file, got another");
  *features = size_of(m, "llama.embedding_length", 0);
  *hidden = size_of(m, "llama.feed_forward_length", 0);
  m->layers = size_of(m, "llama.block_count", 0);
  m->heads = size_of(m, "llama.attention.head_count", 0);
  m->key_heads = size_of(m, "llama.attention.head_count_kv", m->heads);
  m->norm_epsilon = number(m, "llama.attention.layer_norm_rms_epsilon", 1e-5);
  m->rope_base = number(m, "llama.rope.freq_base", 10000);
  if (*features < 1 || *hidden < 1 || m->layers < 1 || m->layers > 1000 || m->heads < 1 || m->key_heads < 1)
    return mx_error_set(MX_INVALID_ARGUMENT, "[llama] expected the model's sizes in the metadata, got none");
  m->head_dim = size_of(m, "llama.attention.key_length", (int)(*features / m->heads));
  m->rope_dims = size_of(m, "llama.rope.dimension_count", m->head_dim);
  if (m->head_dim < 1 || m->rope_dims < 1)
    return mx_error_set(MX_INVALID_ARGUMENT, "[llama] expected heads of 1 or more features, got none");
  return 0;
}

int model_load(struct model *m, const char *path) {
  int64_t features = 0, hidden = 0;
  *m = (struct model){.file = mx_load_gguf(path)};
  if (!m->file || read_hyperparameters(m, &features, &hidden) < 0) return -1;
  mx_error_clear();
  m->embedding = linear(m, "token_embd", features);
  m->head = mx_file_get(m->file, "output.weight") ? linear(m, "output", features) : m->embedding;
  m->norm = tensor(m, "output_norm.weight");
  m->vocabulary = m->embedding.weight ? (int)mx_dim(m->embedding.weight, 0) : 0;
  m->layer = calloc((size_t)m->layers, sizeof *m->layer);
  if (!m->layer)
    return mx_error_set(MX_OUT_OF_MEMORY, "[llama] expected memory for %d layers, got none", m->layers);
  for (int i = 0; i < m->layers; i++) m->layer[i] = read_layer(m, i, features, hidden);
  mx_array factors = mx_file_get(m->file, "rope_freqs.weight");
  if (factors)
    MX_SCOPE
      m->rope_frequencies = stretched_frequencies(m, factors);
  return mx_error_code() ? -1 : 0;
}

void model_free(struct model *m) {
  mx_release(m->rope_frequencies);
  mx_file_free(m->file);
  free(m->layer);
}

/* ---- The cache ---- */
int cache_init(struct cache *c, const struct model *m) {
  *c = (struct cache){.keys = calloc((size_t)m->layers, sizeof(mx_array)),
                      .values = calloc((size_t)m->layers, sizeof(mx_array))};
  if (!c->keys || !c->values)
    return mx_error_set(MX_OUT_OF_MEMORY, "[llama] expected memory for the cache, got none");
  c->layers = m->layers;
  return 0;
}

void cache_free(struct cache *c) {
  for (int i = 0; i < c->layers; i++) {
    mx_release(c->keys[i]);
    mx_release(c->values[i]);
  }
  free(c->keys);
  free(c->values);
}

/* Room for n more positions, in steps, so that most tokens find room. */
static void cache_reserve(struct cache *c, const struct model *m, int n) {
  enum { STEP = 256 };
  if (c->length + n <= c->capacity) return;
  int more = (c->length + n + STEP - 1) / STEP * STEP - c->capacity;
  mx_array room = mx_zeros(MX_SHAPE(1, m->key_heads, more, m->head_dim), MX_FLOAT32);
  for (int i = 0; i < c->layers; i++) {
    mx_array *both[] = {&c->keys[i], &c->values[i]};
    for (int k = 0; k < 2; k++) {
      mx_array old = *both[k];
      *both[k] = mx_keep(old ? mx_concatenate(2, (mx_array[]){old, room}, 2) : room);
      mx_release(old);
    }
  }
  c->capacity += more;
}

/* Writes x (1, Hkv, T, D) behind the filled positions, and returns all that are filled then. Our reference to
   the old array is given up, so that the update can happen in place. */
static mx_array cache_append(mx_array *store, int length, mx_array x) {
  int64_t end = length + mx_dim(x, 2), heads = mx_dim(x, 1), dim = mx_dim(x, 3);
  mx_array updated = mx_slice_update(*store, x, MX_SHAPE(0, 0, length, 0), MX_SHAPE(1, heads, end, dim),
                                     MX_SHAPE(1, 1, 1, 1), MX_UPDATE_SET);
  mx_release(*store);
  *store = mx_keep(updated);
  return mx_slice(updated, MX_SHAPE(0, 0, 0, 0), MX_SHAPE(1, heads, end, dim), MX_SHAPE(1, 1, 1, 1));
}

/* ---- The model ---- */
static mx_array apply(const struct linear *l, mx_array x) {
  if (l->scales) return mx_quantized_matmul(x, l->weight, l->scales, l->biases, true, l->format);
  return mx_matmul(x, mx_swapaxes(l->weight, 0, 1));
}

/* Rows of the embedding, float32: tokens (1, T) -> (1, T, C). */
static mx_array embed(const struct linear *e, mx_array tokens) {
  mx_array rows = mx_take(e->weight, tokens, 0);
  if (!e->scales) return mx_astype(rows, MX_FLOAT32);
  mx_array scales = mx_astype(mx_take(e->scales, tokens, 0), MX_FLOAT32);
  mx_array biases = mx_astype(mx_take(e->biases, tokens, 0), MX_FLOAT32);
  return mx_dequantize(rows, scales, biases, e->format);
}

/* (1, T, heads D) -> (1, heads, T, D) */
static mx_array split_heads(mx_array x, int heads, int head_dim) {
  mx_array apart = mx_reshape(x, MX_SHAPE(1, mx_dim(x, 1), heads, head_dim));
  return mx_transpose(apart, MX_AXES(0, 2, 1, 3));
}

/* GGUF stores llama's query and key rows so that neighbouring features turn together ("traditional"). */
static mx_array rotate(const struct model *m, mx_array x, int position) {
  mx_rope_opts opts = {
      .dims = m->rope_dims, .traditional = true, .base = m->rope_frequencies ? 0 : m->rope_base, .scale = 1};
  return mx_fast_rope(x, opts, mx_int(position), m->rope_frequencies);
}

static mx_array attention(const struct model *m, int i, struct cache *c, mx_array x) {
  const struct layer *l = &m->layer[i];
  mx_array q = rotate(m, split_heads(apply(&l->query, x), m->heads, m->head_dim), c->length);
  mx_array k = rotate(m, split_heads(apply(&l->key, x), m->key_heads, m->head_dim), c->length);
  mx_array v = split_heads(apply(&l->value, x), m->key_heads, m->head_dim);
  k = cache_append(&c->keys[i], c->length, k);
  v = cache_append(&c->values[i], c->length, v);
  mx_array y = mx_fast_scaled_dot_product_attention(q, k, v, 1 / sqrt(m->head_dim), true, NULL, NULL);
  y = mx_transpose(y, MX_AXES(0, 2, 1, 3)); // (1, T, H, D)
  return apply(&l->output, mx_reshape(y, MX_SHAPE(1, mx_dim(x, 1), -1)));
}

static mx_array silu(mx_array x) { return mx_multiply(x, mx_sigmoid(x)); }

/* SwiGLU (Shazeer 2020) */
static mx_array feed_forward(const struct layer *l, mx_array x) {
  return apply(&l->down, mx_multiply(silu(apply(&l->gate, x)), apply(&l->up, x)));
}

static mx_array logits_of(const struct model *m, struct cache *c, mx_array tokens) {
  mx_array x = embed(&m->embedding, tokens);
  for (int i = 0; i < m->layers; i++) {
    const struct layer *l = &m->layer[i];
    x = mx_add(x, attention(m, i, c, mx_fast_rms_norm(x, l->attention_norm, m->norm_epsilon)));
    x = mx_add(x, feed_forward(l, mx_fast_rms_norm(x, l->feed_forward_norm, m->norm_epsilon)));
  }
  mx_array last = mx_take(x, mx_int(mx_dim(x, 1) - 1), 1); // (1, C): only the last position is asked for
  return apply(&m->head, mx_fast_rms_norm(last, m->norm, m->norm_epsilon));
}

/* The scope closes before anything is evaluated. From then on the graph alone holds what lies between tokens
   and logits, so that evaluation fuses it, reuses its memory step by step, and updates the cache in place. */
mx_array model_forward(const struct model *m, struct cache *c, int n, const int32_t *tokens) {
  mx_array logits = MX_BAD;
  MX_SCOPE {
    cache_reserve(c, m, n);
    logits = mx_pass(logits_of(m, c, mx_array_from(tokens, MX_SHAPE(1, n), MX_INT32)));
  }
  c->length += n;
  return logits;
}
