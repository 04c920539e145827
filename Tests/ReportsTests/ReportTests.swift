import Foundation
import FoundationXML
import SequenceModels
import Testing
import Video
@testable import Reports

@Suite struct ReportTests {
    static let hostile = [
        "<script>alert(1)</script>", "\"quo'te\" & co", "`touch pwned`; system('touch pwned')",
        "@x %{y} $(z) \\n {a}_b^c",
    ]
    static let splits = ["train": 5, "validation": 2, "test": 4]
    static let hasGnuplot = (try? Gnuplot()) != nil

    /// Whether a text is well-formed XML.
    private static func parses(_ text: String) -> Bool { XMLParser(data: Data(text.utf8)).parse() }

    private static func charts(in html: String) -> [String] {
        html.components(separatedBy: "<svg").dropFirst().map { part in
            "<svg" + (part.range(of: "</svg>").map { String(part[..<$0.upperBound]) } ?? part)
        }
    }

    @Test("the page contains metrics, tables, charts and frames of errors, and makes no requests")
    func page() throws {
        let place = try ReportPlace(["jump", "run", "sit"], perClass: Self.splits, files: 40)
        let directory = try place.run("one", kind: .attention) { $0 % 3 == 0 }
        let report = try RunReport(directory)
        let path = place.path + "/r.html"
        let problem = try report.write(html: path)
        #expect((problem == nil) == Self.hasGnuplot)
        let html = try String(contentsOfFile: path, encoding: .utf8)
        for heading in [
            "Training", "Classes", "Confusion", "Probabilities", "Most confident errors",
            "Least confident correct predictions", "Data set", "Configuration",
        ] { #expect(html.contains("<h2>\(heading)</h2>"), "\(heading)") }
        #expect(html.contains("untrained (random) resnet18") && html.contains("instead of"))
        // 12 test clips, every third of all clips wrong; each shows four frames with the head's weights.
        let wrong = report.mistakes.count
        #expect(wrong == report.metrics.count - report.metrics.correctWithin[0] && wrong > 0)
        #expect(report.mistakes.allSatisfy { $0.problem == nil && $0.frames.count == 4 })
        #expect(html.components(separatedBy: "data:image/jpeg;base64,").count - 1 == 4 * (wrong + report.unsure.count))
        #expect(html.components(separatedBy: "class=\"weight\"").count - 1 == 4 * (wrong + report.unsure.count))
        if Self.hasGnuplot { #expect(Self.charts(in: html).count == report.charts.count) }
        #expect(!html.contains("src=\"http") && !html.contains("href=\"http") && !html.contains("@import"))
        #expect(html.contains("default-src 'none'"))
        #expect(!html.contains("{{") && !html.contains(">nil<"))
    }

    @Test("labels are escaped everywhere, and never executed") func hostileLabels() throws {
        let place = try ReportPlace(Self.hostile, perClass: Self.splits)
        let runs = try [
            place.run("o<b>ne", kind: .attention) { $0 % 2 == 0 }, place.run("two'\"", kind: .gru) { $0 % 5 == 0 },
        ]
        let joined = try ContinuousEvaluation(
            runs[0].load().head, place.cache.features(dataset: "set", extraction: 1), [5, 12, 20, 30])
        let sweep = SweepReport(
            name: "<i>", keys: ["a.<b>", "b.`touch pwned`"],
            points: Self.hostile.map { .init(name: $0, values: [$0, $0], validationAccuracy: 0.5, testAccuracy: nil) },
            best: Self.hostile[0], comparison: nil)
        for report in [try RunReport(runs[0], continuous: joined), try ComparisonReport(runs), sweep] as [any Report] {
            let path = place.path + "/r.html"
            let problem = try report.write(html: path)
            #expect(problem == nil || !Self.hasGnuplot, "\(problem ?? "")")
            let html = try String(contentsOfFile: path, encoding: .utf8)
            #expect(!html.contains("<script") && !html.contains("<b>") && !html.contains("<i>"))
            #expect(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
            let charts = Self.charts(in: html)
            #expect(charts.count == (Self.hasGnuplot ? report.charts.count : 0))
            for chart in charts { #expect(Self.parses(chart)) }
        }
        let files = FileManager.default
        #expect(!files.fileExists(atPath: "pwned") && !files.fileExists(atPath: place.path + "/pwned"))
    }

    @Test("without gnuplot the page contains tables instead of charts") func tablesOnly() throws {
        let place = try ReportPlace(["jump", "run"], perClass: Self.splits)
        let html = try RunReport(try place.run("one") { $0 % 2 == 0 }).html(drawn: [])
        #expect(!html.contains("<svg"))
        for heading in ["Most frequent confusions", "All counts", "mean probability", "training clips"] {
            #expect(html.contains(heading), "\(heading)")
        }
        #expect(GnuplotError.missing.localizedDescription.contains("apt-get install gnuplot-nox"))
    }

    @Test("a run without validation, without errors, or with a single class in the split has a report too")
    func unusual() throws {
        let place = try ReportPlace(["jump", "run"], perClass: ["train": 4, "test": 3])
        let plain = try RunReport(try place.run("plain", validated: false) { _ in false })
        let html = try plain.html(drawn: plain.hasGnuplot ? Gnuplot().draw(plain.charts, as: .svg) : [])
        #expect(html.contains("There is no validation part") && html.contains("There are no errors."))
        #expect(plain.run.splits == ["train", "test"])
        #expect(throws: SequenceError.noSplit("validation", available: ["test", "train"])) {
            try RunReport(RunDirectory(path: place.path + "/runs/plain"), role: .validation)
        }
        let bare = try RunReport(try place.run("bare", epochs: 0) { _ in true })
        #expect(try bare.html(drawn: []).contains("holds no epochs"))

        let single = try ReportPlace(["only"], perClass: ["test": 2])
        let one = try RunReport(try single.run("one") { _ in false })
        #expect(one.metrics.accuracy == 1)
        #expect(try one.html(drawn: one.hasGnuplot ? Gnuplot().draw(one.charts, as: .svg) : []).contains("100.0 %"))
    }

    @Test("the report states that a video is missing or was replaced, instead of showing frames") func missingVideos()
        throws
    {
        let place = try ReportPlace(["jump", "run"], perClass: ["test": 2], files: 2)
        try Data("other".utf8).write(to: URL(fileURLWithPath: place.path + "/clips/1.y4m"))
        let directory = try place.run("one") { _ in true }
        let problems = try RunReport(directory).mistakes.map(\.problem)
        #expect(problems.count { $0 == nil } == 1)
        #expect(problems.contains { $0?.contains("differs from the video that was extracted") == true })
        #expect(problems.count { $0?.contains("does not exist") == true } == 2)
        let elsewhere = try RunReport(directory, root: place.path + "/nowhere")
        #expect(elsewhere.mistakes.allSatisfy { $0.problem?.contains("nowhere") == true })
    }

    @Test(
        "charts can be written as files", .enabled(if: hasGnuplot, "needs gnuplot"), arguments: Gnuplot.Format.allCases)
    func files(format: Gnuplot.Format) throws {
        let place = try ReportPlace(["jump", "run"], perClass: Self.splits)
        let report = try RunReport(try place.run("one") { $0 % 2 == 0 })
        let files = try report.write(charts: place.path + "/new/charts", as: format)
        #expect(
            files.map { ($0 as NSString).lastPathComponent } == report.charts.map { $0.name + "." + format.rawValue })
        #expect(Set(files).count == 11)
        for file in files {
            let start = try #require(FileManager.default.contents(atPath: file)).prefix(5)
            #expect(format == .png ? start.starts(with: [0x89, 0x50]) : start.starts(with: Data("<?xml".utf8)))
        }
        #expect(throws: ReportError.self) { try report.write(html: place.path + "/no folder/r.html") }
    }

    @Test("a sweep's heat map averages over seeds, and has a panel for each value of further keys") func heatMap()
        throws
    {
        let keys = ["sequence.lr", "sequence.batch", "sequence.decay", "sequence.seed"]
        var points: [SweepReport.Point] = []
        for lr in ["1e-2", "1e-3", "1e-4"] {
            for batch in ["16", "32"] {
                for decay in ["0", "1e-3"] {
                    for seed in ["1", "2"] {
                        points.append(
                            .init(
                                name: "r", values: [lr, batch, decay, seed],
                                validationAccuracy: seed == "1" ? 0.5 : 0.75, testAccuracy: nil))
                    }
                }
            }
        }
        let charts = HeatMap.charts(keys: keys, points: points)
        #expect(charts.map(\.title) == ["Validation accuracy, %; decay 0", "Validation accuracy, %; decay 1e-3"])
        #expect(charts[0].script.contains("62.5"))
        // Numbers in order.
        let tics = ["1e-4", "1e-3", "1e-2"].map(Chart.quoted)
        #expect(charts[0].script.contains("\(tics[0]) 0.0, \(tics[1]) 1.0, \(tics[2]) 2.0"))
        #expect(HeatMap.charts(keys: ["sequence.seed"], points: [points[0]]).isEmpty)
    }

    @Test("the report of 101 classes and 3,783 predictions stays below 3 MB") func large() throws {
        let place = try ReportPlace(
            (0..<101).map { "Class number \($0)" }, perClass: ["train": 3, "test": 38], files: 40)
        let report = try RunReport(try place.run("big") { $0 % 4 == 0 })
        let path = place.path + "/r.html"
        _ = try report.write(html: path)
        let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
        #expect(report.metrics.count == 3838)
        #expect(size < 3_000_000)
    }
}

extension RunReport { var hasGnuplot: Bool { ReportTests.hasGnuplot } }

@Suite struct TextTests {
    @Test("columns are aligned and lines have no trailing blanks") func table() {
        var table = TextTable([("name", .left), ("clips", .right), ("note", .left)])
        table.append(["a", "7", ""])
        table.append(["läufer", "1,234", "x"])
        #expect(
            table.text == """
                  name    clips  note
                  a           7
                  läufer  1,234  x
                """)
    }

    @Test("numbers are printed with digit groups and rounded") func numbers() {
        #expect([0, 999, 1000, 60_192_808, -1234].map(grouped) == ["0", "999", "1,000", "60,192,808", "-1,234"])
        #expect(grouped(.min) == "-9,223,372,036,854,775,808")
        #expect(decimal(11.4567, 1) == "11.5")
        #expect(decimal(0.05, 3) == "0.050")
        #expect(decimal(-0.0001, 2) == "0.00")
        #expect(decimal(-2.5, 0) == "-3")
        #expect(decimal(.nan, 2) == "–" && decimal(.infinity, 2) == "∞")
        #expect(percent(0.98765) == "98.8 %")
    }

    @Test("the largest values of an activation map are drawn alike, also between its cells")
    func largestActivation() {
        let image = RGBImage(width: 97, height: 53, [10, 20, 30])
        for value in [0.1, 1 / 3, 0.7, 1e-3, 123.456] as [Float] {
            let frame = ClassActivation.Frame(time: 0, image: image, map: Array(repeating: value, count: 6))
            let activation = ClassActivation(
                video: "v", label: "run", probability: 1, height: 2, width: 3, frames: [frame])
            let pixels = activation.overlays[0].pixels
            #expect(pixels.indices.allSatisfy { abs(Int(pixels[$0]) - Int(pixels[$0 % 3])) <= 2 }, "\(value)")
        }
    }

    @Test("extreme times and activation values in files cause no crash") func hostileNumbers() {
        #expect(Timeline.clock(62.345) == "1:02.35")
        for seconds in [Double.nan, .infinity, -.infinity, 1e300] { #expect(!Timeline.clock(seconds).isEmpty) }
        #expect(Band.bands([], row: 0).isEmpty)
        let image = RGBImage(width: 2, height: 2, [10, 20, 30])
        for value in [Float.nan, .infinity, -.infinity, -1] {
            let frames = [ClassActivation.Frame(time: 0, image: image, map: [value, 1, 0.5, 0])]
            let activation = ClassActivation(
                video: "v", label: "run", probability: .nan, height: 2, width: 2, frames: frames)
            #expect(activation.overlays.count == 1)
        }
    }
}
