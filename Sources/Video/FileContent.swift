import CFFmpeg
import Files
import Foundation

/// What a regular file holds, found from its first bytes, whatever its name ends in.
public enum FileContent: Sendable, Equatable {
    /// A video that can be opened, of a container that holds its frames itself.
    case video
    /// A single image.
    case image
    /// An image of a format that `DecodingLimits.containers` lacks, or that FFmpeg cannot decode.
    case unreadImage
    /// FFmpeg's libraries have no decoder for it up to version 7.
    case animatedWebP
    /// Sound, perhaps with a cover image.
    case audio
    /// A text that names other files, such as M3U, PLS, ffconcat, DASH or SDP.
    case playlist
    /// Any other text, subtitles and tables among them.
    case text
    /// No bytes at all.
    case empty
    /// A container that FFmpeg knows and cannot open.
    case damaged
    /// None of these.
    case unknown

    /// The content of a file; opens nothing that it names.
    ///
    /// - Throws: `FileError` if it is no regular file or cannot be opened.
    public static func of(_ path: String) throws(FileError) -> FileContent {
        let start = try Start(of: path)
        if start.bytes.isEmpty { return .empty }
        if start.isAnimatedWebP { return .animatedWebP }
        if start.isPlaylist(called: path) { return .playlist }
        if let format = start.format, format.score > InputFormat.lowestScore {
            if start.isImageBrand { return images(path) == nil ? .unreadImage : .image }
            if format.isRead { return of(path, opened: format) }
            if format.isImage { return .unreadImage }
            if format.isPlaylist { return .playlist }
        }
        if start.isText { return .text }
        // TGA has no signature and JPEG little of one: FFmpeg goes by the ending too, and there is an image.
        return start.mayBeImage(called: path) ? images(path) ?? .unknown : .unknown
    }

    /// The noun phrase for messages, such as `a text file`.
    public var description: String {
        switch self {
        case .video: "a video"
        case .image: "a single image"
        case .unreadImage: "an image that cannot be read"
        case .animatedWebP: "an animated WebP, which FFmpeg cannot decode: convert it to GIF, APNG or MP4"
        case .audio: "audio without video"
        case .playlist: "a playlist, which names other files"
        case .text: "a text file"
        case .empty: "an empty file"
        case .damaged: "a damaged or cut off video or audio file"
        case .unknown: "of no format that is supported"
        }
    }

    /// What is in a container whose format the first bytes tell.
    private static func of(_ path: String, opened format: InputFormat) -> FileContent {
        if format.isImage { return images(path) ?? .unreadImage }
        guard let container = try? Container(path: path) else { return .damaged }
        if let stream = container.bestStream(AVMEDIA_TYPE_VIDEO), stream.pointee.codecpar.pointee.width > 0 {
            return .video
        }
        guard container.findStreams(.standard) >= 0 else { return .damaged }
        if let stream = container.bestStream(AVMEDIA_TYPE_VIDEO) {
            // Bytes that only look like an elementary stream have no frame.
            return stream.pointee.codecpar.pointee.width > 0 || !format.isElementary ? .video : .unknown
        }
        return container.bestStream(AVMEDIA_TYPE_AUDIO) == nil ? .unknown : .audio
    }

    /// An image, or a video if it is several in one file, as `ffmpeg -f mjpeg` writes them; nil if FFmpeg finds no image.
    private static func images(_ path: String) -> FileContent? {
        guard let container = try? Container(path: path), container.findStreams(.standard) >= 0,
            let stream = container.bestStream(AVMEDIA_TYPE_VIDEO), stream.pointee.codecpar.pointee.width > 0
        else { return nil }
        let names = InputFormat.names(of: container.context.pointee.iformat)
        // Guesses at an elementary stream come here too, and so do images of AVIF.
        let isFile = names.contains("image2") || names.contains("mov")
        let isSequence = names.contains { $0 == "mjpeg" || $0.hasSuffix("_pipe") }
        guard isFile || isSequence else { return nil }
        let isNamed = ImageFolder.isImage(path.fileName)
        return isSequence && !isNamed && container.holds(packets: 2) ? .video : .image
    }
}

/// A demuxer that a file's first bytes suggest.
struct InputFormat {
    /// FFmpeg's names of it.
    let names: [String]
    /// How sure FFmpeg is, 1 to 100.
    let score: Int

    /// At most this is a guess (`AVPROBE_SCORE_RETRY`).
    static let lowestScore = 25
    private static let read = Set(DecodingLimits.containers.split(separator: ",").map(String.init))

    /// The most probable format of these bytes, by content alone, or by the ending of `name` too.
    init?(_ start: Data, called name: String = "") {
        var bytes = [UInt8](start) + [UInt8](repeating: 0, count: Int(AVPROBE_PADDING_SIZE))
        var score: Int32 = 0
        let found = bytes.withUnsafeMutableBufferPointer { buffer in
            name.withCString { name in
                var data = AVProbeData(
                    filename: name, buf: buffer.baseAddress, buf_size: Int32(start.count), mime_type: nil)
                return av_probe_input_format3(&data, 1, &score)
            }
        }
        guard let found else { return nil }
        (names, self.score) = (Self.names(of: found), Int(score))
    }

    static func names(of format: UnsafePointer<AVInputFormat>?) -> [String] {
        guard let name = format?.pointee.name else { return [] }
        return String(cString: name).split(separator: ",").map(String.init)
    }

    /// Whether `DecodingLimits.containers` has it.
    var isRead: Bool { names.contains(where: Self.read.contains) }
    /// Whether it is that of a single image.
    var isImage: Bool { names.contains { $0.hasSuffix("_pipe") } }
    /// Whether it names other files or addresses.
    var isPlaylist: Bool { names.contains { ["hls", "concat", "dash", "sdp", "imf"].contains($0) } }
    /// Whether it has no header of its own, so that other bytes may be taken for it.
    var isElementary: Bool { score <= 51 }
}
