import Foundation

/// The labels of a clip in a data set of the task `multilabel`, as text: a JSON array of the names in ascending order,
/// such as `["jump","run"]`, and `[]` for a clip without labels.
package enum LabelSet {
    package static func text(_ names: some Sequence<String>) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        let sorted = Set(names).sorted()
        return (try? encoder.encode(sorted)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    }

    /// Nil if the text is not a JSON array of texts.
    package static func names(_ text: String) -> [String]? {
        try? JSONDecoder().decode([String].self, from: Data(text.utf8))
    }

    /// The names for people, such as `jump, run`; `none` for a clip without labels.
    package static func shown(_ names: [String]) -> String { names.isEmpty ? "none" : names.joined(separator: ", ") }
}

extension DatasetConfiguration {
    /// What a clip's label is.
    package enum Task: String, Sendable, CaseIterable, Codable {
        /// One class.
        case classification
        /// Any number of labels; `label` is the text of a `LabelSet`.
        case multilabel

        /// The names in the text of a clip's label: its class, or its labels.
        package func names(in label: String) -> [String] {
            switch self {
            case .classification: [label]
            case .multilabel: LabelSet.names(label) ?? []
            }
        }

        /// The label for people.
        package func shown(_ label: String) -> String {
            self == .classification ? label : LabelSet.shown(names(in: label))
        }
    }
}
