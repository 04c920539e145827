import Foundation

/// What is wrong with a pipeline file, where, and what was probably meant.
public struct PipelineError: LocalizedError, Equatable {
    /// The pipeline file, or `--set`.
    public let file: String
    /// From 1; nil where the fault is not in one place.
    public let line: Int?
    /// What is wrong, and what was probably meant.
    public let message: String

    init(file: String, line: Int?, message: String) {
        self.file = file
        self.line = line
        self.message = message
    }

    /// A fault of the file as a whole.
    public init(file: String, _ message: String) { self.init(file: file, line: nil, message: message) }

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        line.map { "\(file), line \($0): \(message)" } ?? "\(file): \(message)"
    }
}

/// The candidate most like `word`, or nil where none is near enough to have been meant.
public func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    guard word.utf8.count <= 100 else { return nil }
    let word = word.lowercased()
    let ranked = candidates.map { candidate in
        // A beginning is as near as one slip: "ucf" means ucf101.
        let isBeginning = word.count > 1 && candidate.lowercased().hasPrefix(word)
        return (candidate: candidate, distance: isBeginning ? 1 : editDistance(word, candidate.lowercased()))
    }
    guard let best = ranked.min(by: { ($0.distance, $0.candidate) < ($1.distance, $1.candidate) }) else { return nil }
    return best.distance <= max(2, max(word.count, best.candidate.count) / 2) ? best.candidate : nil
}

/// Insertions, deletions, replacements and swaps of neighbours (Damerau's distance, restricted).
private func editDistance(_ first: String, _ second: String) -> Int {
    let (first, second) = (Array(first), Array(second))
    var table = [Array(0...second.count)]
    for i in first.indices {
        var row = [i + 1]
        for j in second.indices {
            let replaced = table[i][j] + (first[i] == second[j] ? 0 : 1)
            var best = min(replaced, table[i][j + 1] + 1, row[j] + 1)
            if i > 0, j > 0, first[i] == second[j - 1], first[i - 1] == second[j] {
                best = min(best, table[i - 1][j - 1] + 1)
            }
            row.append(best)
        }
        table.append(row)
    }
    return table[first.count][second.count]
}
