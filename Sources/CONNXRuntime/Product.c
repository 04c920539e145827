#include "Product.h"

bool is_pointwise(const product *it) {
  for (int axis = 0; axis < 2; axis++) {
    if (it->layer.kernel[axis] != 1 || it->layer.stride[axis] != 1 || it->layer.leading[axis] != 0
        || it->layer.trailing[axis] != 0)
      return false;
  }
  return it->layer.groups == 1;
}

bool is_depthwise(const product *it) {
  return it->layer.groups > 1 && it->layer.groups == it->layer.channels && it->layer.filters == it->layer.channels;
}
