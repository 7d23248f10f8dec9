/* Text is cut into words by a regular expression; a word's bytes are merged pair by pair, the earliest
   learned merge first. Vocabularies spell bytes as printable characters: bytes that are printable Latin-1
   stand for themselves, the others for U+0100, U+0101, ... in order. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "tokenizer.h"
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* ---- A hash map from a key of two numbers to one; open addressing, at most half full. ---- */
struct slot {
  uint64_t key;
  int32_t value; /* -1: free */
};
struct map {
  struct slot *slots;
  size_t mask;
};
static int map_init(struct map *m, size_t n) {
  size_t size = 16;
  while (size < 2 * n) size *= 2;
  m->mask = size - 1;
  m->slots = malloc(size * sizeof *m->slots);
  for (size_t i = 0; m->slots && i < size; i++) m->slots[i].value = -1;
  return m->slots ? 0 : -1;
}
static struct slot *map_slot(const struct map *m, uint64_t key) {
  size_t i = (size_t)((key * 0x9e3779b97f4a7c15) >> 20) & m->mask;
  while (m->slots[i].value >= 0 && m->slots[i].key != key) i = (i + 1) & m->mask;
  return &m->slots[i];
}
static void map_put(struct map *m, uint64_t key, int32_t value) {
  struct slot *s = map_slot(m, key);
  if (s->value < 0) *s = (struct slot){key, value};
}

/* ---- The vocabulary ---- */
struct token {
  char *text;  /* as the vocabulary spells it */
  size_t n;    /* bytes of `bytes` */
  char *bytes; /* what it stands for; text itself in special tokens */
  bool special;
};
struct tokenizer {
  struct token *tokens;
  int ntokens;
  struct map by_text; /* hash of the text -> token */
  struct map by_pair; /* left << 32 | right -> rank of the merge */
  int32_t *merged;    /* rank -> the token it makes */
  int32_t *special;   /* the special tokens */
  int nspecial;
  int32_t of_byte[256]; /* the token of each single byte, -1 when absent */
  int32_t end;
  bool split_digits;
  pcre2_code *words, *digit;
};

static int failed(const char *expected) {
  return mx_error_set(MX_INVALID_ARGUMENT, "[tokenizer] expected %s in the file, got none", expected);
}

/* FNV-1a, 64 bits. Texts that share a hash would share a token, which a look-up then finds to differ. */
static uint64_t hash(const char *s, size_t n) {
  uint64_t h = 0xcbf29ce484222325;
  for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 0x100000001b3;
  return h;
}

static int32_t find(const struct tokenizer *t, const char *s, size_t n) {
  int32_t id = map_slot(&t->by_text, hash(s, n))->value;
  return id >= 0 && !strncmp(t->tokens[id].text, s, n) && !t->tokens[id].text[n] ? id : -1;
}

/* The character that spells a byte. */
static unsigned spelling(unsigned byte) {
  static const unsigned char printable[256] = {[33 ... 126] = 1, [161 ... 172] = 1, [174 ... 255] = 1};
  unsigned others = 0;
  for (unsigned i = 0; i < byte; i++) others += !printable[i];
  return printable[byte] ? byte : 256 + others;
}

static size_t put_utf8(unsigned c, char out[2]) { // c < 0x800
  if (c < 0x80) return out[0] = (char)c, 1;
  out[0] = (char)(0xc0 | c >> 6);
  out[1] = (char)(0x80 | (c & 0x3f));
  return 2;
}

/* Turns a spelled text into its bytes, in place; false where a character spells no byte. */
static bool unspell(char *s, size_t *n, const int16_t byte_of[512]) {
  size_t to = 0;
  for (size_t i = 0; i < *n;) {
    unsigned char first = (unsigned char)s[i];
    unsigned c = first < 0x80                 ? first
                 : first < 0xe0 && i + 1 < *n ? (first & 0x1fu) << 6 | (s[i + 1] & 0x3f)
                                              : 511;
    i += first < 0x80 ? 1 : 2;
    if (c > 511 || byte_of[c] < 0) return false;
    s[to++] = (char)byte_of[c];
  }
  *n = to;
  return true;
}

static int read_tokens(struct tokenizer *t, const mx_meta *texts, const int32_t *types) {
  enum { CONTROL = 3, USER_DEFINED = 4 };
  int16_t byte_of[512];
  for (int i = 0; i < 512; i++) byte_of[i] = -1;
  for (int i = 0; i < 256; i++) byte_of[spelling((unsigned)i)] = (int16_t)i;
  for (int i = 0; i < t->ntokens; i++) {
    struct token *k = &t->tokens[i];
    k->special = types && (types[i] == CONTROL || types[i] == USER_DEFINED);
    k->text = strdup(texts->strings[i]);
    k->bytes = strdup(texts->strings[i]);
    if (!k->text || !k->bytes) return mx_error_set(MX_OUT_OF_MEMORY, "[tokenizer] expected memory, got none");
    k->n = strlen(k->text);
    map_put(&t->by_text, hash(k->text, k->n), i);
    if (k->special) t->special[t->nspecial++] = i;
    if (k->special || unspell(k->bytes, &k->n, byte_of)) continue;
    k->n = strlen(k->text); // spells itself
    memcpy(k->bytes, k->text, k->n);
  }
  for (unsigned i = 0; i < 256; i++) {
    char s[2];
    t->of_byte[i] = find(t, s, put_utf8(spelling(i), s));
  }
  return 0;
}

/* A merge is "left right". */
static void read_merges(struct tokenizer *t, const mx_meta *merges) {
  for (int64_t rank = 0; rank < merges->nstrings; rank++) {
    const char *left = merges->strings[rank], *space = strchr(left, ' ');
    char joined[512];
    size_t n = strlen(left);
    t->merged[rank] = -1;
    if (!space || n > sizeof joined) continue;
    size_t first = (size_t)(space - left), second = n - first - 1;
    memcpy(joined, left, first);
    memcpy(joined + first, space + 1, second);
    int32_t a = find(t, left, first), b = find(t, space + 1, second);
    t->merged[rank] = find(t, joined, n - 1);
    if (a >= 0 && b >= 0 && t->merged[rank] >= 0)
      map_put(&t->by_pair, (uint64_t)(uint32_t)a << 32 | (uint32_t)b, (int32_t)rank);
  }
}

/* Compiled to machine code, a pattern also checks UTF-8 as it goes, and not all of the rest at each match. */
static pcre2_code *compile(const char *pattern) {
  int code;
  size_t offset;
  pcre2_code *c = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF, &code, &offset, NULL);
  if (c) pcre2_jit_compile(c, PCRE2_JIT_COMPLETE); // where it can't be, the pattern is interpreted
  return c;
}

static int read_vocabulary(struct tokenizer *t, mx_file f) {
  const mx_meta *texts = mx_file_meta_get(f, "tokenizer.ggml.tokens");
  const mx_meta *merges = mx_file_meta_get(f, "tokenizer.ggml.merges");
  const mx_meta *types = mx_file_meta_get(f, "tokenizer.ggml.token_type");
  const mx_meta *end = mx_file_meta_get(f, "tokenizer.ggml.eos_token_id");
  const mx_meta *splitter = mx_file_meta_get(f, "tokenizer.ggml.pre");
  if (!texts || texts->kind != MX_META_STRINGS || texts->nstrings > INT32_MAX / 4) return failed("tokens");
  if (!merges || merges->kind != MX_META_STRINGS || merges->nstrings > INT32_MAX / 4)
    return failed("byte-pair merges");
  if (types && (types->kind != MX_META_ARRAY || mx_dtype_of(types->array) != MX_INT32 ||
                mx_size(types->array) != texts->nstrings))
    return failed("a type for each token");
  t->ntokens = (int)texts->nstrings;
  t->end = end && end->kind == MX_META_INT ? (int32_t)end->integer : -1;
  t->split_digits = splitter && splitter->kind == MX_META_STRING && !strcmp(splitter->string, "smollm");
  t->tokens = calloc((size_t)t->ntokens + 1, sizeof *t->tokens);
  t->special = calloc((size_t)t->ntokens + 1, sizeof *t->special);
  t->merged = calloc((size_t)merges->nstrings + 1, sizeof *t->merged);
  t->words = compile("'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
  t->digit = compile("\\p{N}");
  if (!t->tokens || !t->special || !t->merged || !t->words || !t->digit ||
      map_init(&t->by_text, (size_t)t->ntokens) < 0 || map_init(&t->by_pair, (size_t)merges->nstrings) < 0)
    return mx_error_set(MX_OUT_OF_MEMORY, "[tokenizer] expected memory, got none");
  if (read_tokens(t, texts, types ? mx_data(types->array) : NULL) < 0) return -1;
  read_merges(t, merges);
  return 0;
}

struct tokenizer *tokenizer_new(mx_file gguf) {
  struct tokenizer *t = calloc(1, sizeof *t);
  if (t && read_vocabulary(t, gguf) == 0) return t;
  tokenizer_free(t);
  return NULL;
}

void tokenizer_free(struct tokenizer *t) {
  if (!t) return;
  for (int i = 0; t->tokens && i < t->ntokens; i++) {
    free(t->tokens[i].text);
    free(t->tokens[i].bytes);
  }
  free(t->tokens);
  free(t->special);
  free(t->merged);
  free(t->by_text.slots);
  free(t->by_pair.slots);
  pcre2_code_free(t->words);
  pcre2_code_free(t->digit);
  free(t);
}

int32_t tokenizer_find(const struct tokenizer *t, const char *text) { return find(t, text, strlen(text)); }
int32_t tokenizer_end(const struct tokenizer *t) { return t->end; }
const char *tokenizer_bytes(const struct tokenizer *t, int32_t token, size_t *n) {
  bool text = token >= 0 && token < t->ntokens && !t->tokens[token].special;
  *n = text ? t->tokens[token].n : 0;
  return text ? t->tokens[token].bytes : "";
}

/* ---- Encoding ---- */
int tokens_push(struct tokens *t, int32_t token) {
  if (t->n == t->capacity) {
    int capacity = t->capacity ? 2 * t->capacity : 64;
    int32_t *v = realloc(t->v, (size_t)capacity * sizeof *v);
    if (!v)
      return mx_error_set(MX_OUT_OF_MEMORY, "[tokenizer] expected memory for %d tokens, got none", capacity);
    t->v = v;
    t->capacity = capacity;
  }
  t->v[t->n++] = token;
  return 0;
}
void tokens_free(struct tokens *t) { free(t->v); }

/* ---- Merging: a word's tokens are a linked list. A heap holds its pairs that may merge, each as rank << 32
   | place of the left token: the least number is the earliest learned merge, and of equal ones the leftmost.
   A merge leaves numbers of pairs that are no more behind; they are recognised when they come up. So n bytes
   take n log n steps. ---- */
struct link {
  int32_t token; // -1: merged into an earlier one
  int before, after;
};
struct heap {
  uint64_t *v; // none is less than v[(i - 1) / 2]
  size_t n;
};
static void heap_push(struct heap *h, uint64_t x) {
  size_t i = h->n++;
  for (; i && h->v[(i - 1) / 2] > x; i = (i - 1) / 2) h->v[i] = h->v[(i - 1) / 2];
  h->v[i] = x;
}
static uint64_t heap_pop(struct heap *h) {
  uint64_t least = h->v[0], x = h->v[--h->n];
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
    if (child + 1 < h->n && h->v[child + 1] < h->v[child]) child++;
    if (h->v[child] >= x) break;
    h->v[i] = h->v[child];
  }
  h->v[i] = x;
  return least;
}

/* The rank of the merge of the token at `at` with the one after it; -1 when there is none. */
static int32_t rank_at(const struct tokenizer *t, const struct link *word, int at) {
  if (at < 0 || word[at].token < 0 || word[at].after < 0) return -1;
  int32_t right = word[word[at].after].token;
  return map_slot(&t->by_pair, (uint64_t)(uint32_t)word[at].token << 32 | (uint32_t)right)->value;
}
static void push_pair(const struct tokenizer *t, const struct link *word, int at, struct heap *pairs) {
  int32_t rank = rank_at(t, word, at);
  if (rank >= 0) heap_push(pairs, (uint64_t)rank << 32 | (uint64_t)at);
}

static void merge_links(const struct tokenizer *t, struct link *word, int n, struct heap *pairs) {
  for (int i = 0; i < n; i++) word[i].before = i - 1, word[i].after = i + 1 < n ? i + 1 : -1;
  for (int i = 0; i < n; i++) push_pair(t, word, i, pairs);
  while (pairs->n) {
    uint64_t pair = heap_pop(pairs);
    int at = (int)(uint32_t)pair;
    int32_t rank = (int32_t)(pair >> 32);
    if (rank_at(t, word, at) != rank) continue; // one of the two has merged since
    struct link *left = &word[at], *right = &word[left->after];
    left->token = t->merged[rank];
    right->token = -1;
    left->after = right->after;
    if (left->after >= 0) word[left->after].before = at;
    push_pair(t, word, left->before, pairs);
    push_pair(t, word, at, pairs);
  }
}

/* The word's tokens stand in out from `start` on; merges them until no learned pair is left. */
static int merge(const struct tokenizer *t, struct tokens *out, int start) {
  int n = out->n - start;
  if (n < 2) return 0;
  struct link *word = malloc((size_t)n * sizeof *word);
  struct heap pairs = {.v = malloc(3 * (size_t)n * sizeof *pairs.v)}; // n at first, two more for each merge
  int status = word && pairs.v ? 0 : mx_error_set(MX_OUT_OF_MEMORY, "[tokenizer] expected memory, got none");
  if (status == 0) {
    for (int i = 0; i < n; i++) word[i].token = out->v[start + i];
    merge_links(t, word, n, &pairs);
    out->n = start;
    for (int i = 0; i >= 0; i = word[i].after) out->v[out->n++] = word[i].token;
  }
  free(word);
  free(pairs.v);
  return status;
}

typedef int (*piece_encoder)(const struct tokenizer *, const char *, size_t, struct tokens *);

static int encode_word(const struct tokenizer *t, const char *s, size_t n, struct tokens *out) {
  int start = out->n;
  for (size_t i = 0; i < n; i++) {
    int32_t token = t->of_byte[(unsigned char)s[i]];
    if (token >= 0 && tokens_push(out, token) < 0) return -1;
  }
  return merge(t, out, start);
}

/* Cuts s into the matches of a pattern and what lies between them; each goes to `encode`. */
static int cut(const struct tokenizer *t, const pcre2_code *pattern, piece_encoder encode_between,
               piece_encoder encode_match, const char *s, size_t n, struct tokens *out) {
  pcre2_match_data *match = pcre2_match_data_create(1, NULL);
  size_t at = 0;
  int status = match ? 0 : mx_error_set(MX_OUT_OF_MEMORY, "[tokenizer] expected memory, got none");
  while (!status && at < n && pcre2_match(pattern, (PCRE2_SPTR)s, n, at, 0, match, NULL) > 0) {
    const size_t *bounds = pcre2_get_ovector_pointer(match);
    if (bounds[0] > at) status = encode_between(t, s + at, bounds[0] - at, out);
    if (!status) status = encode_match(t, s + bounds[0], bounds[1] - bounds[0], out);
    at = bounds[1];
  }
  if (!status && at < n) status = encode_between(t, s + at, n - at, out);
  pcre2_match_data_free(match);
  return status;
}

static int encode_words(const struct tokenizer *t, const char *s, size_t n, struct tokens *out) {
  return cut(t, t->words, encode_word, encode_word, s, n,
             out); // invalid UTF-8 matches nothing: a word of its bytes
}

static int encode_plain(const struct tokenizer *t, const char *s, size_t n, struct tokens *out) {
  return t->split_digits ? cut(t, t->digit, encode_words, encode_words, s, n, out)
                         : encode_words(t, s, n, out);
}

/* The longest special token that starts at s; -1 when none does. */
static int32_t special_at(const struct tokenizer *t, const char *s, size_t n) {
  int32_t best = -1;
  for (int i = 0; i < t->nspecial; i++) {
    const struct token *k = &t->tokens[t->special[i]];
    if (k->n && k->n <= n && !memcmp(k->text, s, k->n) && (best < 0 || k->n > t->tokens[best].n))
      best = t->special[i];
  }
  return best;
}

int tokenizer_encode(const struct tokenizer *t, const char *text, size_t n, bool special,
                     struct tokens *out) {
  size_t start = 0;
  for (size_t i = 0; special && i < n;) {
    int32_t token = special_at(t, text + i, n - i);
    if (token < 0) {
      i++;
      continue;
    }
    if (encode_plain(t, text + start, i - start, out) < 0 || tokens_push(out, token) < 0) return -1;
    start = i += t->tokens[token].n;
  }
  return encode_plain(t, text + start, n - start, out);
}

/* ---- Streaming ---- */
/* How many bytes at the end of s are the start of a character that goes on. */
static size_t incomplete(const char *s, size_t n) {
  for (size_t back = 1; back <= 3 && back <= n; back++) {
    unsigned char c = (unsigned char)s[n - back];
    if ((c & 0xc0) == 0x80) continue;
    size_t length = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
    return length > back ? back : 0;
  }
  return 0;
}

size_t stream_push(struct stream *s, const char *bytes, size_t n, char *out) {
  memcpy(out, s->pending, s->n);
  memcpy(out + s->n, bytes, n);
  size_t total = s->n + n, rest = incomplete(out, total);
  memcpy(s->pending, out + total - rest, rest);
  s->n = rest;
  return total - rest;
}
