import Escaping
import Foundation

/// Finds suspicious class names: several names that may be one class, several classes in one name, or no class. The
/// user is notified; labels are not changed.
struct SuspiciousClassNames {
    /// One note for each kind.
    let notes: [String]

    /// A label compared by its bytes, because Swift considers different Unicode forms equal.
    private struct Label: Hashable {
        let text: String
        private let bytes: [UInt8]

        init(_ text: String) { (self.text, bytes) = (text, Array(text.utf8)) }

        static func == (one: Self, other: Self) -> Bool { one.bytes == other.bytes }
        func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
    }

    init(_ labels: some Sequence<String>, task: DatasetConfiguration.Task = .classification) {
        let (classes, one) = task == .multilabel ? ("labels", "label") : ("classes", "class")
        let remedy =
            task == .multilabel
            ? "`dataset.label_separator` is the text between labels"
            : "set `dataset.task: multilabel` if a clip can have several labels"
        let spelled = Set(labels.map(Label.init)).map(\.text).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let spelling = LabelSpelling(spelled)
        let all = spelled.filter { spelling.first($0).utf8.elementsEqual($0.utf8) }
        let numbers = all.filter { Self.number($0) != nil }
        let words = all.filter { Self.number($0) == nil }
        var notes: [String] = []
        func add(_ groups: [[String]], _ text: String) {
            guard !groups.isEmpty else { return }
            let shown = groups.prefix(5).map { Self.shown($0).map { "`\($0)`" }.joined(separator: " and ") }
            notes.append(
                "\(text): \(shown.joined(separator: ", "))\(groups.count > 5 ? " and \(groups.count - 5) more" : "")")
        }
        add(
            Self.groups(spelled, by: spelling.first),
            "the same \(one) in more than one Unicode form, which is spelled as the first")
        add(
            Self.groups(words, by: Self.folded),
            "different \(classes) whose names differ only in case, white space or punctuation")
        add(Self.groups(numbers) { Self.number($0) ?? $0 }, "different \(classes) whose names are the same number")
        add(
            numbers.filter { Self.number($0)?.utf8.contains(UInt8(ascii: ".")) == true }.map { [$0] },
            "\(classes) whose name is a decimal fraction or two numbers")
        add(
            Self.combinations(all).map { [$0] },
            "\(classes) whose names look like several labels; each is treated as one \(one); \(remedy)")
        add(words.filter(Self.isMissing).map { [$0] }, "\(classes) whose names denote a missing value")
        add(
            Set(all.compactMap(SplitNames.split(named:))).count > 1
                ? [all.filter { SplitNames.split(named: $0) != nil }] : [],
            "\(classes) named like splits of a data set; put splits into a column named `split`")
        self.notes = notes
    }

    /// A note if no clip has several labels, but a label contains a sign that often separates labels; nil otherwise.
    static func separatorNote(_ labels: [[String]], separator: String) -> String? {
        guard labels.allSatisfy({ $0.count < 2 }) else { return nil }
        let signs = ["|", ";", ","].filter { $0 != separator }
        let label = labels.joined().filter { label in signs.contains { label.utf8.contains($0.utf8.first ?? 0) } }.min()
        return label.map {
            "no clip has several labels: `\($0)` is one label, since `dataset.label_separator` is `\(separator)`"
        }
    }

    /// Groups of several labels with the same key.
    private static func groups(_ labels: [String], by key: (String) -> String) -> [[String]] {
        var groups: [[UInt8]: [String]] = [:]
        for label in labels { groups[Array(key(label).utf8), default: []].append(label) }
        return groups.values.filter { $0.count > 1 }.sorted { $0[0].utf8.lexicographicallyPrecedes($1[0].utf8) }
    }

    /// Labels with non-ASCII characters as `\u{…}` if they look the same.
    private static func shown(_ labels: [String]) -> [String] {
        let looks = Set(
            labels.map { visible($0.precomposedStringWithCompatibilityMapping).trimmingCharacters(in: .whitespaces) })
        return looks.count < labels.count && labels.count > 1 ? labels.map(LeftOut.Reason.spelled) : labels
    }

    /// The text without zero-width characters and without whitespace other than spaces.
    private static func visible(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.properties.isWhitespace ? " " : $0 }.filter {
                    $0.properties.generalCategory != .format
                }))
    }

    /// A label without case, whitespace, quotes and punctuation, for comparison.
    private static func folded(_ label: String) -> String {
        let plain = visible(label.precomposedStringWithCompatibilityMapping).replacingBytes("\"", with: " ")
        return FileFinder.key(ofFolder: plain.trimmingCharacters(in: .whitespaces))
    }

    /// A number without leading and trailing zeros, `01` and `1,0` as `1`; nil if the label is not a number.
    private static func number(_ label: String) -> String? {
        guard let match = label.wholeMatch(of: /([+-]?)([0-9]+)(?:[.,]([0-9]+))?/) else { return nil }
        let whole = match.2.drop { $0 == "0" }
        let fraction = String((match.3 ?? "").reversed().drop { $0 == "0" }.reversed())
        let digits = (whole.isEmpty ? "0" : whole) + (fraction.isEmpty ? "" : "." + fraction)
        return (match.1 == "-" && digits != "0" ? "-" : "") + digits
    }

    /// Labels that contain another label as a part: `jump|run` beside `run`.
    private static func combinations(_ labels: [String]) -> [String] {
        let keys = Set(labels.map(folded))
        return labels.filter { label in
            guard number(label) == nil else { return false }
            func parts(_ isSeparator: (Character) -> Bool) -> [String] {
                let parts = label.split(omittingEmptySubsequences: false, whereSeparator: isSeparator)
                return parts.count > 1 ? parts.map { folded(String($0)) } : []
            }
            // A comma with a space is common inside the name of one class.
            let strong =
                label.utf8.contains(UInt8(ascii: " ")) ? parts { "|;".contains($0) } : parts { "|;,".contains($0) }
            let weak = parts { "|;,+&/".contains($0) }
            return strong.contains(where: keys.contains) || !weak.isEmpty && weak.allSatisfy(keys.contains)
        }
    }

    private static func isMissing(_ label: String) -> Bool {
        ["nan", "null", "n/a", "<na>", "#n/a", "undefined"].contains(label.lowercased())
    }
}
