// Swift's `Mutex` on Linux waits inside a library that is not instrumented: ThreadSanitizer sees the thread that unlocks,
// not the one that waited, and reports a race in everything behind a contended lock. This tells it of the other half.
#if __has_feature(thread_sanitizer) && defined(__linux__)
  #define _GNU_SOURCE
  #include <dlfcn.h>
  #include <stdint.h>
  #include <stdlib.h>

typedef __attribute__((swiftcall)) void wait_for_lock(uint32_t thread, __attribute__((swift_context)) void *handle);

void __tsan_acquire(void *address);

extern wait_for_lock wait_and_tell __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");

__attribute__((swiftcall)) void wait_and_tell(uint32_t thread, __attribute__((swift_context)) void *handle) {
  wait_for_lock *const library = (wait_for_lock *)dlsym(RTLD_NEXT, "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");
  if (!library) abort();
  library(thread, handle);
  __tsan_acquire(handle);
}
#endif
