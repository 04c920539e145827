import Escaping
import Foundation

/// A chart as a gnuplot script without terminal settings.
package struct Chart: Sendable {
    /// File name without extension, such as `confusion`.
    package let name: String
    package let title: String
    /// In pixels.
    package var width = 460, height = 300
    /// In pixels.
    var fontSize = 12
    package let script: String

    /// A gnuplot string constant of letters, digits, spaces and octal escapes.
    static func quoted(_ text: String) -> String { Escaping.gnuplot(text) }

    /// A label truncated to a number of characters and of Unicode scalars.
    static func short(_ label: String, _ limit: Int = 26) -> String {
        let scalars = label.unicodeScalars
        let bounded = scalars.count <= 4 * limit ? label : String(scalars.prefix(4 * limit))
        return bounded.count <= limit ? bounded : bounded.prefix(limit - 1) + "…"
    }

    /// A named data block; `nan` for missing values.
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

    /// Tics with labels at positions. gnuplot interprets their texts as number formats.
    static func tics(
        _ axis: String, _ labels: [(text: String, place: Double)], _ options: String = "", limit: Int = 26
    ) -> String {
        let entries = labels.map { "\(Escaping.gnuplot(short($0.text, limit), isFormat: true)) \($0.place)" }
        return "set \(axis)tics \(options) (\(entries.joined(separator: ", "))) scale 0\n"
    }
}

/// Colours that are visible on light and dark backgrounds.
enum Ink {
    static let blue = "#3b82f6", orange = "#f59e0b", green = "#10b981", red = "#ef4444", violet = "#8b5cf6"
    static let teal = "#14b8a6", pink = "#ec4899", olive = "#84cc16", gray = "#8a94a6"
    static let dashed = "dashtype 2 linecolor rgb '\(gray)'"
    static let series = [blue, orange, green, red, violet, teal, pink, olive]
}

/// Draws charts with the installed gnuplot. gnuplot's language can start other programs, so external text must not
/// reach its parser: texts are encoded by `Escaping.gnuplot`, and scripts with a backquote are rejected. gnuplot runs
/// without a shell, in an empty folder, without its startup files, with a minimal environment and a time limit.
package struct Gnuplot: Sendable {
    package enum Format: String, Sendable, CaseIterable { case svg, png }

    /// Time limit in seconds.
    var timeLimit = 120.0
    private let executable: String

    /// Finds gnuplot on the path. Throws `GnuplotError.missing`.
    package init() throws {
        let folders = (ProcessInfo.processInfo.environment["PATH"] ?? "").splitBytes(":")
        let found = folders.filter { $0.hasBytePrefix("/") }.map { $0 + "/gnuplot" }
            .first(where: FileManager.default.isExecutableFile)
        guard let found else { throw GnuplotError.missing }
        executable = found
    }

    init(executable: String) { self.executable = executable }

    /// Returns the content of each chart's file. Throws `GnuplotError`.
    package func draw(_ charts: [Chart], as format: Format) throws -> [Data] {
        let folder = NSTemporaryDirectory() + "zoetrope-charts-" + UUID().uuidString
        let files = FileManager.default
        do {
            try files.createDirectory(
                atPath: folder + "/charts", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
            defer { try? files.removeItem(atPath: folder) }
            let script = charts.enumerated().map { Self.script($1, format, to: "\($0)") }.joined()
            guard !script.utf8.contains(UInt8(ascii: "`")) else {
                throw GnuplotError.failed(chart: "any chart", message: "a script has a backquote")
            }
            try script.write(toFile: folder + "/script", atomically: false, encoding: .utf8)
            let message = try run(folder)
            return try charts.indices.map { index in
                guard let data = files.contents(atPath: "\(folder)/charts/\(index)"), !data.isEmpty else {
                    throw GnuplotError.failed(chart: charts[index].name, message: message)
                }
                return format == .svg ? Self.wellFormed(data) : data
            }
        } catch let error as CocoaError {
            throw GnuplotError.failed(chart: "every chart", message: error.localizedDescription)
        }
    }

    /// gnuplot escapes `<` and `&` in text, but not `]]>`, which XML forbids in text too.
    private static func wellFormed(_ svg: Data) -> Data {
        Data(String(decoding: svg, as: UTF8.self).replacingBytes("]]>", with: "]]&gt;").utf8)
    }

    private func run(_ folder: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        // Independent of the user's startup file.
        process.arguments = ["--default-settings", folder + "/script"]
        process.currentDirectoryURL = URL(fileURLWithPath: folder + "/charts")
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder, "TMPDIR": folder, "LC_ALL": "C.UTF-8"]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        let errors = Pipe()
        process.standardError = errors
        try process.run()
        let limit = DispatchWorkItem { kill(process.processIdentifier, SIGKILL) }
        DispatchQueue.global().asyncAfter(deadline: .now() + timeLimit, execute: limit)
        let message = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        limit.cancel()
        return process.terminationReason == .uncaughtSignal ? "it was ended by a signal. \(message)" : message
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

package enum GnuplotError: LocalizedError, Equatable {
    case missing, failed(chart: String, message: String)

    package var errorDescription: String? {
        switch self {
        case .missing:
            "Charts need gnuplot, which is not installed. Install it: `apt-get install gnuplot-nox`, or `brew install "
                + "gnuplot`."
        case .failed(let chart, let message):
            "gnuplot could not draw \(chart): \(message). Update gnuplot, or leave the charts out."
        }
    }
}
