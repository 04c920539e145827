import CFFmpeg
import Files
import Foundation

/// The kind of content of a regular file, detected from its first bytes and not from its extension.
package enum FileContent: Sendable, Equatable {
    case video, image
    /// An image in a format that `DecodingLimits.containers` lacks, or that FFmpeg cannot decode.
    case unreadImage
    /// An animated WebP, which FFmpeg up to version 7 cannot decode.
    case animatedWebP
    /// Audio, optionally with a cover image.
    case audio
    /// A text that lists other files, such as M3U, PLS, ffconcat, DASH or SDP.
    case playlist
    /// Any other text, including subtitles and tables.
    case text
    case empty
    /// A file in a known container that cannot be opened.
    case damaged
    case unknown

    /// Detects a file's content, opening no files that it names. Throws `FileError` if not regular or not openable.
    package static func of(_ path: String) throws(FileError) -> FileContent {
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
        // TGA has no signature and JPEG a short one, so FFmpeg also uses the extension, and an image must be found.
        return start.mayBeImage(called: path) ? images(path) ?? .unknown : .unknown
    }

    /// A noun phrase for messages, such as `a text file`.
    package var description: String {
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
        case .unknown: "of an unsupported format"
        }
    }

    private static func of(_ path: String, opened format: InputFormat) -> FileContent {
        if format.isImage { return images(path) ?? .unreadImage }
        guard let container = try? Container(path: path) else { return .damaged }
        if let stream = container.bestStream(AVMEDIA_TYPE_VIDEO), stream.pointee.codecpar.pointee.width > 0 {
            return .video
        }
        guard container.findStreams(.standard) >= 0 else { return .damaged }
        if let stream = container.bestStream(AVMEDIA_TYPE_VIDEO) {
            // Bytes that only resemble an elementary stream contain no frame.
            return stream.pointee.codecpar.pointee.width > 0 || !format.isElementary ? .video : .unknown
        }
        return container.bestStream(AVMEDIA_TYPE_AUDIO) == nil ? .unknown : .audio
    }

    /// An image, or a video of several in one file (`ffmpeg -f mjpeg`); nil if FFmpeg finds no image.
    private static func images(_ path: String) -> FileContent? {
        guard let container = try? Container(path: path), container.findStreams(.standard) >= 0,
            let stream = container.bestStream(AVMEDIA_TYPE_VIDEO), stream.pointee.codecpar.pointee.width > 0
        else { return nil }
        let names = InputFormat.names(of: container.context.pointee.iformat)
        // Guesses of elementary streams reach this point too, as do AVIF images.
        let isFile = names.contains("image2") || names.contains("mov")
        let isSequence = names.contains { $0 == "mjpeg" || $0.hasSuffix("_pipe") }
        guard isFile || isSequence else { return nil }
        let isNamed = ImageFolder.isImage(path.fileName)
        return isSequence && !isNamed && container.holds(packets: 2) ? .video : .image
    }
}

/// A demuxer suggested by a file's first bytes.
struct InputFormat {
    /// FFmpeg's names of the demuxer.
    let names: [String]
    /// FFmpeg's probe score, 1 to 100.
    let score: Int

    /// A score up to this one is a guess (`AVPROBE_SCORE_RETRY`).
    static let lowestScore = 25
    private static let read = Set(DecodingLimits.containers.split(separator: ",").map(String.init))

    /// The most probable format of these bytes, from their content, and from the extension of `name` if given.
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

    /// Whether `DecodingLimits.containers` includes it.
    var isRead: Bool { names.contains(where: Self.read.contains) }
    /// Whether it is a single-image format.
    var isImage: Bool { names.contains { $0.hasSuffix("_pipe") } }
    /// Whether it refers to other files or addresses.
    var isPlaylist: Bool { names.contains { ["hls", "concat", "dash", "sdp", "imf"].contains($0) } }
    /// Whether it has no header, so that other data may be mistaken for it.
    var isElementary: Bool { score <= 51 }
}
