// Reads HDF5 files in a process of its own: libhdf5 was not written for files that somebody may have tampered with, and
// crashes on some. What it finds goes to a file that is easy to check; what it destroys is only the child.
#ifndef ZOETROPE_CHDF5_H
#define ZOETROPE_CHDF5_H

#include <stdint.h>

enum {
  ZT_H5_OK = 0,
  /// libhdf5 refused the file, or crashed on it, or took too long.
  ZT_H5_DAMAGED = 1,
  /// It holds more than any weight file of its size.
  ZT_H5_TOO_LARGE = 2,
  /// It refers to other files: external links, external storage, virtual datasets, links of a kind that a plugin defines.
  ZT_H5_OUTSIDE = 3,
  /// A dataset is packed by a filter that is not part of libhdf5. Plugins are not loaded.
  ZT_H5_FILTER = 4,
  /// No process could be made, or nothing could be written.
  ZT_H5_SYSTEM = 5,
};

/// Writes every dataset of numbers to `output`, one record each: three `uint32_t` (bytes of its path, bytes of the text
/// attribute `name` of its group, rank), path and text without terminators, `rank` times `uint64_t`, then the numbers as
/// `float`. A file that refers to other files is refused; soft links inside the file are not followed.
///
/// - Parameters:
///   - input: descriptor of a regular file, opened for reading.
///   - most_bytes: of all numbers together, as `float`.
///   - memory: bytes that the child may take beyond what the process has; not limited under AddressSanitizer.
///   - seconds: of computing, after which the child is stopped.
int zt_h5_extract(int input, int output, uint64_t most_bytes, uint64_t memory, unsigned seconds);

#endif
