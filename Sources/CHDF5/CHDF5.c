#include "CHDF5.h"

#include <errno.h>
#include <fcntl.h>
#include <hdf5.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST_OBJECTS = 100000, MOST_DEPTH = 12, MOST_RANK = 8, MOST_FILTERS = 32, TEXT = 512, PATH = 8192 };

// Sanitizers reserve terabytes of address space, which a limit would forbid.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#ifndef HAS_SANITIZER
#define HAS_SANITIZER 0
#endif

typedef struct {
  hid_t file;
  FILE *output;
  uint64_t bytes_left;
  unsigned objects;
} scan;

/// The text attribute `name` of a group; empty if there is none.
static void group_name(hid_t file, const char *group, char *text) {
  memset(text, 0, TEXT);
  if (H5Aexists_by_name(file, group, "name", H5P_DEFAULT) <= 0) return;
  hid_t attribute = H5Aopen_by_name(file, group, "name", H5P_DEFAULT, H5P_DEFAULT);
  if (attribute < 0) return;
  hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
  if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1) {
    if (H5Tis_variable_str(type) > 0) {
      char *value = NULL;
      if (H5Aread(attribute, type, &value) >= 0 && value && strnlen(value, TEXT) < TEXT) strcpy(text, value);
      if (value) H5free_memory(value);
    } else if (H5Tget_size(type) < TEXT && H5Aread(attribute, type, text) < 0) {
      memset(text, 0, TEXT);
    }
  }
  text[TEXT - 1] = 0;
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  H5Aclose(attribute);
}

static int write_record(
    scan *scan, hid_t set, const char *path, const char *name, int rank, const uint64_t *sizes, uint64_t count) {
  // At least one element, so that an empty dataset has a non-null buffer.
  float *numbers = calloc(count ? count : 1, sizeof(float));
  if (!numbers) return ZT_H5_TOO_LARGE;
  int status = ZT_H5_OK;
  if (count && H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers) < 0) status = ZT_H5_DAMAGED;
  if (status == ZT_H5_OK) {
    uint32_t head[3] = {(uint32_t)strlen(path), (uint32_t)strlen(name), (uint32_t)rank};
    fwrite(head, sizeof head, 1, scan->output);
    fwrite(path, 1, head[0], scan->output);
    fwrite(name, 1, head[1], scan->output);
    fwrite(sizes, sizeof *sizes, head[2], scan->output);
    fwrite(numbers, sizeof(float), count, scan->output);
    if (ferror(scan->output)) status = ZT_H5_SYSTEM;
  }
  free(numbers);
  return status;
}

/// Whether the elements are in the file itself, and compressed only by libhdf5's own filters.
static int check_storage(hid_t set) {
  hid_t properties = H5Dget_create_plist(set);
  if (properties < 0) return ZT_H5_DAMAGED;
  int status = ZT_H5_OK, filters = H5Pget_nfilters(properties);
  H5D_layout_t layout = H5Pget_layout(properties);
  if (layout < 0 || filters < 0 || filters > MOST_FILTERS) status = ZT_H5_DAMAGED;
  // Virtual datasets and external storage would open any path that the file names.
  if (layout == H5D_VIRTUAL || H5Pget_external_count(properties) != 0) status = ZT_H5_OUTSIDE;
  for (int i = 0; i < filters && status == ZT_H5_OK; i++) {
    unsigned flags, configuration;
    size_t values = 0;
    H5Z_filter_t filter = H5Pget_filter2(properties, (unsigned)i, &flags, &values, NULL, 0, NULL, &configuration);
    if (filter < 0) status = ZT_H5_DAMAGED;
    if (filter >= H5Z_FILTER_RESERVED) status = ZT_H5_FILTER;
  }
  H5Pclose(properties);
  return status;
}

static int add_dataset(scan *scan, hid_t set, const char *path, const char *group) {
  int storage = check_storage(set);
  if (storage) return storage;
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
  int rank = space < 0 ? -1 : H5Sget_simple_extent_ndims(space);
  int is_numbers = (class == H5T_FLOAT || class == H5T_INTEGER) && rank >= 0 && rank <= MOST_RANK;
  hsize_t extents[H5S_MAX_RANK] = {0};
  uint64_t sizes[MOST_RANK] = {0}, count = 1;
  int status = ZT_H5_OK;
  if (is_numbers && rank > 0 && H5Sget_simple_extent_dims(space, extents, NULL) < 0) status = ZT_H5_DAMAGED;
  for (int i = 0; is_numbers && i < rank; i++) {
    sizes[i] = extents[i];
    if (__builtin_mul_overflow(count, sizes[i], &count)) status = ZT_H5_TOO_LARGE;
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  if (!is_numbers || status) return status;
  if (count > scan->bytes_left / sizeof(float)) return ZT_H5_TOO_LARGE;
  scan->bytes_left -= count * sizeof(float);
  char name[TEXT];
  group_name(scan->file, group, name);
  return write_record(scan, set, path, name, rank, sizes, count);
}

static int visit(scan *scan, const char *group, int depth) {
  H5G_info_t info;
  if (depth > MOST_DEPTH || H5Gget_info_by_name(scan->file, group, &info, H5P_DEFAULT) < 0) return ZT_H5_DAMAGED;
  int status = ZT_H5_OK;
  for (hsize_t index = 0; index < info.nlinks && status == ZT_H5_OK; index++) {
    if (++scan->objects > MOST_OBJECTS) return ZT_H5_TOO_LARGE;
    char name[TEXT] = {0}, path[PATH];
    H5L_info_t link;
    if (H5Lget_name_by_idx(
            scan->file, group, H5_INDEX_NAME, H5_ITER_INC, index, name, TEXT - 1, H5P_DEFAULT) < 0 ||
        H5Lget_info_by_idx(scan->file, group, H5_INDEX_NAME, H5_ITER_INC, index, &link, H5P_DEFAULT) < 0)
      return ZT_H5_DAMAGED;
    // The target of a soft link also has a hard link. Names become components of paths, so they must not contain a
    // slash.
    if (link.type == H5L_TYPE_SOFT) continue;
    if (link.type != H5L_TYPE_HARD) return ZT_H5_OUTSIDE;
    if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..")) return ZT_H5_DAMAGED;
    hid_t object = H5Oopen_by_idx(scan->file, group, H5_INDEX_NAME, H5_ITER_INC, index, H5P_DEFAULT);
    if (object < 0) return ZT_H5_DAMAGED;
    int length = snprintf(path, sizeof path, "%s/%s", strcmp(group, "/") ? group : "", name);
    H5I_type_t type = H5Iget_type(object);
    if (length < 0 || length >= PATH) status = ZT_H5_DAMAGED;
    else if (type == H5I_GROUP) status = visit(scan, path, depth + 1);
    else if (type == H5I_DATASET) status = add_dataset(scan, object, path, group);
    H5Oclose(object);
  }
  return status;
}

static int extract(int input, int output, uint64_t most_bytes) {
  char path[64];
  // Opens the file that was checked, even if its path has been replaced.
#ifdef __linux__
  snprintf(path, sizeof path, "/proc/self/fd/%d", input);
#else
  snprintf(path, sizeof path, "/dev/fd/%d", input);
#endif
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  // Overrides environment variables: plugins are not loaded, and external links are not followed.
  H5PLset_loading_state(0);
  H5Lunregister(H5L_TYPE_EXTERNAL);
  scan scan = {H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT), fdopen(output, "w"), most_bytes, 0};
  if (scan.file < 0) return ZT_H5_DAMAGED;
  if (!scan.output) return ZT_H5_SYSTEM;
  int status = visit(&scan, "/", 0);
  return fflush(scan.output) == 0 ? status : ZT_H5_SYSTEM;
}

/// Size of the process's address space in bytes; 0 if unknown.
static uint64_t address_space(void) {
  char text[64] = {0};
  int file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t count = read(file, text, sizeof text - 1);
  close(file);
  return count > 0 ? strtoull(text, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static void limit(int resource, uint64_t most) {
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0) return;
  if (limit.rlim_max != RLIM_INFINITY && most > limit.rlim_max) most = limit.rlim_max;
  limit.rlim_cur = limit.rlim_max = most;
  setrlimit(resource, &limit);
}

/// libhdf5 loops or exhausts the memory on some damaged files.
static void limit_resources(uint64_t most_bytes, uint64_t memory, unsigned seconds) {
  limit(RLIMIT_CPU, seconds);
  // Records contain names besides their elements. A process that exceeds the limit is ended by a signal.
  limit(RLIMIT_FSIZE, most_bytes + ((uint64_t)64 << 20));
  limit(RLIMIT_CORE, 0);
  uint64_t now = HAS_SANITIZER ? 0 : address_space();
  // Whole datasets are converted in memory; libhdf5 decompresses their chunks besides.
  uint64_t own = most_bytes < memory ? most_bytes : memory;
  if (now > 0) limit(RLIMIT_AS, now + own + ((uint64_t)256 << 20));
}

/// After fork, the child may only use what other threads of the parent cannot have locked: libhdf5, which only children
/// use, and the C library, which handles fork itself.
int zt_h5_extract(int input, int output, uint64_t most_bytes, uint64_t memory, unsigned seconds) {
  pid_t child = fork();
  if (child < 0) return ZT_H5_SYSTEM;
  if (child == 0) {
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < 32; number++) signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    limit_resources(most_bytes, memory, seconds);
    alarm(60 + 10 * seconds);
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) dup2(nowhere, STDERR_FILENO);
    _exit(extract(input, output, most_bytes));
  }
  int status;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return ZT_H5_SYSTEM;
  if (!WIFEXITED(status)) return ZT_H5_DAMAGED;
  int code = WEXITSTATUS(status);
  return code <= ZT_H5_SYSTEM ? code : ZT_H5_DAMAGED;
}
