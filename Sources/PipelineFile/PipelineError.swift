import Foundation

/// An error in a pipeline file, with its line and a suggestion.
package struct PipelineError: LocalizedError, Equatable {
    /// The pipeline file, or `--set`.
    package let file: String
    /// From 1; nil if the error has no single position.
    package let line: Int?
    /// The problem and a suggestion.
    package let message: String

    package var errorDescription: String? {
        line.map { "\(file), line \($0): \(message)" } ?? "\(file): \(message)"
    }
}

extension PipelineError {
    /// An error of the file as a whole.
    package init(file: String, _ message: String) { self.init(file: file, line: nil, message: message) }
}

/// The candidate most similar to `word`, or nil if none is similar enough.
package func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
    guard word.utf8.count <= 100 else { return nil }
    let word = word.lowercased()
    let ranked = candidates.map { candidate in
        // A prefix counts like one typing error: "ucf" means ucf101.
        let isBeginning = word.count > 1 && candidate.lowercased().hasPrefix(word)
        return (candidate: candidate, distance: isBeginning ? 1 : editDistance(word, candidate.lowercased()))
    }
    guard let best = ranked.min(by: { ($0.distance, $0.candidate) < ($1.distance, $1.candidate) }) else { return nil }
    return best.distance <= max(2, max(word.count, best.candidate.count) / 2) ? best.candidate : nil
}

/// Restricted Damerau-Levenshtein distance: insertions, deletions, replacements and transpositions.
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
