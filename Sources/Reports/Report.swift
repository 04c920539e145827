import Foundation

/// A report that can be written as one page, or as the files of its charts.
package protocol Report {
    /// In drawing order.
    var charts: [Chart] { get }

    /// The page with the charts that were drawn. `drawn`: SVG files of `charts`, or none.
    func html(drawn: [Data]) throws -> String
}

extension Report {
    /// Writes the page. Without gnuplot it contains only tables. Returns a note about missing charts, or nil. Throws
    /// `ReportError`; the file at `path` is then unchanged.
    package func write(html path: String) throws -> String? {
        var (drawn, problem) = ([Data](), String?.none)
        do {
            drawn = charts.isEmpty ? [] : try Gnuplot().draw(charts, as: .svg)
        } catch let error as GnuplotError { problem = error.localizedDescription }
        let text = try html(drawn: drawn)
        try ReportError.writing(path) { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }
        return problem
    }

    /// Writes each chart to a file in a folder, which is created if necessary. Returns the files.
    package func write(charts folder: String, as format: Gnuplot.Format) throws -> [String] {
        let drawn = try Gnuplot().draw(charts, as: format)
        return try ReportError.writing(folder) {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            return try zip(charts, drawn).map { chart, data in
                let path = "\(folder)/\(chart.name).\(format.rawValue)"
                try data.write(to: URL(fileURLWithPath: path), options: .atomic)
                return path
            }
        }
    }

    /// Figures of the named charts that were drawn.
    func figures(_ names: [String], drawn: [Data]) -> [Page.Figure] {
        guard drawn.count == charts.count else { return [] }
        return charts.indices.filter { names.contains(charts[$0].name) }.map {
            Page.Figure(charts[$0], drawn[$0], number: $0)
        }
    }
}

package enum ReportError: LocalizedError, Equatable {
    case unwritable(path: String, reason: String)

    package var errorDescription: String? {
        switch self {
        case .unwritable(let path, let reason): "The report \(path) cannot be written: \(reason). Name another path."
        }
    }

    static func writing<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch { throw ReportError.unwritable(path: path, reason: error.localizedDescription) }
    }
}
