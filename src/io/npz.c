/* npz, NumPy's format of several arrays: a zip archive of npy members. Stored members are used in place,
   deflated ones are inflated into memory of their own. */
#include "io/file.h"
#include "io/npy.h"
#include "io/zip.h"
#include <string.h>

static mx_array read_member(struct mxi_mapping *map, const struct mxi_zip_member *m,
                            struct mxi_place *place) {
  if (m->method == MXI_ZIP_STORED) return mxi_npy_read(map, m->begin, m->size, place, m->name);
  struct mxi_mapping *inflated = mxi_zip_inflate(map, m, place);
  if (!inflated) return NULL;
  mx_array a = mxi_npy_read(inflated, 0, m->size, place, m->name);
  mxi_mapping_unref(inflated);
  return a;
}

static int read_npz(struct mxi_mapping *map, mx_file file, mxi_zip_members *members,
                    struct mxi_place *place) {
  MXI_TRY(mxi_mapping_fill(map, SIZE_MAX));
  MXI_TRY(mxi_zip_list(map, place, members));
  for (size_t i = 0; i < members->n; i++) {
    const char *name = members->v[i].name;
    size_t n = strlen(name);
    if (n >= 4 && !strcmp(name + n - 4, ".npy")) n -= 4;
    MXI_TRY(mxi_file_add(file, name, n, read_member(map, &members->v[i], place)));
  }
  return mxi_file_finish(file, place);
}

/* Takes over the mapping; NULL is the failure that opened it. */
static mx_file load_npz(struct mxi_mapping *map, const char *path) {
  struct mxi_place place = {.op = "load_npz", .path = path};
  if (!map) return NULL;
  mxi_zip_members members = {0};
  mx_file file = mxi_file_new();
  int status = file ? read_npz(map, file, &members, &place) : -1;
  mxi_zip_free(&members);
  status = mxi_mapping_close(map, status);
  if (!status) return file;
  mx_file_free(file);
  return NULL;
}

mx_file mx_load_npz(const char *path) { return load_npz(mxi_mapping_open("load_npz", path), path); }
mx_file mx_read_npz(mx_reader reader) {
  return load_npz(mxi_mapping_stream("load_npz", &reader), mxi_stream_name(reader.name));
}
