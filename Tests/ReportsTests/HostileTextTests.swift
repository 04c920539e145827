import Escaping
import FeatureCache
import Foundation
import FoundationXML
import SequenceModels
import Testing
import TestSupport
@testable import Reports

/// Labels and names whose special characters are combined with others into one grapheme cluster.
@Suite struct HostileTextTests {
    static let special = ["'", "\"", "<", ">", "&", ",", "%", "\\", "`", "]]>", "\n", "\u{1B}"]

    /// Labels that try to run a command, to add an element and to end a script, each special character combined with
    /// the characters before and after it. `marker` is the file that a command would create.
    static func labels(marker: String) -> [String] {
        let attacks = [
            "'`touch \(marker)`'", "\"`touch \(marker)`\"", "'; system('touch \(marker)'); print '",
            "\"; system(\"touch \(marker)\")", "'\n!touch \(marker)\n'", "<script>alert(1)</script>",
            "</style></title><meta http-equiv=refresh content=0>", "\" onload=\"x", "<img src=x onerror=x>", "%d%s",
            "\nEOD\nsystem 'touch \(marker)'\n", "@x $(touch \(marker))",
        ]
        return attacks.enumerated().map { number, text in
            // The number preserves the order of labels, whatever follows.
            let fused = special.reduce(text) { $0.replacingBytes($1, with: "\u{600}" + $1 + "\u{301}") }
            return "\(10 + number) \(number % 2 == 0 ? fused : text)"
        }
    }

    /// Names of all elements of a page, found by bytes.
    static func elements(_ html: String) -> [String] {
        let bytes = Array(html.utf8)
        return bytes.indices.filter { bytes[$0] == UInt8(ascii: "<") }.map { place in
            String(decoding: bytes[(place + 1)...].prefix { ![0x20, 0x3E, 0x0A].contains($0) }, as: UTF8.self)
        }
    }

    static func reports(_ place: ReportPlace, _ names: [String]) throws -> [any Report] {
        let runs = try [
            place.run("one", kind: .attention) { $0 % 2 == 0 }, place.run("two", kind: .gru) { $0 % 5 == 0 },
        ]
        let sweep = SweepReport(
            name: names[0], keys: ["a." + names[1], "b." + names[2]],
            points: names.map { .init(name: $0, values: [$0, $0], validationAccuracy: 0.5, testAccuracy: nil) },
            best: names[0], comparison: nil)
        let clips = names.enumerated().map { number, name in
            ExplorationReport.Clip(
                path: name, label: name, split: name, x: Float(number), y: 0, predicted: (name, 0.5), near: [],
                strip: nil)
        }
        let labelled = names.enumerated().map { number, name in
            ExplorationReport.Clip(
                path: name, labels: [name, names[0]], split: name, x: Float(number), y: 0,
                predictions: [.init(label: name, probability: 0.5)], near: [], strip: nil)
        }
        let lists = [
            ExplorationReport.List(
                id: "twins", heading: names[3], text: names[4], columns: [names[5]],
                rows: names.map { [(text: $0, clip: 0)] })
        ]
        let moments = names.map { Moment(path: $0, label: $0, start: 0, end: 1, score: 1, probability: nil) }
        return [
            try RunReport(runs[0]), try ComparisonReport(runs), sweep,
            ExplorationReport(title: names[0], subtitle: names[1], notes: names, clips: clips, lists: lists),
            SearchReport(query: names, unwanted: names, collection: names[0], moments: moments, root: nil),
            ExplorationReport(
                title: names[0], subtitle: names[1], notes: names, clips: labelled, lists: lists, task: .multilabel,
                predictable: names),
        ]
    }

    @Test("gnuplot executes no part of a label, and every chart is well-formed") func charts() throws {
        guard ReportTests.hasGnuplot else { return }
        let scratch = ScratchFolder()
        let marker = scratch.path + "/marker"
        let labels = Self.labels(marker: marker)
        let place = try ReportPlace(labels, perClass: ReportTests.splits)
        for report in try Self.reports(place, labels) where !report.charts.isEmpty {
            for chart in report.charts { #expect(!chart.script.utf8.contains(UInt8(ascii: "`"))) }
            for drawn in try Gnuplot().draw(report.charts, as: .svg) { #expect(XMLParser(data: drawn).parse()) }
            _ = try Gnuplot().draw(report.charts, as: .png)
        }
        #expect(!FileManager.default.fileExists(atPath: marker))
    }

    @Test("a page has the same HTML elements whatever its labels are") func pages() throws {
        let hostile = Self.labels(marker: "x")
        let plain = hostile.indices.map { "\(10 + $0) plain" }
        let pages = try [hostile, plain].map { names in
            try Self.reports(try ReportPlace(names, perClass: ReportTests.splits), names).map { try $0.html(drawn: []) }
        }
        for (own, expected) in zip(pages[0], pages[1]) {
            #expect(Self.elements(own) == Self.elements(expected))
            #expect(own.containsBytes("base-uri 'none'; form-action 'none'"))
            #expect(!own.unicodeScalars.contains { Escaping.isControl($0) && $0 != "\n" && $0 != "\t" })
        }
    }

    @Test("the data of a page is read back unchanged, and none of it closes its element") func data() throws {
        let names = Self.labels(marker: "x")
        let place = try ReportPlace(names, perClass: ["test": 1])
        let page = try Self.reports(place, names)[3].html(drawn: [])
        let start = try #require(page.firstByteRange(of: "id=\"data\">"))
        let rest = page[start.upperBound...]
        let end = try #require(rest.firstByteRange(of: "<"))
        let data = Data(rest[..<end.lowerBound].utf8)
        let object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        let labels = try #require(object["labels"] as? [String])
        #expect(labels.map { Array($0.utf8) } == names.sorted().map { Array($0.utf8) })
    }

    @Test("tables for the terminal have one line per row and no control characters") func tables() {
        var table = TextTable([("a\u{1B}", .left), ("b", .right)])
        table.append(["x\nerror: forged\r", "\u{202E}y\u{9B}"])
        let lines = table.text.byteLines()
        #expect(lines.count == 2)
        #expect(!table.text.unicodeScalars.contains { Escaping.isControl($0) && $0 != "\n" })
        #expect(table.text.containsBytes(#"x\u{a}error: forged\u{d}"#))
    }

    @Test("the length of a chart's text is limited for any label") func bounded() {
        #expect(Chart.short("e" + String(repeating: "\u{301}", count: 10_000)).unicodeScalars.count <= 110)
        #expect(Chart.short(String(repeating: "x", count: 40)).count == 26)
    }

    @Test("gnuplot is terminated after a time limit, and ignored if its path is not absolute") func limits() throws {
        let scratch = ScratchFolder()
        let program = try scratch.program("gnuplot", "exec sleep 60\n")
        var gnuplot = Gnuplot(executable: program)
        gnuplot.timeLimit = 0.2
        let begin = ContinuousClock.now
        #expect(throws: GnuplotError.self) { try gnuplot.draw([.overlaidExample], as: .svg) }
        #expect(ContinuousClock.now - begin < .seconds(20))
    }

    @Test("gnuplot runs without the user's environment variables, in an empty working folder") func environment() throws
    {
        let scratch = ScratchFolder()
        let program = try scratch.program("gnuplot", "ls -A >&2\nenv >&2\n")
        setenv("ZOETROPE_TEST_SECRET", "secret", 1)
        defer { unsetenv("ZOETROPE_TEST_SECRET") }
        do {
            _ = try Gnuplot(executable: program).draw([.overlaidExample], as: .svg)
            Issue.record("it drew a chart")
        } catch let error as GnuplotError {
            guard case .failed(_, let message) = error else { throw Unexpected(found: error) }
            let lines = message.byteLines().map(String.init)
            #expect(lines.contains("LC_ALL=C.UTF-8") && !lines.contains { $0.contains("secret") })
            // The output contains nothing of `ls`: every line is a variable.
            #expect(lines.allSatisfy { $0.contains("=") })
        }
    }
}

extension Chart { fileprivate static let overlaidExample = Chart(name: "x", title: "x", script: "plot x\n") }
