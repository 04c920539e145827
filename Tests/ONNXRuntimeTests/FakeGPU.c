// Simulates NVIDIA's driver and its compiler: clang compiles the kernels, and the processor runs them, in the same
// memory. The tests build it into the folder of Lanes.h, and write the kernels there too.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUCCESS, FAILURE, MOST_TEXT = 1000 };

// MARK: - The compiler

typedef struct {
  char *source;
  char binary[MOST_TEXT], log[MOST_TEXT];
} program;

int nvrtcCreateProgram(
  program **made, const char *source, const char *name, int count, const char *const *headers,
  const char *const *names) {
  (void)name;
  (void)count;
  (void)headers;
  (void)names;
  *made = calloc(1, sizeof **made);
  (*made)->source = strdup(source);
  return SUCCESS;
}

int nvrtcDestroyProgram(program **it) {
  free((*it)->source);
  free(*it);
  return SUCCESS;
}

/// Runs clang over a file of the program's.
static FILE *clang(const char *how, int count, const char *const *options, const char *path) {
  char command[4 * MOST_TEXT];
  int length = snprintf(command, sizeof command, "clang -x c++ -std=c++17 -w");
  for (int i = 0; i < count; i++) {
    // Of those for the GPU's compiler only definitions.
    if (strncmp(options[i], "-D", 2) == 0)
      length += snprintf(command + length, sizeof command - (size_t)length, " %s", options[i]);
  }
  snprintf(command + length, sizeof command - (size_t)length, " %s '%s' 2>&1", how, path);
  return popen(command, "r");
}

/// Writes a function that launches it for each kernel in a text that the preprocessor has seen.
static void write_launchers(FILE *text, FILE *file) {
  static const char mark[] = "__global__ void ";
  char *line = NULL;
  size_t size = 0;
  while (getline(&line, &size, text) >= 0) {
    for (char *at = line; (at = strstr(at, mark));) {
      at += strlen(mark);
      fprintf(file, "LAUNCHER(%.*s)\n", (int)strcspn(at, "("), at);
    }
  }
  free(line);
}

int nvrtcCompileProgram(program *it, int count, const char *const *options) {
  static int made;
  char path[MOST_TEXT], how[MOST_TEXT];
  Dl_info own;
  if (dladdr((void *)nvrtcCompileProgram, &own) == 0) return FAILURE;
  char folder[MOST_TEXT];
  snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(own.dli_fname, '/') - own.dli_fname), own.dli_fname);
  snprintf(it->binary, sizeof it->binary, "%.900s/kernels%d.so", folder, made);
  snprintf(path, sizeof path, "%.900s/kernels%d.cu", folder, made++);
  FILE *file = fopen(path, "w");
  if (!file) return FAILURE;
  fputs(it->source, file);
  fflush(file);
  FILE *text = clang("-E -P", count, options, path);
  write_launchers(text, file);
  pclose(text);
  fclose(file);
  snprintf(how, sizeof how, "-shared -fPIC -O1 -pthread -include '%.900s/Lanes.h' -o '%.900s'", folder, it->binary);
  text = clang(how, count, options, path);
  size_t length = fread(it->log, 1, sizeof it->log - 1, text);
  it->log[length] = 0;
  return pclose(text) == 0 ? SUCCESS : FAILURE;
}

int nvrtcGetProgramLogSize(program *it, size_t *size) {
  *size = sizeof it->log;
  return SUCCESS;
}

int nvrtcGetProgramLog(program *it, char *log) {
  memcpy(log, it->log, sizeof it->log);
  return SUCCESS;
}

int nvrtcGetCUBINSize(program *it, size_t *size) {
  *size = sizeof it->binary;
  return SUCCESS;
}

int nvrtcGetCUBIN(program *it, char *binary) {
  memcpy(binary, it->binary, sizeof it->binary);
  return SUCCESS;
}

// MARK: - The driver

int cuDevicePrimaryCtxRetain(void **context, int device) {
  (void)device;
  *context = malloc(1);
  return SUCCESS;
}

int cuCtxSetCurrent(void *context) { return context ? SUCCESS : FAILURE; }

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)attribute;
  (void)device;
  *value = 9;
  return SUCCESS;
}

int cuMemcpyHtoD_v2(void *device, const void *host, size_t bytes) {
  memcpy(device, host, bytes);
  return SUCCESS;
}

int cuMemcpyDtoH_v2(void *host, const void *device, size_t bytes) {
  memcpy(host, device, bytes);
  return SUCCESS;
}

int cuMemAlloc_v2(void **made, size_t bytes) {
  *made = malloc(bytes);
  return *made ? SUCCESS : FAILURE;
}

int cuMemFree_v2(void *memory) {
  free(memory);
  return SUCCESS;
}

int cuModuleLoadData(void **module, const char *binary) {
  *module = dlopen(binary, RTLD_NOW);
  return *module ? SUCCESS : FAILURE;
}

int cuModuleGetFunction(void **function, void *module, const char *name) {
  char launcher[MOST_TEXT];
  snprintf(launcher, sizeof launcher, "launch_%.900s", name);
  *function = dlsym(module, launcher);
  return *function ? SUCCESS : FAILURE;
}

int cuLaunchKernel(void *function, unsigned blocks, unsigned rows, unsigned layers, unsigned threads,
    unsigned thread_rows, unsigned thread_layers, unsigned shared, void *stream, void **arguments, void **more) {
  static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
  (void)shared;
  (void)stream;
  (void)more;
  if (rows * layers * thread_rows * thread_layers != 1) return FAILURE;
  pthread_mutex_lock(&one);
  ((void (*)(unsigned, unsigned, void **))function)(blocks, threads, arguments);
  pthread_mutex_unlock(&one);
  return SUCCESS;
}

int cuEventCreate(void **event, unsigned flags) {
  (void)flags;
  *event = malloc(1);
  return SUCCESS;
}

int cuEventRecord(void *event, void *stream) {
  (void)stream;
  return event ? SUCCESS : FAILURE;
}

int cuEventSynchronize(void *event) { return event ? SUCCESS : FAILURE; }

int cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  *milliseconds = 1;
  return begin && end ? SUCCESS : FAILURE;
}

int cuEventDestroy_v2(void *event) {
  free(event);
  return SUCCESS;
}
