#ifndef CONNXRUNTIME_ATTENTION_H
#define CONNXRUNTIME_ATTENTION_H

#include "Internal.h"

/// Attention of every token to every other, head by head: softmax(query · keyᵀ / √width) · value.
typedef struct {
  struct {
    int64_t type, batch, tokens, heads, width;
  } layer;
  /// Rows [batch, token, query | key | value], each of all heads side by side.
  const void *x;
  /// Rows [batch, token, head · width].
  void *y;
} attention;

/// By NVIDIA's cuDNN from 9.13, in half precision of either kind.
char *attention_on_gpu(const attention *attention, void *stream);

/// Runs it here; numbers in `f32` only.
void attention_on_cpu(const attention *attention);

#endif
