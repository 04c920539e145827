import Foundation

/// A collection as one page: a map of its clips to point at, and lists of what deserves a second look. What moves in it
/// is the page's own script, which the content policy knows by its digest; nothing leaves the page.
public struct ExplorationReport: Report, Sendable {
    /// One clip.
    public struct Clip: Sendable {
        /// Relative to the dataset's root.
        public let path: String
        /// Class.
        public let label: String
        /// Part of the dataset.
        public let split: String
        /// On the map.
        public let x, y: Float
        /// Most probable class and its probability, where a run says so.
        public let predicted: (label: String, probability: Double)?
        /// The most alike clips, and how alike they are.
        public let near: [(index: Int, cosine: Float)]
        /// Frames side by side, as JPEG; nil where they are not in the page.
        public let strip: Data?

        /// All parts, as they are.
        public init(
            path: String, label: String, split: String, x: Float, y: Float,
            predicted: (label: String, probability: Double)?, near: [(index: Int, cosine: Float)], strip: Data?
        ) {
            (self.path, self.label, self.split, self.x, self.y) = (path, label, split, x, y)
            (self.predicted, self.near, self.strip) = (predicted, near, strip)
        }
    }

    /// Clips that deserve a second look.
    public struct List: Sendable {
        /// Such as `twins`.
        public let id: String
        /// What it is called.
        public let heading: String
        /// What it means, in a sentence or two.
        public let text: String
        /// Headings of the columns.
        public let columns: [String]
        /// A text for each column, and the clip that it leads to.
        public let rows: [[(text: String, clip: Int?)]]

        /// All parts, as they are.
        public init(
            id: String, heading: String, text: String, columns: [String], rows: [[(text: String, clip: Int?)]]
        ) {
            (self.id, self.heading, self.text, self.columns, self.rows) = (id, heading, text, columns, rows)
        }
    }

    /// There are none: the map is drawn by the page.
    public let charts: [Chart] = []
    private let title, subtitle: String
    private let notes: [String]
    private let clips: [Clip]
    private let lists: [List]
    private let labels, splits: [String]

    /// All parts, as they are.
    public init(title: String, subtitle: String, notes: [String], clips: [Clip], lists: [List]) {
        (self.title, self.subtitle, self.notes, self.clips, self.lists) = (title, subtitle, notes, clips, lists)
        labels = Set(clips.map(\.label) + clips.compactMap { $0.predicted?.label }).sorted()
        splits = Set(clips.map(\.split)).sorted()
    }

    /// Rows of a list that are shown.
    private static let shown = 300

    /// The page.
    public func html(drawn: [Data]) throws -> String {
        var page = Page(title: title, subtitle: subtitle)
        page.notes = notes
        page.tiles = [Page.Tile(name: "clips", value: grouped(clips.count))]
        page.tiles += [Page.Tile(name: "classes", value: "\(Set(clips.map(\.label)).count)")]
        page.tiles += lists.map { Page.Tile(name: $0.heading.lowercased(), value: grouped($0.rows.count)) }
        page.sections = [
            Page.Section(
                id: "map-of-clips", heading: "Map",
                text:
                    "Clips that lie together look alike to the network. Point at one to see its frames and the clips most "
                    + "like it; the wheel or + and - zoom, the arrow keys go from clip to clip.",
                html: try mapHTML())
        ]
        page.sections += lists.map(section)
        page.script = Page.Script(
            text: String(decoding: PackageResources.explore_js, as: UTF8.self), data: try json())
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
            /// Among `strips`.
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
        // Frames of one clip share its strip.
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
