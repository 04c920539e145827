#include "Internal.h"

#include <pthread.h>

// No other GPU calls are allowed while ONNX Runtime captures a CUDA graph, which it does in a session's first run: that
// run holds this lock exclusively.

static struct {
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int together, waiting;
  bool is_alone;
} lock = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, false};

void acquire_capture_lock(bool alone) {
  pthread_mutex_lock(&lock.mutex);
  if (alone) {
    lock.waiting++;
    while (lock.is_alone || lock.together > 0) pthread_cond_wait(&lock.changed, &lock.mutex);
    lock.waiting--;
    lock.is_alone = true;
  } else {
    while (lock.is_alone || lock.waiting > 0) pthread_cond_wait(&lock.changed, &lock.mutex);
    lock.together++;
  }
  pthread_mutex_unlock(&lock.mutex);
}

void release_capture_lock(bool alone) {
  pthread_mutex_lock(&lock.mutex);
  if (alone) lock.is_alone = false;
  else lock.together--;
  pthread_cond_broadcast(&lock.changed);
  pthread_mutex_unlock(&lock.mutex);
}
