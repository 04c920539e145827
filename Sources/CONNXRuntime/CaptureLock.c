#include "Internal.h"

#include <pthread.h>

// No other GPU calls are allowed while ONNX Runtime captures a CUDA graph, which it does in a session's first run: that run
// holds this lock exclusively.

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int together, waiting;
  bool is_alone;
} turns = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false};

void acquire_capture_lock(bool alone) {
  pthread_mutex_lock(&turns.mutex);
  if (alone) {
    turns.waiting++;
    while (turns.is_alone || turns.together > 0) pthread_cond_wait(&turns.changed, &turns.mutex);
    turns.waiting--;
    turns.is_alone = true;
  } else {
    while (turns.is_alone || turns.waiting > 0) pthread_cond_wait(&turns.changed, &turns.mutex);
    turns.together++;
  }
  pthread_mutex_unlock(&turns.mutex);
}

void release_capture_lock(bool alone) {
  pthread_mutex_lock(&turns.mutex);
  if (alone) turns.is_alone = false;
  else turns.together--;
  pthread_cond_broadcast(&turns.changed);
  pthread_mutex_unlock(&turns.mutex);
}
