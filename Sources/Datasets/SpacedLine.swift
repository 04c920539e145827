import Escaping
import Foundation
import Video

/// A line of fields separated by spaces, as in lists of SlowFast and MMAction2: `run/1.mp4 3`, `run/frames 120 3`.
/// Paths and labels may contain spaces too.
struct SpacedLine {
    private let text: String
    private let isClip: (String) -> Bool
    /// Separated by spaces and tabs; a quoted field is one word.
    let words: [String]
    /// Whether a quoted field has no closing quote.
    let isUnterminated: Bool

    /// Whether the line begins with an unquoted `#`.
    var isMarked: Bool { text.hasBytePrefix("#") }

    init(_ text: some StringProtocol, isClip: @escaping (String) -> Bool) {
        self.text = text.trimmingCharacters(in: .whitespaces)
        self.isClip = isClip
        let plain = self.text.replacingBytes("\t", with: " ")
        let records = try? CSVTable.records(plain, separator: UInt8(ascii: " "), limit: 1)
        isUnterminated = records == nil
        let fields = records?.first
        words = (fields ?? plain.splitBytes(" ").map(String.init)).filter { !$0.isEmpty }
    }

    /// Path and label, or path, number of frames and label; every word if a header row has more than two columns.
    func fields(columns: Int?) -> [String] {
        guard columns ?? 2 == 2, words.count > 2, !text.hasBytePrefix("\"") else { return words }
        let ends = (1..<words.count).map { Array(words.prefix($0)) }
        // A path ends at its first word with a video extension.
        if let path = ends.first(where: { VideoReader.isVideo($0.last ?? "") }) { return split(after: path.count) }
        let numbers = words.reversed().prefix { Int($0) != nil }.count
        let counts = numbers > 1 ? [words.count - 1, words.count - 2] : Array((1..<words.count).reversed())
        if let known = counts.first(where: { isClip(words.prefix($0).joined(separator: " ")) }) {
            return split(after: known)
        }
        if VideoReader.isVideo(text), let label = words.first {
            return [label, words.dropFirst().joined(separator: " ")]
        }
        return split(after: numbers > 1 ? words.count - 2 : numbers == 1 ? words.count - 1 : 1)
    }

    /// The first `count` words are the path, the others numbers or one label.
    private func split(after count: Int) -> [String] {
        let path = words.prefix(count).joined(separator: " ")
        let others = Array(words.dropFirst(count))
        return others.allSatisfy { Int($0) != nil } ? [path] + others : [path, others.joined(separator: " ")]
    }
}
