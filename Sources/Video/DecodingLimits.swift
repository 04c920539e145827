import CFFmpeg

/// Limits on the resources for a clip, whatever its header claims.
package struct DecodingLimits: Sendable, Equatable {
    /// Pixels of one frame; the default is twice 8K television.
    package var pixels = 8192 * 8192
    /// Frames of a clip; the default is 46 hours at 30 frames per second.
    package var frames = 5_000_000
    /// Time for one pass over a clip, and additional time per frame.
    package var seconds = 600.0, secondsPerFrame = 1.0
    /// Bytes of the file per additional second: an animated PNG of 400 kB can contain thousands of 8K frames, each of
    /// which takes as long as a real one. Video of 80 kbit/s still gets its own duration.
    package var bytesPerSecond = 10_000.0

    /// Total pixels of all frames, and additional ones per byte of the file: 1,000 frames of 8K, or an hour of a still
    /// image in high definition in 1.2 MB, which is twice the size that encoders need.
    package var totalPixels = 1 << 36, pixelsPerByte = 100_000

    /// Whether a file of `bytes` bytes may have that many frames of that size.
    func allows(width: Int, height: Int, frames: Int, bytes: Int) -> Bool {
        let all = (width * height).multipliedReportingOverflow(by: frames)
        return !all.overflow && all.partialValue <= totalPixels + pixelsPerByte * min(bytes, 1 << 40)
    }

    /// Time limit in seconds for one pass over a file.
    func secondsAllowed(frames: Int, bytes: Int) -> Double {
        seconds + min(secondsPerFrame * Double(frames), Double(bytes) / max(1, bytesPerSecond))
    }

    /// Total frames of all windows: two days at 30 frames per second, with each frame in four windows.
    package var windowFrames = 20_000_000

    /// Checks that a request's frames fit into memory, without allocating anything. `clock`: ascending times of the
    /// clip's frames in seconds. Throws `VideoError.beyondLimits`.
    func check(_ request: SampleRequest, clock: [Double], path: String) throws {
        guard let sampling = request.sampling.windowed else { return }
        let ticks = sampling.ticks(clock)
        let windows = sampling.windowCount(ticks: ticks)
        let all = windows.multipliedReportingOverflow(by: sampling.length)
        guard !all.overflow, all.partialValue <= windowFrames, windows <= frames else {
            let seconds = (clock.last ?? 0) - (clock.first ?? 0)
            throw VideoError.beyondLimits(
                path: path,
                reason:
                    "its \(clock.count) frames span \(Int(min(seconds, 1e15))) s, which makes \(windows) windows of "
                    + "\(sampling.length) frames")
        }
    }

    package init() {}

    package static let standard = DecodingLimits()

    /// Containers that hold images themselves: playlists, lists, scripts and devices would open other files or
    /// addresses. Audio containers are included to distinguish them from damaged files.
    static let containers = [
        "3dostr", "aa", "amv", "apng", "asf", "av1", "avi", "avs2", "avs3", "bink", "bmp_pipe", "cavsvideo", "cdxl",
        "dirac", "dnxhd", "dv", "exr_pipe", "ffv1", "film_cpk", "flic", "flv", "gif", "gif_pipe", "gxf", "h261", "h263",
        "h264", "hevc", "image2", "ingenient", "ivf", "j2k_pipe", "jpeg_pipe", "jpegls_pipe", "jpegxl_pipe", "kux",
        "live_flv", "lxf", "m4v", "matroska", "mgsts", "mjpeg", "mjpeg_2000", "mov", "mp4", "mpeg", "mpegts",
        "mpegvideo", "mpjpeg", "mtv", "mv", "mvi", "mxf", "mxg", "nsv", "nut", "nuv", "obu", "ogg", "pam_pipe",
        "pbm_pipe", "pcx_pipe", "pgm_pipe", "pgmyuv_pipe", "png_pipe", "ppm_pipe", "pva", "qoi_pipe", "r3d", "rm",
        "roq", "sgi_pipe", "smk", "sunrast_pipe", "svag", "swf", "tga_pipe", "tiff_pipe", "ty", "vc1", "vc1test", "vvc",
        "webm", "webp_pipe", "wtv", "wtvchunk", "xbm_pipe", "xmv", "xwd_pipe", "yuv4mpegpipe", "wav", "w64", "mp3",
        "aac", "flac", "aiff", "au", "caf", "ac3", "eac3", "amr", "ape", "wv", "tta",
    ].joined(separator: ",")
}
