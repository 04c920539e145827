// Swift's `Mutex` on Linux waits and wakes inside a library that is not instrumented: ThreadSanitizer would not see
// that one thread comes after the other, and would report races after each contended lock. This tells it.
#if __has_feature(thread_sanitizer) && defined(__linux__)
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <stdint.h>
  #include <stdlib.h>

  #define HANDLE __attribute__((swift_context)) void *handle
  #define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
  #define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

typedef __attribute__((swiftcall)) void lock_function(uint32_t thread, HANDLE);
typedef __attribute__((swiftcall)) void unlock_function(HANDLE);

void __tsan_acquire(void *address);
void __tsan_release(void *address);

static void *library(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

extern lock_function told_lock __asm__(LOCK);
__attribute__((swiftcall)) void told_lock(uint32_t thread, HANDLE) {
  ((lock_function *)library(LOCK))(thread, handle);
  __tsan_acquire(handle);
}

extern unlock_function told_unlock __asm__(UNLOCK);
__attribute__((swiftcall)) void told_unlock(HANDLE) {
  __tsan_release(handle);
  ((unlock_function *)library(UNLOCK))(handle);
}
#endif
