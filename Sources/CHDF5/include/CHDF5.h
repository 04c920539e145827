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
  /// No process could be made, or nothing could be written.
  ZT_H5_SYSTEM = 3,
};

/// Writes every dataset of numbers to `output`, one record each: three `uint32_t` (bytes of its path, bytes of the text
/// attribute `name` of its group, rank), path and text without terminators, `rank` times `uint64_t`, then the numbers as
/// `float`. Links that lead out of the file are not followed.
///
/// - Parameters:
///   - most_bytes: of all numbers together, as `float`.
///   - seconds: of computing, after which the child is stopped.
int zt_h5_extract(const char *path, int output, uint64_t most_bytes, unsigned seconds);

#endif
