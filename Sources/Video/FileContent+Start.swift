import Escaping
import Files
import Foundation

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
