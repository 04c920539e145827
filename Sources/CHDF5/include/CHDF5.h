// Reads HDF5 files in a child process, because libhdf5 is not safe for untrusted files and crashes on some. The result
// is written to a file that is easy to validate; a crash affects only the child.
#ifndef ZOETROPE_CHDF5_H
#define ZOETROPE_CHDF5_H

#include <stdint.h>

enum {
  ZT_H5_OK = 0,
  /// libhdf5 rejected the file, crashed, or took too long.
  ZT_H5_DAMAGED = 1,
  /// The file's content is larger than that of any weight file of its size.
  ZT_H5_TOO_LARGE = 2,
  /// The file refers to other files: external links, external storage, virtual datasets, user-defined links.
  ZT_H5_OUTSIDE = 3,
  /// A dataset is compressed by a filter that is not part of libhdf5. Plugins are not loaded.
  ZT_H5_FILTER = 4,
  /// The process could not be created, or the output not be written.
  ZT_H5_SYSTEM = 5,
};

/// Writes every numeric dataset to `output`, one record each: three `uint32_t` (bytes of its path, bytes of the text
/// attribute `name` of its group, rank), path and text without terminators, `rank` times `uint64_t`, then the elements
/// as `float`. A file that refers to other files is rejected; soft links inside the file are not followed.
///
/// - Parameters:
///   - input: descriptor of a regular file, opened for reading.
///   - most_bytes: maximum size of all elements together, as `float`.
///   - memory: bytes that the child may use beyond the process's size; not limited under AddressSanitizer.
///   - seconds: CPU time after which the child is stopped.
int zt_h5_extract(int input, int output, uint64_t most_bytes, uint64_t memory, unsigned seconds);

#endif
