#include "Internal.h"

// Sizes of a window, for images and for videos.

onednn_sizes onednn_window_sizes(const onednn_window *window, int64_t groups) {
  int first = window->over_frames ? 0 : 1, place = 0;
  onednn_sizes sizes = {.rank = 5 - first};
  sizes.source[0] = sizes.destination[0] = window->batch;
  sizes.source[1] = window->in_channels;
  sizes.destination[1] = window->out_channels;
  if (groups > 1) sizes.weights[place++] = groups;
  sizes.weights[place++] = window->out_channels / groups;
  sizes.weights[place++] = window->in_channels / groups;
  for (int i = 0; i < 3 - first; i++) {
    sizes.source[2 + i] = window->in[first + i];
    sizes.destination[2 + i] = window->out[first + i];
    sizes.weights[place++] = sizes.kernel[i] = window->kernel[first + i];
    sizes.strides[i] = window->stride[first + i];
    sizes.dilates[i] = window->dilation[first + i] - 1;
    sizes.before[i] = window->before[first + i];
    sizes.after[i] = window->after[first + i];
  }
  sizes.weights_rank = place;
  return sizes;
}
