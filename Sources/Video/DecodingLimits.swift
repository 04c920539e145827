import CFFmpeg

/// What a clip may cost, whatever its header claims: a small file must not take the machine.
public struct DecodingLimits: Sendable, Equatable {
    /// Of one picture; twice the 8K of television by default.
    public var pixels = 8192 * 8192
    /// In a clip; 46 hours at 30 a second by default.
    public var frames = 5_000_000
    /// For one pass over a clip, and for each of its frames on top.
    public var seconds = 600.0, secondsPerFrame = 1.0
    /// Bytes of the file for each second on top: an animated PNG of 400 kB can hold thousands of frames of 8K, each of which
    /// takes as long as a real one. Video of 80 kbit/s is still given its own duration.
    public var bytesPerSecond = 10_000.0

    /// Pixels of all frames together, and so many more for each byte of the file: 1,000 frames of 8K, or an hour of a still
    /// picture in high definition in 1.2 MB, which encoders need twice.
    public var totalPixels = 1 << 36, pixelsPerByte = 100_000

    /// Whether a file of so many bytes may have so many frames of that size.
    func allows(width: Int, height: Int, frames: Int, bytes: Int) -> Bool {
        let all = (width * height).multipliedReportingOverflow(by: frames)
        return !all.overflow && all.partialValue <= totalPixels + pixelsPerByte * min(bytes, 1 << 40)
    }

    /// Seconds for one pass over a file.
    func secondsAllowed(frames: Int, bytes: Int) -> Double {
        seconds + min(secondsPerFrame * Double(frames), Double(bytes) / max(1, bytesPerSecond))
    }

    /// Frames of all windows together: of two days at 30 a second, each frame in four windows.
    public var windowFrames = 20_000_000

    /// Throws unless the frames that a request wants of a clip fit into memory. Allocates nothing.
    ///
    /// - Parameter clock: ascending times of the clip's frames in seconds.
    /// - Throws: `VideoError.beyondLimits`.
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
                    "its \(clock.count) frames lie over \(Int(min(seconds, 1e15))) s, which gives \(windows) windows of "
                    + "\(sampling.length) frames")
        }
    }

    /// The usual ones.
    public init() {}

    /// Those that every clip is read with.
    public static let standard = DecodingLimits()

    /// Containers that hold pictures themselves. What is missing: playlists, lists of other files, scripts and devices,
    /// which would make us open what somebody else chose. Those of sound alone are there to be told from damage.
    static let containers = [
        "3dostr", "aa", "amv", "apng", "asf", "av1", "avi", "avs2", "avs3", "bink", "bmp_pipe", "cavsvideo", "cdxl",
        "dirac", "dnxhd", "dv", "exr_pipe", "ffv1", "film_cpk", "flic", "flv", "gif", "gif_pipe", "gxf", "h261", "h263",
        "h264", "hevc", "image2", "ingenient", "ivf", "j2k_pipe", "jpeg_pipe", "jpegls_pipe", "jpegxl_pipe", "kux",
        "live_flv",
        "lxf", "m4v", "matroska", "mgsts", "mjpeg", "mjpeg_2000", "mov", "mp4", "mpeg", "mpegts", "mpegvideo", "mpjpeg",
        "mtv", "mv", "mvi", "mxf", "mxg", "nsv", "nut", "nuv", "obu", "ogg", "pam_pipe", "pbm_pipe", "pcx_pipe",
        "pgm_pipe",
        "pgmyuv_pipe", "png_pipe", "ppm_pipe", "pva", "qoi_pipe", "r3d", "rm", "roq", "sgi_pipe", "smk", "sunrast_pipe",
        "svag", "swf", "tga_pipe", "tiff_pipe", "ty", "vc1", "vc1test", "vvc", "webm", "webp_pipe", "wtv", "wtvchunk",
        "xbm_pipe",
        "xmv", "xwd_pipe", "yuv4mpegpipe", "wav", "w64", "mp3", "aac", "flac", "aiff", "au", "caf", "ac3", "eac3",
        "amr", "ape", "wv", "tta",
    ].joined(separator: ",")
}
