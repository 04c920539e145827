// FFmpeg's headers for `Video`, and functions for macros that Swift cannot import.
#ifndef ZOETROPE_CFFMPEG_H
#define ZOETROPE_CFFMPEG_H

#include <stdbool.h>
#include <string.h>

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

/// Makes all threads allocate from one arena instead of one each.
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

/// Copies the display matrix of a stream, or returns false if it has none.
static inline bool zt_stream_matrix(const AVStream *stream, int32_t matrix[9]) {
  const uint8_t *data = NULL;
#if LIBAVFORMAT_VERSION_MAJOR >= 61
  const AVPacketSideData *side = av_packet_side_data_get(
      stream->codecpar->coded_side_data, stream->codecpar->nb_coded_side_data,
      AV_PKT_DATA_DISPLAYMATRIX);
  if (side && side->size >= 9 * sizeof *matrix) data = side->data;
#else
  size_t size = 0;
  data = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (size < 9 * sizeof *matrix) data = NULL;
#endif
  if (!data) return false;
  memcpy(matrix, data, 9 * sizeof *matrix);
  return true;
}

/// Copies the display matrix of a decoded frame: EXIF orientation of a JPEG, SEI of H.264 and HEVC.
static inline bool zt_frame_matrix(const AVFrame *frame, int32_t matrix[9]) {
  const AVFrameSideData *side = av_frame_get_side_data(frame, AV_FRAME_DATA_DISPLAYMATRIX);
  if (!side || side->size < 9 * sizeof *matrix) return false;
  memcpy(matrix, side->data, 9 * sizeof *matrix);
  return true;
}

/// Whether a packet changes the decoder's state: a palette, or new parameters.
static inline bool zt_changes_decoder(const AVPacket *packet) {
  for (int i = 0; i < packet->side_data_elems; i++) {
    const enum AVPacketSideDataType type = packet->side_data[i].type;
    if (type == AV_PKT_DATA_PALETTE || type == AV_PKT_DATA_NEW_EXTRADATA || type == AV_PKT_DATA_PARAM_CHANGE)
      return true;
  }
  return false;
}

#endif
