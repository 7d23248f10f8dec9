/* GGUF versions 2 and 3, little-endian: "GGUF", version, tensor and metadata counts, metadata, tensor infos,
   padding, data. Specification: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. The readers
   of values and of metadata are gguf_take.c and gguf_meta.c. */
#include "io/gguf.h"
#include "base/alloc.h"
#include "io/gguf_types.h"
#include "io/spans.h"
#include <limits.h>
#include <string.h>

/* ---- Tensors ---- */
struct tensor_info {
  const char *name;
  size_t name_length;
  int ndim;
  int64_t shape[MXI_MAX_NDIM]; /* outermost first; the file lists the innermost first */
  uint32_t type;
  uint64_t offset;
};

static int place_tensor(struct mxi_gguf *g, const struct tensor_info *t) {
  mxi_place_at(&g->place, "tensor '%.*s'", t->name_length < 80 ? (int)t->name_length : 80, t->name);
  return 0;
}

static int read_info(struct mxi_gguf *g, struct tensor_info *t) {
  uint32_t ndim = 0;
  MXI_TRY(mxi_gguf_take_string(g, &t->name, &t->name_length));
  place_tensor(g, t);
  MXI_TRY(mxi_gguf_take(g, &ndim, sizeof ndim));
  if (ndim > MXI_MAX_NDIM)
    return mxi_bad_file(&g->place, "expected at most %d dimensions, got %u", MXI_MAX_NDIM, ndim);
  t->ndim = (int)ndim;
  for (int i = t->ndim - 1; i >= 0; i--) {
    MXI_TRY(mxi_gguf_take(g, &t->shape[i], sizeof *t->shape));
    if (t->shape[i] < 0) return mxi_bad_file(&g->place, "expected dimensions below 2^63, got a larger one");
  }
  MXI_TRY(mxi_gguf_take(g, &t->type, sizeof t->type));
  MXI_TRY(mxi_gguf_take(g, &t->offset, sizeof t->offset));
  if (t->offset % g->alignment)
    return mxi_bad_file(&g->place, "expected an offset aligned to %u, got %llu", g->alignment,
                        (unsigned long long)t->offset);
  return 0;
}

/* Checks that `bytes` (negative: the product overflowed) lie in the file, and claims them. *begin: where they
 * start. */
static int claim(struct mxi_gguf *g, const struct tensor_info *t, int64_t bytes, const char *name,
                 size_t *begin) {
  size_t room = g->map->size - g->data;
  if (bytes < 0) return mxi_bad_file(&g->place, "expected a size below 2^63 bytes, got a larger shape");
  if (t->offset > room || (uint64_t)bytes > room - t->offset)
    return mxi_bad_file(&g->place, "expected %lld bytes at offset %llu, got %zu bytes of data",
                        (long long)bytes, (unsigned long long)t->offset, room);
  *begin = g->data + (size_t)t->offset;
  struct mxi_span span = {*begin, *begin + (size_t)bytes, name};
  return bytes ? mxi_push(&g->spans, span) : 0;
}

/* Copies the name without NUL, for texts and spans, into memory that lives until the end of the load. */
static const char *keep_name(struct mxi_gguf *g, const struct tensor_info *t) {
  char *name = mxi_malloc(t->name_length + 1);
  if (!name) return NULL;
  memcpy(name, t->name, t->name_length);
  name[t->name_length] = 0;
  if (mxi_push(&g->names, name) == 0) return name;
  mxi_free(name);
  return NULL;
}

static int add_plain(struct mxi_gguf *g, const struct tensor_info *t, mx_dtype dtype, const char *name) {
  size_t begin = 0;
  mx_ints shape = {t->shape, t->ndim};
  MXI_TRY(claim(g, t, mxi_tensor_bytes(dtype, shape), name, &begin));
  return mxi_file_add(g->file, name, t->name_length, mxi_mapping_array(g->map, begin, dtype, shape, NULL));
}

/* ---- Quantised tensors ---- */
struct packed_tensor {
  mx_array words, scales, biases; /* biases NULL: the format has none */
};

static bool biases_overflow(const struct packed_tensor *p) {
  const uint16_t *scales = p->scales->data, *biases = p->biases->data;
  bool overflow = false; // f16 infinity where the scale is finite
  for (int64_t i = 0; i < p->scales->size; i++)
    overflow |= (biases[i] & 0x7fff) == 0x7c00 && (scales[i] & 0x7c00) != 0x7c00;
  return overflow;
}

/* Halves to float32, in a new array that replaces *a; each is multiplied by factor, which is exact. */
static mx_array widened(mx_array halves, float factor) {
  mx_array wide = mxi_array_alloc(MX_FLOAT32, mxi_shape_of(halves));
  if (!wide) return NULL;
  for (int64_t i = 0; i < halves->size; i++)
    mxi_data(float, wide)[i] = mxi_float_from_f16(mxi_data(uint16_t, halves)[i]) * factor;
  return wide;
}

static int widen_scales(struct packed_tensor *p, const struct mxi_gguf_type *format) {
  mx_array biases = widened(p->scales, (float)format->bias_factor), scales = widened(p->scales, 1);
  if (!biases || !scales) {
    mxi_unref(biases);
    mxi_unref(scales);
    return -1;
  }
  mxi_unref(p->biases);
  mxi_unref(p->scales);
  p->biases = biases;
  p->scales = scales;
  return 0;
}

/* Packs piece by piece and hands the file's pages back, so that a load never holds the tensors twice. */
static int pack_blocks(struct mxi_gguf *g, const struct mxi_gguf_type *f, size_t begin,
                       struct packed_tensor *p) {
  const size_t piece = (size_t)(1 << 21) / (size_t)f->block, group_bytes = mx_dtype_size(f->dtype);
  const size_t groups = (size_t)(f->block / f->group_size), nblocks = (size_t)p->scales->size / groups;
  for (size_t i = 0; i < nblocks; i += piece) {
    size_t n = nblocks - i < piece ? nblocks - i : piece, at = begin + i * f->block_bytes;
    f->pack(g->map->data + at, n,
            mxi_data(uint32_t, p->words) + i * (size_t)(f->block / 32 * mxi_quant_bits(f->format)),
            (char *)p->scales->data + i * groups * group_bytes,
            p->biases ? (char *)p->biases->data + i * groups * group_bytes : NULL);
    mxi_mapping_drop(g->map, at, at + n * f->block_bytes);
  }
  return f->bias_factor && biases_overflow(p) ? widen_scales(p, f) : 0;
}

/* Adds name, STEM.scales and STEM.biases if there are some, where name is STEM.weight or STEM. Takes over the
 * arrays. */
static int add_packed(struct mxi_gguf *g, const struct tensor_info *t, const char *name,
                      struct packed_tensor *p) {
  static const char weight[] = ".weight";
  size_t stem = t->name_length, tail = sizeof weight - 1;
  if (stem >= tail && !memcmp(name + stem - tail, weight, tail)) stem -= tail;
  char *part = mxi_malloc(stem + sizeof ".scales");
  int status = mxi_file_add(g->file, name, t->name_length, p->words);
  p->words = NULL;
  if (!part) return -1;
  memcpy(part, name, stem);
  memcpy(part + stem, ".scales", 7);
  if (!status) {
    status = mxi_file_add(g->file, part, stem + 7, p->scales);
    p->scales = NULL;
  }
  memcpy(part + stem, ".biases", 7);
  if (!status && p->biases) {
    status = mxi_file_add(g->file, part, stem + 7, p->biases);
    p->biases = NULL;
  }
  mxi_free(part);
  return status;
}

static int add_quantized(struct mxi_gguf *g, const struct tensor_info *t, const struct mxi_gguf_type *f,
                         const char *name) {
  int64_t shape[MXI_MAX_NDIM], groups[MXI_MAX_NDIM];
  size_t begin = 0;
  int last = t->ndim - 1;
  if (last < 0 || t->shape[last] % f->block)
    return mxi_bad_file(&g->place, "expected rows of whole blocks of %d, got a last dimension of %lld",
                        f->block, (long long)(last < 0 ? 1 : t->shape[last]));
  memcpy(shape, t->shape, sizeof shape);
  memcpy(groups, t->shape, sizeof groups);
  shape[last] = t->shape[last] / f->block;
  int64_t nblocks = mxi_tensor_bytes(MX_UINT8, (mx_ints){shape, t->ndim}), bytes = -1;
  shape[last] = t->shape[last] / 32 * mxi_quant_bits(f->format);
  groups[last] = t->shape[last] / f->group_size;
  if (nblocks < 0 || __builtin_mul_overflow(nblocks, (int64_t)f->block_bytes, &bytes)) bytes = -1;
  MXI_TRY(claim(g, t, bytes, name, &begin));
  struct packed_tensor p = {mxi_array_alloc(MX_UINT32, (mx_ints){shape, t->ndim}),
                            mxi_array_alloc(f->dtype, (mx_ints){groups, t->ndim}), NULL};
  bool biased = mxi_quant_modes[mxi_quant_formats[f->format].mode].biases;
  if (biased) p.biases = mxi_array_alloc(f->dtype, (mx_ints){groups, t->ndim});
  int status = p.words && p.scales && (p.biases || !biased) ? pack_blocks(g, f, begin, &p) : -1;
  if (!status) status = add_packed(g, t, name, &p);
  mxi_unref(p.words);
  mxi_unref(p.scales);
  mxi_unref(p.biases);
  return status;
}

static int add_tensor(struct mxi_gguf *g, const struct tensor_info *t) {
  place_tensor(g, t);
  const char *name = keep_name(g, t);
  if (!name) return -1;
  const struct mxi_gguf_type *type = mxi_gguf_type_of(t->type);
  if (!type) return mxi_bad_file(&g->place, "expected a known tensor type, got %u", t->type);
  switch (type->kind) {
  case MXI_GGUF_ARRAY: return add_plain(g, t, type->dtype, name);
  case MXI_GGUF_BLOCKS: return add_quantized(g, t, type, name);
  case MXI_GGUF_REFUSED: break;
  }
  return mxi_bad_file(&g->place, "expected a type of%s, got %s", mxi_gguf_readable, type->name);
}

/* ---- The file ---- */
static int read_counts(struct mxi_gguf *g, uint64_t *ntensors, uint64_t *nmeta) {
  char magic[4];
  uint32_t version = 0;
  mxi_place_at(&g->place, "the header");
  MXI_TRY(mxi_gguf_take(g, magic, sizeof magic));
  if (memcmp(magic, "GGUF", 4)) return mxi_bad_file(&g->place, "expected the magic 'GGUF', got other bytes");
  MXI_TRY(mxi_gguf_take(g, &version, sizeof version));
  if (version != 2 && version != 3)
    return mxi_bad_file(&g->place, "expected version 2 or 3, little-endian, got %u", version);
  MXI_TRY(mxi_gguf_take(g, ntensors, sizeof *ntensors));
  MXI_TRY(mxi_gguf_take(g, nmeta, sizeof *nmeta));
  // the least a tensor info and a metadata entry take: their fixed fields
  if (*ntensors > g->map->size / 24 || *ntensors > INT_MAX / 4)
    return mxi_bad_file(&g->place, "expected a tensor count that fits the file, got %llu",
                        (unsigned long long)*ntensors);
  if (*nmeta > g->map->size / 13 || *nmeta > INT_MAX / 4)
    return mxi_bad_file(&g->place, "expected a metadata count that fits the file, got %llu",
                        (unsigned long long)*nmeta);
  return 0;
}

static int read_tensors(struct mxi_gguf *g, struct tensor_info *infos, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    mxi_place_at(&g->place, "tensor info %llu", (unsigned long long)i);
    MXI_TRY(read_info(g, &infos[i]));
  }
  size_t gap = (g->alignment - g->at % g->alignment) % g->alignment;
  g->data =
      gap > g->map->size - g->at ? g->map->size : g->at + gap; // padding is left out when nothing follows
  for (uint64_t i = 0; i < n; i++) MXI_TRY(add_tensor(g, &infos[i]));
  MXI_TRY(mxi_check_overlaps(&g->spans, &g->place));
  return mxi_file_finish(g->file, &g->place);
}

static int read_gguf(struct mxi_gguf *g) {
  uint64_t ntensors = 0, nmeta = 0;
  MXI_TRY(read_counts(g, &ntensors, &nmeta));
  MXI_TRY(mxi_gguf_read_meta(g, nmeta));
  struct tensor_info *infos = mxi_calloc((size_t)ntensors, sizeof *infos);
  if (!infos) return -1;
  int status = read_tensors(g, infos, ntensors);
  mxi_free(infos);
  return status;
}

/* Takes over the mapping; NULL is the failure that opened it. */
static mx_file load_gguf(struct mxi_mapping *map, const char *path) {
  struct mxi_gguf g = {.place = {.op = "load_gguf", .path = path}, .map = map, .alignment = 32};
  if (!map) return NULL;
  g.file = mxi_file_new();
  int status = g.file && mxi_mapping_fill(map, SIZE_MAX) == 0 ? read_gguf(&g) : -1;
  for (size_t i = 0; i < g.names.n; i++) mxi_free(g.names.v[i]);
  mxi_vec_free(&g.names);
  mxi_vec_free(&g.spans);
  status = mxi_mapping_close(map, status);
  if (!status) return g.file;
  mx_file_free(g.file);
  return NULL;
}

mx_file mx_load_gguf(const char *path) { return load_gguf(mxi_mapping_open("load_gguf", path), path); }
mx_file mx_read_gguf(mx_reader reader) {
  return load_gguf(mxi_mapping_stream("load_gguf", &reader), mxi_stream_name(reader.name));
}
