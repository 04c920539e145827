// The parts of FFmpeg's libraries that `Video` uses, and what Swift cannot import of them: macros.
#ifndef ZOETROPE_CFFMPEG_H
#define ZOETROPE_CFFMPEG_H

#include <libavcodec/avcodec.h>
#include <libavfilter/avfilter.h>
#include <libavfilter/buffersink.h>
#include <libavfilter/buffersrc.h>
#include <libavformat/avformat.h>
#include <libavutil/avutil.h>
#include <libavutil/display.h>
#include <libavutil/imgutils.h>
#include <libavutil/log.h>
#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

/// Makes all threads take memory from one place, where the C library would give each its own.
static inline void zt_share_memory(void) {
#ifdef __GLIBC__
  mallopt(M_ARENA_MAX, 1);
#endif
}

static inline int zt_error_end_of_file(void) { return AVERROR_EOF; }
static inline int zt_error_again(void) { return AVERROR(EAGAIN); }
static inline int zt_error_invalid_argument(void) { return AVERROR(EINVAL); }
static inline int zt_error_invalid_data(void) { return AVERROR_INVALIDDATA; }
static inline int64_t zt_no_timestamp(void) { return AV_NOPTS_VALUE; }

/// Clockwise rotation in degrees that a stream asks for, in [0, 360), or 0.
static inline double zt_stream_rotation(const AVStream *stream) {
  const uint8_t *matrix = NULL;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  const AVPacketSideData *data = av_packet_side_data_get(
      stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data,
      AV_PKT_DATA_DISPLAYMATRIX);
  if (data && data->size >= 9 * 4) matrix = data->data;
#else
  size_t size = 0;
  matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (size < 9 * 4) matrix = NULL;
#endif
  if (!matrix) return 0;
  double angle = -av_display_rotation_get((const int32_t *)matrix);
  if (!(angle == angle)) return 0;
  while (angle < 0) angle += 360;
  while (angle >= 360) angle -= 360;
  return angle;
}

#endif
