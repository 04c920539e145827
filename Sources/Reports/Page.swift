import Digests
import Escaping
import Foundation
import Mustache

/// The content of the HTML template for a self-contained report.
struct Page {
    struct Tile {
        let name, value: String
        var detail: String?
    }

    struct Figure {
        let caption: String
        /// Maximum width of charts that are placed side by side.
        static let narrow = 620

        /// `wide` figures scroll, so that their text stays readable.
        let size: String
        let svg: String
    }

    struct Cell {
        let text: String
        /// `number`, `long`, `wrapped` or empty.
        var kind = ""
        /// Index of the clip that the cell links to, if the page has a script.
        var clip: String?
    }

    struct Row { let cells: [Cell] }

    struct Table {
        var caption: String?
        /// Summary of a section that is collapsed by default.
        var fold: String?
        var columns: [Cell] = []
        var rows: [Row]
        var hasHead: Bool { !columns.isEmpty }
    }

    struct Document { let name, text: String }

    struct Section {
        let id, heading: String
        var text: String?
        /// Inserted without escaping: external text must be escaped in it.
        var html: String?
        var figures: [Figure] = [], tables: [Table] = [], clips: [ClipView] = [], documents: [Document] = []
        var hasFigures: Bool { !figures.isEmpty }
    }

    var title, subtitle: String
    var notes: [String] = [], tiles: [Tile] = [], sections: [Section] = [], footer = ""
    var script: Script?

    struct Script {
        let text: String
        /// JSON.
        let data: String
    }

    func html() throws -> String { try Self.rendered(PackageResources.page_mustache, content) }

    /// Renders a template, with every `{{text}}` escaped by `Escaping.html`.
    static func rendered(_ template: [UInt8], _ content: [String: Any]) throws -> String {
        EscapedText.register()
        let pragma = "{{% CONTENT_TYPE:\(EscapedText.name)}}"
        return try MustacheTemplate(string: pragma + String(decoding: template, as: UTF8.self)).render(content)
    }

    static func present(_ content: [String: Any?]) -> [String: Any] { content.compactMapValues { $0 } }

    /// The template escapes every text except the style and the charts, which gnuplot escapes.
    private var content: [String: Any] {
        var content: [String: Any] = [
            "title": title, "subtitle": subtitle, "notes": notes, "tiles": tiles, "footer": footer,
            "style": String(decoding: PackageResources.page_css, as: UTF8.self),
            "sections": sections.map { section -> [String: Any] in
                Self.present([
                    "id": section.id, "heading": section.heading, "text": section.text, "html": section.html,
                    "hasFigures": section.hasFigures, "figures": section.figures, "clips": section.clips.map(\.content),
                    "documents": section.documents,
                    "tables": section.tables.map { table in
                        Self.present([
                            "caption": table.caption, "fold": table.fold, "hasHead": table.hasHead,
                            "columns": table.columns, "rows": table.rows,
                        ])
                    },
                ])
            },
        ]
        if let script {
            // The data cannot close its script element.
            content["script"] = ["text": script.text, "data": Escaping.json(script.data)]
            var digest = Digest()
            digest.update(Data(script.text.utf8))
            content["scriptHash"] = Data(digest.bytes()).base64EncodedString()
        }
        return content
    }
}

/// Replaces Mustache's own escaping, which compares grapheme clusters.
private struct EscapedText: MustacheContentType {
    static let name = "ESCAPED"
    private static let registered: Void = MustacheContentTypes.register(EscapedText(), named: name)
    static func register() { registered }
    func escapeText(_ text: String) -> String { Escaping.html(text) }
}

extension Page.Table {
    /// A table of names and values.
    init(facts: [(name: String, value: String)]) {
        rows = facts.map { Page.Row(cells: [Page.Cell(text: $0.name), Page.Cell(text: $0.value, kind: "long")]) }
    }

    /// Longer texts wrap, so that they do not hide the other columns.
    private static let longest = 48

    /// The table for the terminal as HTML.
    init(_ table: TextTable, caption: String? = nil, fold: String? = nil) {
        let kinds = table.alignments.map { $0 == .right ? "number" : "" }
        func cells(_ row: [String]) -> [Page.Cell] {
            zip(row, kinds).map { Page.Cell(text: $0, kind: $0.unicodeScalars.count > Self.longest ? "wrapped" : $1) }
        }
        (self.caption, self.fold) = (caption, fold)
        columns = cells(table.rows[0])
        rows = table.rows.dropFirst().map { Page.Row(cells: cells($0)) }
    }
}

extension Page.Figure {
    /// A drawn chart as a figure. `number`: of the chart in the page.
    init(_ chart: Chart, _ data: Data, number: Int) {
        caption = chart.title
        size = chart.width > Self.narrow ? "wide" : "narrow"
        var text = String(decoding: data, as: UTF8.self)
        if let start = text.firstByteRange(of: "<svg") { text = String(text[start.lowerBound...]) }
        if let start = text.firstByteRange(of: "<title>"), let end = text.firstByteRange(of: "</desc>") {
            text.removeSubrange(start.lowerBound..<end.upperBound)
        }
        // gnuplot has no setting for these IDs, which must be unique in a page. The page's style sets the colours.
        var changes = [("gpPt", "c\(number)gpPt"), ("gpDot", "c\(number)gpDot")]
        for quote in ["'", "\""] {
            for name in ["gnuplot_canvas", "chart_plot_", "textbox", "greybox"] {
                changes.append(("id=\(quote)\(name)", "id=\(quote)c\(number)\(name)"))
            }
        }
        for (old, new) in changes { text = text.replacingBytes(old, with: new) }
        let width = chart.width > Self.narrow ? "width:\(chart.width)px" : "max-width:\(chart.width * 5 / 4)px"
        svg = "<svg role=\"img\" style=\"\(width)\"" + text.dropFirst("<svg".count)
    }
}
