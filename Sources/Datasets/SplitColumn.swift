import Escaping

/// Detects the column with the split of a clip, whatever its name, with notes about ambiguous columns.
struct SplitColumn {
    /// Nil if no column has splits.
    let index: Int?
    let notes: [String]

    /// Names that need no note if all values are splits.
    private static let usual: Set<String> = [
        "splits", "subset", "set", "partition", "phase", "data_split", "dataset_split", "split_name", "subset_name",
        "data_subset", "fold_name",
    ]
    private static let advice =
        "name a column `split`, with the values train, validation and test, if the list has parts"

    /// Statistics of a column's values.
    private struct Values {
        var parts: Set<Split> = []
        /// The first value that is not a split, and its row.
        var foreign: (row: Int, text: String)?
    }

    /// `used`: columns with another meaning. `hasPart`: whether the list belongs to one split. Throws `DatasetError` if
    /// several columns have splits, or one has splits in some rows only.
    init(_ header: [String], _ rows: [ListTable.Row], except used: Set<Int>, file: String, hasPart: Bool) throws {
        let free = header.indices.filter { !used.contains($0) }
        var full: [Int] = [], uncertain: [Int] = []
        for column in free {
            guard let values = Self.values(of: column, rows) else { continue }
            let isUsual = Self.usual.contains(ListColumns.plain(header[column]))
            if let foreign = values.foreign {
                guard values.parts.count > 1 || isUsual else { continue }
                throw DatasetError.malformedRow(
                    file: file, row: foreign.row,
                    reason:
                        "the column \(header[column]) names splits of the data set, but \(foreign.text) is not train, "
                        + "validation or test; add a column named `split`, which takes precedence")
            }
            // A single value, such as `valid`, may have another meaning.
            if isUsual || values.parts.count > 1 || values.parts == [.train] {
                full.append(column)
            } else {
                uncertain.append(column)
            }
        }
        let best = full.filter { Self.usual.contains(ListColumns.plain(header[$0])) }
        let candidates = best.isEmpty ? full : best
        index = candidates.first
        if let first = candidates.first {
            for other in candidates.dropFirst() where !Self.agree(first, other, rows) {
                throw DatasetError.severalSplitColumns(file: file, candidates.map { header[$0] })
            }
            notes =
                best.isEmpty
                ? ["\(file): the column `\(header[first])` is read as the split, since all its values name splits"] : []
            return
        }
        let others = free.filter { uncertain.contains($0) || !hasPart && Self.isAboutParts(header[$0], $0, rows) }
        notes = others.map { "\(file): the column `\(header[$0])` is not read: \(Self.advice)" }
    }

    /// Nil if none of the first values is a split.
    private static func values(of column: Int, _ rows: [ListTable.Row]) -> Values? {
        guard rows.prefix(1000).contains(where: { $0.cell(column).flatMap(SplitNames.split(value:)) != nil }) else {
            return nil
        }
        var values = Values(), known: [String: Split] = [:]
        for row in rows {
            guard let text = row.cell(column) else { continue }
            if let split = known[text] ?? SplitNames.split(value: text) {
                known[text] = split
                values.parts.insert(split)
            } else if values.foreign == nil {
                values.foreign = (row.number, text)
            }
        }
        return values
    }

    private static func agree(_ one: Int, _ other: Int, _ rows: [ListTable.Row]) -> Bool {
        rows.allSatisfy { row in
            row.cell(one).flatMap(SplitNames.split(value:)) == row.cell(other).flatMap(SplitNames.split(value:))
        }
    }

    /// Whether a column is named like folds or splits, such as `fold` or `is_train`.
    static func isAboutParts(_ name: String, _ column: Int, _ rows: [ListTable.Row]) -> Bool {
        let words = ListColumns.words(name)
        if words.contains(where: {
            ["fold", "folds", "kfold", "split", "splits", "subset", "partition", "holdout"].contains($0)
        }) {
            return true
        }
        let flags: Set<String> = ["0", "1", "true", "false", "yes", "no", "y", "n", "t", "f", "x"]
        guard
            words.contains(where: {
                SplitNames.split(named: $0.hasBytePrefix("is") ? String($0.dropFirst(2)) : $0) != nil
            })
        else { return false }
        return rows.prefix(1000).allSatisfy { row in row.cell(column).map { flags.contains($0.lowercased()) } ?? true }
    }
}
