#ifndef CONNXRUNTIME_KERNEL_CONTEXT_H
#define CONNXRUNTIME_KERNEL_CONTEXT_H

#include "Internal.h"

enum { MOST_DIMENSIONS = 8 };

/// An input's data, or NULL if it is missing.
const void *context_input(const OrtKernelContext *context, size_t index);

/// Creates an output of that shape and returns its data, or NULL if nothing needs it.
void *context_output(OrtKernelContext *context, size_t index, const int64_t *shape, size_t rank);

/// Writes the dimensions of an input, and returns their number.
size_t context_shape(const OrtKernelContext *context, size_t index, int64_t *shape);

/// The CUDA stream that an operator must use.
void *context_stream(const OrtKernelContext *context);

/// The library ignores an operator's errors: the last one of this thread is kept. It takes `failure` over.
void context_fail(char *failure);
bool context_has_failed(void);

#endif
