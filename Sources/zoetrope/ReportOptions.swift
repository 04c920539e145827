import ArgumentParser
import Files
import Reports

struct ReportOptions: ParsableArguments {
    @Option(
        name: .customLong("report"),
        help: ArgumentHelp(
            "Write a report with charts: an HTML file, or a folder with --format svg or png.", valueName: "file"))
    var path: String?

    @Option(help: "Format of the report: html, or only its charts as svg or png files.") var format = "html"

    func validate() throws {
        guard format == "html" || Gnuplot.Format(rawValue: format) != nil else {
            throw ValidationError("--format is html, svg or png, not '\(format)'.")
        }
        if format != "html" && path == nil { throw ValidationError("--format needs --report.") }
    }

    /// Checks before any work that the report can be written. Throws `OutputError`.
    func requireWritable() throws {
        if format == "html" {
            try OutputPath.requireFile(path, "--report")
        } else {
            try OutputPath.requireFolder(path, "--report")
        }
    }

    func write(_ make: () throws -> any Report) throws {
        guard let path else { return }
        let report = try make()
        if let format = Gnuplot.Format(rawValue: format) {
            for file in try report.write(charts: path, as: format) { Console.message("Chart: " + file) }
            return
        }
        if let problem = try report.write(html: path) { Console.message("note: the report has no charts. " + problem) }
        Console.message("Report: " + path)
    }
}
