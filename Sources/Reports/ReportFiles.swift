import Foundation

/// A report that can be written as one page, or as the files of its charts.
public protocol Report {
    /// What is drawn, in order.
    var charts: [Chart] { get }

    /// The page, with as many charts as were drawn.
    ///
    /// - Parameter drawn: SVG files of `charts`, or none.
    func html(drawn: [Data]) throws -> String
}

extension Report {
    /// Writes the page. Without gnuplot it holds tables only.
    ///
    /// - Returns: what is missing, where something is.
    /// - Throws: `ReportError`; what stood at `path` is then unchanged.
    public func write(html path: String) throws -> String? {
        var (drawn, problem) = ([Data](), String?.none)
        do {
            drawn = charts.isEmpty ? [] : try Gnuplot().draw(charts, as: .svg)
        } catch let error as GnuplotError {
            problem = error.localizedDescription
        }
        let text = try html(drawn: drawn)
        try ReportError.writing(path) { try Data(text.utf8).write(to: URL(fileURLWithPath: path), options: .atomic) }
        return problem
    }

    /// Writes each chart as a file into a folder, which is made where it is not there.
    ///
    /// - Returns: the files.
    /// - Throws: `GnuplotError`, `ReportError`.
    public func write(charts folder: String, as format: Gnuplot.Format) throws -> [String] {
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

    /// Figures for those charts whose names are given, as far as they were drawn.
    func figures(_ names: [String], drawn: [Data]) -> [Page.Figure] {
        guard drawn.count == charts.count else { return [] }
        return charts.indices.filter { names.contains(charts[$0].name) }.map {
            Page.Figure(charts[$0], drawn[$0], number: $0)
        }
    }
}

/// Why a report cannot be written.
public enum ReportError: LocalizedError, Equatable {
    case unwritable(path: String, reason: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .unwritable(let path, let reason): "The report \(path) cannot be written: \(reason). Name another place."
        }
    }

    static func writing<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw ReportError.unwritable(path: path, reason: error.localizedDescription)
        }
    }
}
