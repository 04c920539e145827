import Foundation
import Video

/// Identifies a file that is not a list, with a way to convert it.
struct ForeignFile {
    let description: String
    let remedy: String

    private static let asCSV = "save it as CSV with the columns path and label"

    private static let signatures: [(start: [UInt8], what: String, remedy: String)] = [
        ([0x50, 0x4B, 0x03, 0x04], "a ZIP archive, such as an Excel or OpenDocument file", asCSV),
        ([0xD0, 0xCF, 0x11, 0xE0], "an old Excel file", asCSV),
        ([0x1F, 0x8B], "compressed with gzip", "decompress it with gunzip"),
        (Array("BZh".utf8), "compressed with bzip2", "decompress it with bunzip2"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A], "compressed with xz", "decompress it with unxz"),
        ([0x28, 0xB5, 0x2F, 0xFD], "compressed with Zstandard", "decompress it with unzstd"),
        ([0x37, 0x7A, 0xBC, 0xAF], "a 7z archive", "unpack it"), (Array("Rar!".utf8), "a RAR archive", "unpack it"),
        (Array("SQLite format 3".utf8), "an SQLite database", asCSV), (Array("PAR1".utf8), "a Parquet file", asCSV),
        (Array("%PDF".utf8), "a PDF file", asCSV), (Array("{\\rtf".utf8), "an RTF file", asCSV),
        ([0x93] + Array("NUMPY".utf8), "a NumPy file", asCSV), ([0x89] + Array("HDF".utf8), "an HDF5 file", asCSV),
        ([0x80, 0x02], "a Python pickle", asCSV), ([0x80, 0x03], "a Python pickle", asCSV),
        ([0x80, 0x04], "a Python pickle", asCSV), ([0x80, 0x05], "a Python pickle", asCSV),
        ([0xFF, 0xFE, 0, 0], "text in UTF-32", "save it as UTF-8"),
        ([0, 0, 0xFE, 0xFF], "text in UTF-32", "save it as UTF-8"),
        (Array("<!".utf8), "an HTML or XML file", "download the list itself, or save it as CSV"),
        (Array("<html".utf8), "an HTML file", "download the list itself, or save it as CSV"),
        (Array("<?xml".utf8), "an XML file", asCSV),
    ]

    /// Nil if the file may be text.
    init?(_ data: Data, path: String) {
        let start = data.prefix(1024)
        let isWide = start.starts(with: [0xFF, 0xFE]) || start.starts(with: [0xFE, 0xFF])
        if let known = Self.signatures.first(where: { start.starts(with: $0.start) }) {
            (description, remedy) = (known.what, known.remedy)
        } else if !isWide, Self.isBinary(start) {
            let content = (try? FileContent.of(path)) ?? .unknown
            let isNamed = ![.unknown, .text, .empty, .damaged].contains(content)
            (description, remedy) = (isNamed ? content.description : "a binary file", "correct `dataset.splits`")
        } else {
            return nil
        }
    }

    /// Whether there are bytes that no text contains: control characters, and zeros that are not part of UTF-16.
    private static func isBinary(_ start: Data) -> Bool {
        let odd = start.enumerated().count { $0.offset % 2 == 1 && $0.element == 0 }
        let even = start.count { $0 == 0 } - odd
        let isWide = max(odd, even) * 4 > start.count && min(odd, even) * 20 < start.count
        if isWide { return false }
        // A single zero or control character may be damage, which is reported with its row.
        let control = start.count { $0 < 0x20 && ![0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1A, 0x1B].contains($0) }
        return control > 0 && control * 50 > start.count
    }
}
