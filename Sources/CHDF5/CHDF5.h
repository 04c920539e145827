// What `KerasFile` needs of HDF5, whose own interface is made of macros that Swift cannot import.
// Every function that returns `int` or a handle gives a negative number on failure.
#ifndef ZOETROPE_CHDF5_H
#define ZOETROPE_CHDF5_H

#include <hdf5.h>
#include <stdbool.h>
#include <string.h>

enum { ZT_H5_OTHER = 0, ZT_H5_GROUP = 1, ZT_H5_DATASET = 2 };

static inline hid_t zt_h5_open(const char *path) {
  H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
  return H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
}

static inline void zt_h5_close(hid_t file) { H5Fclose(file); }

/// Links in a group, or a negative number where `group` is none.
static inline int64_t zt_h5_count(hid_t file, const char *group) {
  H5G_info_t info;
  return H5Gget_info_by_name(file, group, &info, H5P_DEFAULT) < 0 ? -1 : (int64_t)info.nlinks;
}

/// Name and kind of a link. Links that lead out of the file are `ZT_H5_OTHER` and never followed.
static inline int zt_h5_child(
    hid_t file, const char *group, uint64_t index, char *name, size_t capacity) {
  if (H5Lget_name_by_idx(
          file, group, H5_INDEX_NAME, H5_ITER_INC, index, name, capacity, H5P_DEFAULT) < 0)
    return -1;
  H5L_info_t link;
  if (H5Lget_info_by_idx(file, group, H5_INDEX_NAME, H5_ITER_INC, index, &link, H5P_DEFAULT) < 0)
    return -1;
  if (link.type != H5L_TYPE_HARD) return ZT_H5_OTHER;
  hid_t object = H5Oopen_by_idx(file, group, H5_INDEX_NAME, H5_ITER_INC, index, H5P_DEFAULT);
  if (object < 0) return -1;
  H5I_type_t type = H5Iget_type(object);
  H5Oclose(object);
  return type == H5I_GROUP ? ZT_H5_GROUP : type == H5I_DATASET ? ZT_H5_DATASET : ZT_H5_OTHER;
}

/// Dimensions of a dataset of numbers, at most `capacity` of them.
static inline int zt_h5_shape(hid_t file, const char *dataset, uint64_t *dimensions, int capacity) {
  hid_t set = H5Dopen2(file, dataset, H5P_DEFAULT);
  if (set < 0) return -1;
  int rank = -1;
  hid_t type = H5Dget_type(set), space = H5Dget_space(set);
  H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
  if (space >= 0 && (class == H5T_FLOAT || class == H5T_INTEGER)) {
    rank = H5Sget_simple_extent_ndims(space);
    hsize_t sizes[H5S_MAX_RANK];
    if (rank > capacity) rank = -1;
    if (rank > 0 && H5Sget_simple_extent_dims(space, sizes, NULL) < 0) rank = -1;
    for (int i = 0; i < rank; i++) dimensions[i] = sizes[i];
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  H5Dclose(set);
  return rank;
}

static inline int zt_h5_read(hid_t file, const char *dataset, float *numbers) {
  hid_t set = H5Dopen2(file, dataset, H5P_DEFAULT);
  if (set < 0) return -1;
  herr_t status = H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers);
  H5Dclose(set);
  return status < 0 ? -1 : 0;
}

/// A text attribute of one string.
static inline int zt_h5_text(
    hid_t file, const char *object, const char *attribute, char *text, size_t capacity) {
  hid_t handle = H5Aopen_by_name(file, object, attribute, H5P_DEFAULT, H5P_DEFAULT);
  if (handle < 0) return -1;
  int status = -1;
  hid_t type = H5Aget_type(handle), space = H5Aget_space(handle);
  if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_STRING && H5Sget_simple_extent_npoints(space) == 1) {
    if (H5Tis_variable_str(type) > 0) {
      char *value = NULL;
      if (H5Aread(handle, type, &value) >= 0 && value && strlen(value) < capacity) {
        strcpy(text, value);
        status = 0;
      }
      if (value) H5free_memory(value);
    } else if (H5Tget_size(type) < capacity) {
      memset(text, 0, capacity);
      status = H5Aread(handle, type, text) < 0 ? -1 : 0;
    }
  }
  if (space >= 0) H5Sclose(space);
  if (type >= 0) H5Tclose(type);
  H5Aclose(handle);
  return status;
}

#endif
