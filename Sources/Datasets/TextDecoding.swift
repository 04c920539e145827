import Foundation

/// Decodes a text of unknown encoding: UTF-8 or UTF-16 with or without a byte-order mark, otherwise Windows-1252, which
/// contains all letters of Latin-1.
struct TextDecoding {
    /// The text without a byte-order mark.
    let text: String
    /// A note if the encoding is a guess; nil if it is certain.
    let guess: String?

    /// Some characters are UTF-8 and others are not, so that no encoding is valid.
    struct Mixed: Error {
        let line: Int
        var description: String {
            "line \(line) is not UTF-8, though other lines have letters in UTF-8: the file mixes encodings"
        }
    }

    init(_ data: Data) throws(Mixed) {
        let bytes = [UInt8](data)
        if let order = Self.utf16(bytes) {
            let mark = bytes.starts(with: order.mark) ? 2 : 0
            text = Self.utf16(bytes[mark...], littleEndian: order.isLittleEndian)
            guess = nil
            return
        }
        let start = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
        if let text = String(validating: bytes[start...], as: UTF8.self) {
            (self.text, guess) = (text, nil)
            return
        }
        if let line = Self.firstLineOfOtherEncoding(bytes) { throw Mixed(line: line) }
        var scalars = String.UnicodeScalarView()
        for byte in bytes { scalars.append(Self.windows1252(byte)) }
        text = String(scalars)
        guess = "is not UTF-8 and is read as Windows-1252 (Latin-1); save it as UTF-8 if letters are wrong"
    }

    private struct ByteOrder {
        let isLittleEndian: Bool
        var mark: [UInt8] { isLittleEndian ? [0xFF, 0xFE] : [0xFE, 0xFF] }
    }

    /// Nil if not UTF-16: without a mark, either the first or the second byte of most pairs is 0 in Latin text.
    private static func utf16(_ bytes: [UInt8]) -> ByteOrder? {
        for isLittleEndian in [true, false] where bytes.starts(with: ByteOrder(isLittleEndian: isLittleEndian).mark) {
            return ByteOrder(isLittleEndian: isLittleEndian)
        }
        let sample = bytes.prefix(4096)
        guard sample.contains(0), bytes.count.isMultiple(of: 2) else { return nil }
        var zeros = [0, 0]
        for (index, byte) in sample.enumerated() where byte == 0 { zeros[index % 2] += 1 }
        let pairs = sample.count / 2
        if zeros[1] * 2 > pairs, zeros[0] * 20 < pairs { return ByteOrder(isLittleEndian: true) }
        if zeros[0] * 2 > pairs, zeros[1] * 20 < pairs { return ByteOrder(isLittleEndian: false) }
        return nil
    }

    private static func utf16(_ bytes: ArraySlice<UInt8>, littleEndian: Bool) -> String {
        let (high, low) = littleEndian ? (1, 0) : (0, 1)
        let units = stride(from: bytes.startIndex, to: bytes.endIndex - 1, by: 2).map { place in
            UInt16(bytes[place + high]) << 8 | UInt16(bytes[place + low])
        }
        return String(decoding: units, as: UTF16.self)
    }

    /// The first line that is not UTF-8, if there are UTF-8 characters too.
    private static func firstLineOfOtherEncoding(_ bytes: [UInt8]) -> Int? {
        var (first, hasLetters) = (Int?.none, false)
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            if String(validating: line, as: UTF8.self) == nil {
                first = first ?? index + 1
            } else if line.contains(where: { $0 >= 0x80 }) {
                hasLetters = true
            }
        }
        return hasLetters ? first : nil
    }

    /// The characters of 0x80 to 0x9F, which are control characters in Latin-1.
    private static let windowsLetters: [UInt16] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8D,
        0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A,
        0x0153, 0x9D, 0x017E, 0x0178,
    ]

    private static func windows1252(_ byte: UInt8) -> Unicode.Scalar {
        guard (0x80...0x9F).contains(byte) else { return Unicode.Scalar(byte) }
        return Unicode.Scalar(windowsLetters[Int(byte) - 0x80]) ?? "\u{FFFD}"
    }
}
