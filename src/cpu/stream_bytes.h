/* Results of at least so many bytes, which no cache will hold until they are read, are written past the
 * caches. */
#ifndef MXI_CPU_STREAM_BYTES_H
#define MXI_CPU_STREAM_BYTES_H
enum { MXI_STREAM_BYTES = 32 << 20 };
#endif
