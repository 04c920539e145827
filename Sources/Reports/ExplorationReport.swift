import Foundation

/// An exploration report: an interactive map of clips, and lists of clips to check. Its only script is inline and
/// allowed by digest in the content security policy; the page loads nothing else.
package struct ExplorationReport: Report, Sendable {
    package struct Clip: Sendable {
        package let path, label, split: String
        package let x, y: Float
        /// Most probable class and its probability, if a run predicts it.
        package let predicted: (label: String, probability: Double)?
        /// The most similar clips with their cosine similarities.
        package let near: [(index: Int, cosine: Float)]
        /// Thumbnails as JPEG; nil if they are not included.
        package let strip: Data?

        package init(
            path: String, label: String, split: String, x: Float, y: Float,
            predicted: (label: String, probability: Double)?, near: [(index: Int, cosine: Float)], strip: Data?
        ) {
            (self.path, self.label, self.split, self.x, self.y) = (path, label, split, x, y)
            (self.predicted, self.near, self.strip) = (predicted, near, strip)
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

    package init(title: String, subtitle: String, notes: [String], clips: [Clip], lists: [List]) {
        (self.title, self.subtitle, self.notes, self.clips, self.lists) = (title, subtitle, notes, clips, lists)
        labels = Set(clips.map(\.label) + clips.compactMap { $0.predicted?.label }).sorted()
        splits = Set(clips.map(\.split)).sorted()
    }

    /// Maximum rows of a list.
    private static let shown = 300

    package func html(drawn: [Data]) throws -> String {
        var page = Page(title: title, subtitle: subtitle)
        page.notes = notes
        page.tiles = [Page.Tile(name: "clips", value: grouped(clips.count))]
        page.tiles += [Page.Tile(name: "classes", value: "\(Set(clips.map(\.label)).count)")]
        page.tiles += lists.map { Page.Tile(name: $0.heading.lowercased(), value: grouped($0.rows.count)) }
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
                "isPredicted": clips.contains { $0.predicted != nil }, "labels": numbered(labels),
                "splits": numbered(splits),
            ])
    }

    private struct Document: Encodable {
        struct Clip: Encodable {
            let path: String
            let label, split: Int
            let x, y: Float
            let predicted: Int?
            let probability: Double?
            let near: [[Double]]
            /// Index into `strips`.
            let strip: Int?
        }
        let labels, splits: [String]
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
                path: clip.path, label: ofLabel[clip.label] ?? 0, split: ofSplit[clip.split] ?? 0, x: clip.x, y: clip.y,
                predicted: clip.predicted.flatMap { ofLabel[$0.label] }, probability: clip.predicted?.probability,
                near: clip.near.map { [Double($0.index), Double($0.cosine)] }, strip: clip.strip.map(number))
        }
        let document = Document(
            labels: labels, splits: splits, clips: documents,
            strips: strips.map { "data:image/jpeg;base64," + $0.base64EncodedString() })
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
