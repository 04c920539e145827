import Foundation

/// A chart as gnuplot's words, without the terminal.
public struct Chart: Sendable {
    /// Of its file, without ending, such as `confusion`.
    public let name: String
    /// What it shows, in a line.
    public let title: String
    /// Pixels.
    public let width, height: Int
    /// Size of the letters, in pixels.
    var fontSize = 12
    /// Commands and data.
    public let script: String

    init(name: String, title: String, width: Int = 460, height: Int = 300, fontSize: Int = 12, script: String) {
        (self.name, self.title, self.width, self.height) = (name, title, width, height)
        (self.fontSize, self.script) = (fontSize, script)
    }

    /// A text as gnuplot reads it. Between single quotes nothing is run, expanded or marked up.
    static func quoted(_ text: String) -> String {
        let line = text.map { $0.isNewline || $0 == "\0" ? " " : String($0) }.joined()
        return "'" + line.replacing("'", with: "''") + "'"
    }

    /// A label of bounded length.
    static func short(_ label: String, _ limit: Int = 26) -> String {
        label.count <= limit ? label : label.prefix(limit - 1) + "…"
    }

    /// Lines of numbers under a name; `nan` for what is not there.
    static func data(_ name: String, _ rows: [[Double?]]) -> String {
        let lines = rows.map { row in
            row.map { $0.map { $0.isFinite ? "\($0)" : "NaN" } ?? "NaN" }.joined(separator: " ")
        }
        return "$\(name) << EOD\n" + lines.joined(separator: "\n") + "\nEOD\n"
    }

    /// Tics with labels, the first at 0.
    static func tics(_ axis: String, _ labels: [String], _ options: String = "") -> String {
        tics(axis, Array(zip(labels, labels.indices.map(Double.init))), options)
    }

    /// Tics with labels at their places. Of all texts only these are formats to gnuplot.
    static func tics(
        _ axis: String, _ labels: [(text: String, place: Double)], _ options: String = "", limit: Int = 26
    ) -> String {
        let entries = labels.map { "\(quoted(short($0.text, limit).replacing("%", with: "%%"))) \($0.place)" }
        return "set \(axis)tics \(options) (\(entries.joined(separator: ", "))) scale 0\n"
    }
}

/// Colours that stand out on light and on dark ground.
enum Ink {
    static let blue = "#3b82f6", orange = "#f59e0b", green = "#10b981", red = "#ef4444", violet = "#8b5cf6"
    static let teal = "#14b8a6", pink = "#ec4899", olive = "#84cc16", gray = "#8a94a6"
    static let series = [blue, orange, green, red, violet, teal, pink, olive]
}

/// Draws charts with the gnuplot that is installed.
public struct Gnuplot: Sendable {
    /// How charts are written.
    public enum Format: String, Sendable, CaseIterable {
        case svg, png
    }

    private let executable: String

    /// The gnuplot on the path.
    ///
    /// - Throws: `GnuplotError.missing`.
    public init() throws {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
        let found = folders.map { $0 + "/gnuplot" }.first(where: FileManager.default.isExecutableFile)
        guard let found else { throw GnuplotError.missing }
        executable = found
    }

    /// - Returns: the content of each chart's file.
    /// - Throws: `GnuplotError`.
    public func draw(_ charts: [Chart], as format: Format) throws -> [Data] {
        let folder = NSTemporaryDirectory() + "zoetrope-charts-" + UUID().uuidString
        let files = FileManager.default
        do {
            try files.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? files.removeItem(atPath: folder) }
            let scripts = charts.enumerated().map { Self.script($1, format, to: "\(folder)/\($0)") }
            try scripts.joined().write(toFile: folder + "/script", atomically: false, encoding: .utf8)
            let message = try run(folder)
            return try charts.indices.map { index in
                guard let data = files.contents(atPath: "\(folder)/\(index)"), !data.isEmpty else {
                    throw GnuplotError.failed(chart: charts[index].name, message: message)
                }
                return data
            }
        } catch let error as CocoaError {
            throw GnuplotError.failed(chart: "every chart", message: error.localizedDescription)
        }
    }

    private func run(_ folder: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        // Whatever the user's own start file says.
        process.arguments = ["--default-settings", folder + "/script"]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return message
    }

    private static func script(_ chart: Chart, _ format: Format, to path: String) -> String {
        let size = "size \(chart.width),\(chart.height)"
        let terminal =
            switch format {
            case .svg: "svg \(size) noenhanced font 'sans-serif,\(chart.fontSize)' name 'chart'"
            case .png: "pngcairo \(size) noenhanced font 'Sans,\(chart.fontSize * 3 / 4)' background '#ffffff'"
            }
        return """
            reset
            set encoding utf8
            set terminal \(terminal)
            set output \(Chart.quoted(path))
            set border 3 linewidth 0.7
            set tics nomirror out scale 0.4
            set grid back linetype 1 linewidth 0.4 linecolor rgb '#808080'
            set key noautotitle outside top center horizontal
            \(format == .png ? "set title \(Chart.quoted(chart.title))" : "")
            \(chart.script)
            set output

            """
    }
}

/// Why there are no charts.
public enum GnuplotError: LocalizedError, Equatable {
    case missing
    case failed(chart: String, message: String)

    /// What happened, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .missing:
            "Charts are drawn by gnuplot, which is not installed: `apt-get install gnuplot-nox`, or `brew install gnuplot`."
        case .failed(let chart, let message):
            "gnuplot could not draw \(chart): \(message). Update gnuplot, or leave the charts out."
        }
    }
}
