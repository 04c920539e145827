#ifndef CONNXRUNTIME_ATTENTION_H
#define CONNXRUNTIME_ATTENTION_H

#include "Internal.h"

/// Multi-head attention of every token to every other: softmax(query · keyᵀ / √width) · value.
typedef struct {
  struct {
    int64_t type, batch, tokens, heads, width;
  } layer;
  /// Rows [batch, token, query | key | value], each with all heads concatenated.
  const void *x;
  /// Rows [batch, token, head · width].
  void *y;
} attention;

/// With NVIDIA's cuDNN from 9.13, in float16 or bfloat16.
char *attention_on_gpu(const attention *attention, void *stream);

/// Runs on the CPU, in `f32` only.
void attention_on_cpu(const attention *attention);

#endif
