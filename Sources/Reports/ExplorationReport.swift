import Datasets
import Foundation

/// An exploration report: an interactive map of clips, and lists of clips to check. Its only script is inline and
/// allowed by digest in the content security policy; the page loads nothing else.
package struct ExplorationReport: Report, Sendable {
    package struct Clip: Sendable {
        package let path, split: String
        /// Its class, or its labels.
        let labels: [String]
        package let x, y: Float
        /// Nil if no model that was not trained on the clip predicts it.
        let predictions: [Prediction]?
        /// The most similar clips with their cosine similarities.
        package let near: [(index: Int, cosine: Float)]
        /// Thumbnails as JPEG; nil if they are not included.
        package let strip: Data?

        package init(
            path: String, label: String, split: String, x: Float, y: Float,
            predicted: (label: String, probability: Double)?, near: [(index: Int, cosine: Float)], strip: Data?
        ) {
            self.init(
                path: path, labels: [label], split: split, x: x, y: y,
                predictions: predicted.map { [Prediction(label: $0.label, probability: $0.probability)] }, near: near,
                strip: strip)
        }

        /// A clip with several labels. `predictions`: of the labels that it is predicted to have, and of its own.
        package init(
            path: String, labels: [String], split: String, x: Float, y: Float, predictions: [Prediction]?,
            near: [(index: Int, cosine: Float)], strip: Data?
        ) {
            (self.path, self.labels, self.split, self.x, self.y) = (path, labels, split, x, y)
            (self.predictions, self.near, self.strip) = (predictions, near, strip)
        }
    }

    package struct Prediction: Sendable {
        let label: String
        let probability: Double
        /// Whether the clip is predicted to have the label.
        let isChosen: Bool

        package init(label: String, probability: Double, isChosen: Bool = true) {
            (self.label, self.probability, self.isChosen) = (label, probability, isChosen)
        }
    }

    package struct List: Sendable {
        package let id, heading, text: String
        package let columns: [String]
        /// A text for each column, and the clip that it links to.
        package let rows: [[(text: String, clip: Int?)]]

        package init(
            id: String, heading: String, text: String, columns: [String], rows: [[(text: String, clip: Int?)]]
        ) { (self.id, self.heading, self.text, self.columns, self.rows) = (id, heading, text, columns, rows) }
    }

    /// There are none: the page's script draws the map.
    package let charts: [Chart] = []
    private let title, subtitle: String
    private let notes: [String]
    private let clips: [Clip]
    private let lists: [List]
    private let labels, splits: [String]
    private let isMultilabel: Bool
    /// Labels that the predictions decide on.
    private let predictable: Set<String>

    /// `predictable`: labels that the predictions decide on, if clips have several.
    package init(
        title: String, subtitle: String, notes: [String], clips: [Clip], lists: [List],
        task: DatasetConfiguration.Task = .classification, predictable: [String] = []
    ) {
        (self.title, self.subtitle, self.notes, self.clips, self.lists) = (title, subtitle, notes, clips, lists)
        (isMultilabel, self.predictable) = (task == .multilabel, Set(predictable))
        labels = Set(clips.flatMap { $0.labels + ($0.predictions ?? []).map(\.label) }).sorted()
        splits = Set(clips.map(\.split)).sorted()
    }

    /// Maximum rows of a list.
    private static let shown = 300

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: title, subtitle: subtitle)
        page.notes = notes
        page.tiles = [Page.Tile(name: "clips", value: grouped(clips.count))]
        page.tiles += [
            Page.Tile(name: isMultilabel ? "labels" : "classes", value: "\(Set(clips.flatMap(\.labels)).count)")
        ]
        // The number of labels has a tile already; the list has rows for no label and all clips too.
        for list in lists where !isMultilabel || list.id != "classes" {
            page.tiles.append(Page.Tile(name: list.heading.lowercased(), value: grouped(list.rows.count)))
        }
        page.sections = [
            Page.Section(
                id: "map-of-clips", heading: "Map",
                text: "Nearby clips have similar features. Point at a clip to see its frames and its nearest "
                    + "neighbours; the wheel or + and - zoom, the arrow keys move between clips.", html: try mapHTML())
        ]
        page.sections += lists.map(section)
        page.script = Page.Script(text: String(decoding: PackageResources.explore_js, as: UTF8.self), data: try json())
        return try page.html()
    }

    private func section(_ list: List) -> Page.Section {
        let rows = list.rows.prefix(Self.shown).map { row in
            Page.Row(cells: row.map { Page.Cell(text: $0.text, clip: $0.clip.map(String.init)) })
        }
        let rest = list.rows.count - rows.count
        return Page.Section(
            id: list.id, heading: list.heading,
            text: list.text + (rest > 0 ? " The first \(Self.shown) of \(grouped(list.rows.count)) are shown." : ""),
            tables: rows.isEmpty ? [] : [Page.Table(columns: list.columns.map { Page.Cell(text: $0) }, rows: rows)])
    }

    private func mapHTML() throws -> String {
        func numbered(_ names: [String]) -> [[String: String]] {
            names.enumerated().map { ["number": "\($0)", "name": $1] }
        }
        return try Page.rendered(
            PackageResources.explore_mustache,
            [
                "isPredicted": clips.contains { $0.predictions != nil }, "isMultilabel": isMultilabel,
                "labels": numbered(labels), "splits": numbered(splits),
            ])
    }

    private struct Document: Encodable {
        struct Clip: Encodable {
            let path: String
            let labels: [Int]
            let split: Int
            let x, y: Float
            /// Index of a label, its probability, and 1 if it is predicted, else 0.
            let predictions: [[Double]]?
            let near: [[Double]]
            /// Index into `strips`.
            let strip: Int?
        }
        let isMultilabel: Bool
        let labels, splits: [String]
        /// Indices of the labels that the predictions decide on.
        let predictable: [Int]
        let clips: [Clip]
        let strips: [String]
    }

    private func json() throws -> String {
        func numbers(_ names: [String]) -> [String: Int] {
            Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
        }
        let (ofLabel, ofSplit) = (numbers(labels), numbers(splits))
        // Frames of one clip share its thumbnails.
        var strips: [Data] = []
        var known: [Data: Int] = [:]
        func number(_ strip: Data) -> Int {
            if let number = known[strip] { return number }
            known[strip] = strips.count
            strips.append(strip)
            return strips.count - 1
        }
        let documents = clips.map { clip in
            Document.Clip(
                path: clip.path, labels: clip.labels.compactMap { ofLabel[$0] }, split: ofSplit[clip.split] ?? 0,
                x: clip.x, y: clip.y,
                predictions: clip.predictions?.map { prediction in
                    [Double(ofLabel[prediction.label] ?? 0), prediction.probability, prediction.isChosen ? 1 : 0]
                },
                near: clip.near.map { [Double($0.index), Double($0.cosine)] }, strip: clip.strip.map(number))
        }
        let document = Document(
            isMultilabel: isMultilabel, labels: labels, splits: splits,
            predictable: labels.indices.filter { predictable.contains(labels[$0]) }, clips: documents,
            strips: strips.map { "data:image/jpeg;base64," + $0.base64EncodedString() })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
