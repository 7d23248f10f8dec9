/* zip archives, as far as npz needs them: members stored or deflated, also beyond 4 GiB ("zip64"). The format
   is PKWARE's APPNOTE.TXT; its numbers are little-endian and unaligned. */
#ifndef MXI_IO_ZIP_H
#define MXI_IO_ZIP_H
#include "base/vec.h"
#include "io/mapping.h"
#include "io/place.h"

enum {
  MXI_ZIP_LOCAL = 0x04034b50, /* before a member's bytes: 30 bytes, name, extra fields */
  MXI_ZIP_DESCRIPTOR = 0x08074b50,
  MXI_ZIP_CENTRAL = 0x02014b50, /* the directory's entry: 46 bytes, name, extra fields, comment */
  MXI_ZIP_END64 = 0x06064b50,   /* 56 bytes */
  MXI_ZIP_LOCATOR = 0x07064b50, /* 20 bytes: where END64 is */
  MXI_ZIP_END = 0x06054b50      /* 22 bytes, comment: the archive's last */
};
enum { MXI_ZIP_STORED = 0, MXI_ZIP_DEFLATED = 8 };
enum { MXI_ZIP_HAS_DESCRIPTOR = 1 << 3, MXI_ZIP_UTF8 = 1 << 11 };

struct mxi_zip_member {
  char *name;
  unsigned method;
  uint32_t crc;
  size_t begin, compressed; /* its bytes in the file */
  size_t size;              /* unpacked */
};
typedef mxi_vec(struct mxi_zip_member) mxi_zip_members;

/* Lists the members that the central directory gives. Their bytes lie in the file, apart from each other, and
   none is larger than its compressed bytes can become. */
int mxi_zip_list(struct mxi_mapping *map, struct mxi_place *place, mxi_zip_members *out);
void mxi_zip_free(mxi_zip_members *members);
/* The bytes of a deflated member, checked against its size and checksum. NULL with the error set. */
struct mxi_mapping *mxi_zip_inflate(struct mxi_mapping *map, const struct mxi_zip_member *member,
                                    struct mxi_place *place);
#endif
