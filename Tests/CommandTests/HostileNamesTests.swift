import Escaping
import Foundation
import Testing
import TestSupport

/// Hostile names of folders, files and classes, through every command.
@Suite struct HostileNamesTests {
    /// Names that try to run commands, to forge messages and to control the terminal; each special character is also
    /// combined with a character before and after it into one grapheme cluster.
    static func names(marker: String) -> [String] {
        // File names contain no slash; the shell generates it.
        let touch = "touch $(printf '\(marker.replacing("/", with: "\\057"))')"
        return [
            "\u{600}'\u{600}`\(touch)\u{600}`\u{301}", "'`\(touch)`\"\u{301}; system(\"\(touch)\")",
            "<\u{301}script>alert(1)<\u{301}!--", "a\nerror: forged\r\u{1B}[31m\u{9B}2J\u{202E}\u{7F}%d,\u{600},\"",
        ]
    }

    /// Clips of four such classes under such names, and a pipeline for them.
    private static func workplace(marker: String) throws -> Workplace {
        let place = try Workplace(clips: 0)
        for (number, name) in names(marker: marker).enumerated() {
            for clip in 0..<6 {
                let split = clip < 3 ? "train" : clip < 4 ? "validation" : "test"
                try place.add("clips/\(split)/\(name)/\(clip)\(name).y4m", TinyClip.numbered(20 * number + clip))
            }
        }
        try place.add("clips/train/\(names(marker: marker)[3])/broken\n\u{1B}c.y4m", "no video")
        try place.add("p.yaml", Workplace.pipeline)
        try place.add("s.yaml", Workplace.pipeline + "\nsweep: {sequence.seed: [1, 2]}\n")
        try place.add("f.yaml", Workplace.tuning)
        return place
    }

    private static func check(_ output: ChildProcess.Output, _ command: [String]) {
        for text in [output.out, output.error] {
            let controls = text.unicodeScalars.filter { Escaping.isControl($0) && $0 != "\n" }
            #expect(controls.isEmpty, "\(command): \(controls.map { $0.value })")
            #expect(!text.byteLines().contains { $0.hasBytePrefix("error: forged") }, "\(command)")
        }
    }

    @Test("no name runs a command, forges a line or controls the terminal, in the output of any command")
    func commands() throws {
        let marker = NSTemporaryDirectory() + "zoetrope-marker-\(UUID().uuidString.prefix(8))"
        let place = try Self.workplace(marker: marker)
        let name = Self.names(marker: marker)[3]
        let video = "clips/test/\(name)/5\(name).y4m"
        let commands: [(status: Int32, arguments: [String])] = [
            (0, ["dataset", "p.yaml", "--digests", "digests.txt"]), (3, ["extract", "p.yaml"]),
            (3, ["extract", "p.yaml"]), (0, ["sequence", "p.yaml"]),
            (0, ["sequence", "p.yaml", "--name", "other", "--runs", "r\u{1B}\nerror: forged"]),
            (0, ["sequence", "p.yaml", "--set", "sequence.model={kind: average}"]),
            (0, ["evaluate", "runs/tiny"]), (0, ["evaluate", "runs/tiny", "--json"]),
            (0, ["evaluate", "runs/tiny", "--report", "r.html"]),
            (0, ["evaluate", "runs/tiny", "--report", "charts", "--format", "png"]),
            (0, ["compare", "runs/tiny", "runs/tiny-2", "--report", "c.html"]),
            (0, ["compare", "runs/tiny", "--json"]),
            (0, ["runs"]), (0, ["runs", "--json"]), (0, ["explore", "features.sqlite", "--output", "e.html"]),
            (0, ["predict", "runs/tiny", video]), (0, ["predict", "runs/tiny", video, "--json"]),
            (0, ["predict", "runs/tiny", video, "--windows", "--csv", "w.csv"]),
            (0, ["predict", "runs/tiny", video, "--gif", "g.gif"]), (0, ["cam", "runs/tiny", video]),
            (0, ["similar", "features.sqlite", video]), (0, ["similar", "features.sqlite", video, "--json"]),
            (0, ["cache", "info"]), (0, ["cache", "info", "--json"]), (0, ["cache", "verify"]),
            (0, ["cache", "export", "features.sqlite", "x.csv", "--table", "sample"]),
            (0, ["cache", "export", "features.sqlite", "x.npz"]),
            (3, ["cache", "merge", "m.sqlite", "features.sqlite"]),
            (0, ["export", "runs/tiny", "m.onnx"]), (0, ["dataset", "p.yaml", "--twins"]),
            (0, ["sweep", "s.yaml", "--report", "s.html"]),
            (0, ["learning-curve", "p.yaml", "--folds", "2", "--sizes", "2", "--report", "l.html"]),
            (0, ["explore", "features.sqlite", "--output", "e2.html", "--run", "runs/tiny"]),
            (0, ["cache", "prune", "features.sqlite", "--unused", "--dry-run"]),
            (0, ["predict", "runs/tiny", video, "--windows", "--strip", "w.svg"]),
            (3, ["finetune", "f.yaml", "--runs", "tuned"]),
            (1, ["search", "features.sqlite", "--html", "q.html", "--video", video, name]),
            (1, ["predict", "runs/tiny", "none\(name)"]), (1, ["evaluate", "runs/\(name)"]),
            (1, ["cache", "info", "none\(name)"]), (64, ["sequence", "p.yaml", "--name", name]),
            (64, ["evaluate", "--\(name)"]), (64, ["weights", "fetch", name]), (64, ["describe", name]),
            (1, ["search", "features.sqlite", name]), (2, ["sequence", "\(name).yaml"]),
            (2, ["sequence", "p.yaml", "--set", "name=\"a\\nb\""]), (2, ["sequence", "p.yaml", "--set", name]),
        ]
        for (status, arguments) in commands {
            let output = try place.run(arguments)
            #expect(output.status == status, "\(arguments): \(output.status) \(output.error)")
            Self.check(output, arguments)
            if status == 0, arguments.contains("--json") {
                #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(output.out.utf8)) }
            }
        }
        #expect(!FileManager.default.fileExists(atPath: marker))
        try checkFiles(place)
    }

    /// CSV is compared by bytes, and pages contain no element from a label.
    private func checkFiles(_ place: Workplace) throws {
        for page in ["r.html", "c.html", "e.html"] {
            let text = try place.text(page)
            #expect(!text.containsBytes("<\u{301}script") && !text.containsBytes("<script>alert"), "\(page)")
            #expect(text.containsBytes("&lt;\u{301}script&gt;alert(1)"), "\(page)")
        }
        let table = try place.text("x.csv")
        #expect(table.containsBytes("%d,\u{600},\"\"\""))
    }

    @Test("every command rejects a special file immediately") func specialFiles() throws {
        let place = try Workplace(after: "extract", "sequence")
        let pipe = place.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        try #require(mkfifo(place.path + "/clips/train/jump up/pipe.mp4", 0o600) == 0)
        try FileManager.default.createSymbolicLink(
            atPath: place.path + "/clips/train/jump up/zero.mp4", withDestinationPath: "/dev/zero")
        try FileManager.default.createDirectory(atPath: place.path + "/broken", withIntermediateDirectories: true)
        try #require(mkfifo(place.path + "/broken/config.json", 0o600) == 0)
        let commands: [(status: Int32, arguments: [String])] = [
            (3, ["dataset", "p.yaml"]), (3, ["extract", "p.yaml"]), (1, ["predict", "runs/tiny", "pipe"]),
            (1, ["predict", "runs/tiny", "/dev/zero"]), (1, ["evaluate", "broken"]),
            (1, ["predict", "broken", "pipe"]),
            (1, ["cache", "info", "pipe"]), (1, ["cache", "merge", "out.sqlite", "pipe"]),
            (1, ["extract", "p.yaml", "--cache", "pipe"]), (1, ["weights", "inspect", "pipe"]),
            (2, ["extract", "pipe"]), (1, ["extract", "p.yaml", "--set", "extract.weights=pipe"]),
            (1, ["dataset", "p.yaml", "--set", "dataset={layout: csv, root: clips, splits: pipe}"]),
            (1, ["dataset", "p.yaml", "--set", "dataset.exclude=pipe"]),
            (1, ["dataset", "p.yaml", "--digests", "pipe"]), (1, ["describe", "pipe.onnx"]),
        ]
        try #require(mkfifo(place.path + "/pipe.onnx", 0o600) == 0)
        for (status, arguments) in commands {
            let begin = ContinuousClock.now
            let program = try Program.start(arguments, in: place.path)
            let limit = DispatchWorkItem { program.send(SIGKILL) }
            DispatchQueue.global().asyncAfter(deadline: .now() + 20, execute: limit)
            let output = program.wait()
            limit.cancel()
            #expect(output.status == status, "\(arguments): \(output.status) \(output.error)")
            #expect(ContinuousClock.now - begin < .seconds(8), "\(arguments)")
        }
    }

    @Test("all commands print through one function, which escapes control characters") func printing() throws {
        let folder = GuideTests.root + "/Sources/zoetrope"
        for file in try FileManager.default.contentsOfDirectory(atPath: folder)
        where !["Console.swift", "ZoetropeCommand.swift"].contains(file) {
            let text = try String(contentsOfFile: folder + "/" + file, encoding: .utf8)
            #expect(
                try #/(?m)^\s*print\(|[^.\w]print\(|FileHandle\.standard(Error|Output)/#.firstMatch(in: text) == nil,
                "\(file)")
        }
    }
}

/// The table rows of `SECURITY.md` name existing tests.
@Suite struct SecurityPageTests {
    @Test("every promise in SECURITY.md names an existing test") func promises() throws {
        let root = GuideTests.root
        let files = FileManager.default.enumerator(atPath: root + "/Tests")?.compactMap { $0 as? String } ?? []
        var sources: [String: String] = [:]
        for file in files where file.hasSuffix("Tests.swift") {
            sources[((file as NSString).lastPathComponent as NSString).deletingPathExtension] = try String(
                contentsOfFile: root + "/Tests/" + file, encoding: .utf8)
        }
        let page = try String(contentsOfFile: root + "/SECURITY.md", encoding: .utf8)
        let rows = page.byteLines().filter { $0.hasPrefix("| ") && !$0.hasSuffix("| test |") }
        #expect(rows.count > 25)
        for row in rows {
            let cell = row.split(separator: "|").last.map { $0.trimmingCharacters(in: .whitespaces) } ?? ""
            let match = try #require(cell.wholeMatch(of: /`(\w+)`(?:: (.+))?/), "\(row)")
            let source = try #require(sources[String(match.1)], "\(match.1)")
            if let name = match.2 { #expect(source.contains(name), "\(match.1): \(name)") }
        }
    }
}
