/* A file that is replaced whole: what is written goes to a temporary file in its folder, which is renamed
   over it in the end. So the name stands for the old bytes or for the new ones at every moment. Who may write
   is settled as in a plain write: a file that is there is opened for writing. The new file gets its
   permissions, owner, group and extended attributes; symbolic links stay, and what they lead to is replaced;
   of several hard links only the one named is.

   A file is written in place, as by a plain write, where a rename can't be: its folder can't be written to,
   or it belongs to another user or group that the new file can't be given to, or it is a mount point. A
   device or a pipe is written to as it is. */
#ifndef MXI_IO_REPLACE_H
#define MXI_IO_REPLACE_H

struct mxi_replacement {
  const char *op;
  char *path;         /* the target's, symbolic links followed */
  int fd;             /* what is written to */
  int old;            /* the target as it is, open for writing; -1: a new file, or fd itself */
  int folder;         /* the target's; -1: written in place */
  char temporary[32]; /* name of the new file in the folder */
};
/* Opens the file at path to be replaced. 0, or -1 with the error set. */
int mxi_replacement_open(struct mxi_replacement *r, const char *op, const char *path);
/* With status 0 syncs what was written, and replaces the target; else the temporary file goes, and the target
   stays as it was. Frees what r holds. Returns 0, or -1 with the error set. */
int mxi_replacement_close(struct mxi_replacement *r, int status);
#endif
