#include "Internal.h"

// Sizes of a window, for images and for videos.

static void put_sizes(onednn_window *window, const onednn_frames *frames, int64_t batch, int64_t in_channels,
    int64_t out_channels, const int64_t in[2], const int64_t out[2]) {
  int spatial = frames->in > 0 ? 3 : 2, first = spatial - 2;
  window->rank = spatial + 2;
  window->source[0] = window->destination[0] = batch;
  window->source[1] = in_channels;
  window->destination[1] = out_channels;
  if (first) {
    window->source[2] = frames->in;
    window->destination[2] = frames->out;
  }
  for (int i = 0; i < 2; i++) {
    window->source[2 + first + i] = in[i];
    window->destination[2 + first + i] = out[i];
  }
}

static void put_steps(onednn_window *window, const onednn_frames *frames, const int64_t kernel[2],
    const int64_t stride[2], const int64_t dilation[2], const int64_t before[2], const int64_t after[2]) {
  int first = frames->in > 0 ? 1 : 0;
  if (first) {
    window->kernel[0] = frames->kernel;
    window->strides[0] = frames->stride;
    window->dilates[0] = 0;
    window->before[0] = frames->pad_front;
    window->after[0] = frames->pad_back;
  }
  for (int i = 0; i < 2; i++) {
    window->kernel[first + i] = kernel[i];
    window->strides[first + i] = stride[i];
    window->dilates[first + i] = dilation[i] > 1 ? dilation[i] - 1 : 0;
    window->before[first + i] = before[i];
    window->after[first + i] = after[i];
  }
}

onednn_window onednn_convolution_window(const onednn_convolution_options *o) {
  onednn_window window = {0};
  int64_t in[] = {o->in_height, o->in_width}, out[] = {o->out_height, o->out_width};
  int64_t kernel[] = {o->kernel_height, o->kernel_width};
  int64_t stride[] = {o->stride_height, o->stride_width};
  int64_t dilation[] = {o->dilation_height, o->dilation_width};
  int64_t before[] = {o->pad_top, o->pad_left}, after[] = {o->pad_bottom, o->pad_right};
  put_sizes(&window, &o->frames, o->batch, o->in_channels, o->out_channels, in, out);
  put_steps(&window, &o->frames, kernel, stride, dilation, before, after);
  int place = 0;
  if (o->groups > 1) window.weights[place++] = o->groups;
  window.weights[place++] = o->out_channels / o->groups;
  window.weights[place++] = o->in_channels / o->groups;
  for (int i = 0; i < window.rank - 2; i++) window.weights[place++] = window.kernel[i];
  window.weights_rank = place;
  return window;
}

onednn_window onednn_pooling_window(const onednn_pooling_options *o) {
  onednn_window window = {0};
  int64_t in[] = {o->in_height, o->in_width}, out[] = {o->out_height, o->out_width};
  int64_t kernel[] = {o->kernel_height, o->kernel_width};
  int64_t stride[] = {o->stride_height, o->stride_width}, dense[] = {1, 1};
  int64_t before[] = {o->pad_top, o->pad_left}, after[] = {o->pad_bottom, o->pad_right};
  put_sizes(&window, &o->frames, o->batch, o->channels, o->channels, in, out);
  put_steps(&window, &o->frames, kernel, stride, dense, before, after);
  window.weights_rank = 0;
  return window;
}
