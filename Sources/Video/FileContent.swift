import CFFmpeg
import Escaping
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

extension FileContent {
    /// The first bytes of a file, and their format.
    struct Start {
        /// At most 4 KiB, or as many as are needed to detect the format, up to 1 MiB.
        let bytes: Data
        let format: InputFormat?

        init(of path: String) throws(FileError) {
            for count in [1 << 12, 1 << 16, 1 << 20] {
                let bytes = try RegularFile.start(of: path, count: count)
                let start = Start(bytes, bytes.isEmpty ? nil : InputFormat(bytes))
                let score = start.format?.score ?? 0
                // More bytes confirm a guess; data that is undetected after 64 KiB, or that is text, is not read
                // further.
                let isHopeless = score == 0 && (count > 1 << 12 || start.isText)
                if bytes.count < count || score > InputFormat.lowestScore || isHopeless || count == 1 << 20 {
                    self = start
                    return
                }
            }
            self.init(Data())
        }

        init(_ bytes: Data, _ format: InputFormat? = nil) { (self.bytes, self.format) = (bytes, format) }

        /// Whether FFmpeg guesses an image format from these bytes or from the extension of `path`.
        func mayBeImage(called path: String) -> Bool {
            if let format, format.isImage || format.names.contains("mjpeg") { return true }
            return InputFormat(bytes.prefix(1 << 12), called: path)?.names.contains("image2") == true
        }

        /// Whether a WebP's extended header has the animation flag.
        var isAnimatedWebP: Bool {
            let head = [UInt8](bytes.prefix(21))
            guard head.count == 21, head.starts(with: "RIFF".utf8), head[8..<16].elementsEqual("WEBPVP8X".utf8) else {
                return false
            }
            return head[20] & 2 != 0
        }

        /// Whether the brand of an ISO base media file is that of a single image, as in AVIF and HEIC.
        var isImageBrand: Bool {
            let head = [UInt8](bytes.prefix(12))
            guard head.count == 12, head[4..<8].elementsEqual("ftyp".utf8) else { return false }
            return ["avif", "heic", "heix", "heim", "heis", "mif1"].contains { head[8..<12].elementsEqual($0.utf8) }
        }

        /// Whether the first 4 KiB are text in ASCII, UTF-8, Latin-1 or UTF-16.
        var isText: Bool {
            let head = [UInt8](bytes.prefix(1 << 12))
            if head.starts(with: [0xFF, 0xFE]) || head.starts(with: [0xFE, 0xFF]) { return true }
            let whitespace: ClosedRange<UInt8> = 0x09...0x0D
            if head.contains(where: { $0 < 0x20 && !whitespace.contains($0) && $0 != 0x1B || $0 == 0x7F }) {
                return false
            }
            // The last character may be truncated.
            let isUTF8 = (0...3).contains { String(validating: head.dropLast($0), as: UTF8.self) != nil }
            return !head.isEmpty && (isUTF8 || head.count { $0 < 0x80 } * 10 > head.count * 7)
        }

        /// Whether it is a text that lists other files, by its first line or the extension of `path`.
        func isPlaylist(called path: String) -> Bool {
            guard isText else { return false }
            let text = String(decoding: bytes.prefix(1 << 12), as: UTF8.self)
            let start = text.drop { $0.isWhitespace || $0 == "\u{FEFF}" }.lowercased()
            let isMarked = Self.marks.contains(where: start.hasBytePrefix)
            let isMarkup = start.hasBytePrefix("<") && Self.elements.contains(where: start.containsBytes)
            return isMarked || isMarkup || Self.endings.contains(Self.ending(path))
        }

        private static let marks = [
            "#extm3u", "[playlist]", "[reference]", "ffconcat version", "file '", "file \"", "v=0\no=", "v=0\r\no=",
        ]
        private static let elements = ["<mpd", "<smoothstreamingmedia", "<asx", "<smil", "<playlist"]
        private static let endings: Set<String> = [
            "m3u", "m3u8", "pls", "mpd", "ffconcat", "xspf", "asx", "wpl", "sdp", "ism",
        ]

        private static func ending(_ path: String) -> String { path.fileExtension.lowercased() }
    }
}
