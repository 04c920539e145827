import Foundation
import TestSupport
import Testing

@testable import Datasets

@Suite struct UntrustedListTests {
    let scratch = ScratchFolder()

    @Test("a path stays inside by its bytes, not by what Swift calls characters") func paths() {
        for path in [
            "../x", "a/../x", "../\u{301}x", "a/\u{301}x/..", "..", "/\u{301}etc", "/etc", "", "a\0", "\u{600}/../x",
        ] { #expect(!Clip.staysInside(path), "\(path)") }
        for path in ["a/b.mp4", "..a", "a..", "..\u{301}/x", "\u{600}..", "a/.b"] {
            #expect(Clip.staysInside(path), "\(path)")
        }
    }

    @Test("commas part fields whatever stands beside them", arguments: ["\u{600}", "\u{301}", ""])
    func fields(mark: String) throws {
        let table = try CSVTable("path\(mark),label\r\na\(mark),\(mark)b\n\"c,\"\"\(mark)\",d\n\n\"e\nf\",g")
        #expect(table.header.map { Array($0.utf8) } == [Array("path\(mark)".utf8), Array("label".utf8)])
        let rows = table.rows.map { $0.map { Array($0.utf8) } }
        #expect(
            rows
                == [
                    ["a\(mark)", "\(mark)b"], ["c,\"\(mark)", "d"], [""], ["e\nf", "g"],
                ].map { $0.map { Array($0.utf8) } })
    }

    @Test("a quoted field without an end is an error at its row, and an empty text has no header")
    func unterminated() throws {
        #expect(throws: CSVTable.Unterminated.self) { try CSVTable("path,label\na,\"b\n") }
        #expect(try CSVTable("").header.isEmpty)
        #expect(try CSVTable("\u{FEFF}path\na").header == ["path"])
    }

    @Test("a list of more lines than any data set has is refused at once") func longList() throws {
        let list = try scratch.file("long.csv", "path,label\n" + String(repeating: "a,b\n", count: SplitList.mostLines))
        try scratch.file("root/a", "x")
        let begin = ContinuousClock.now
        let dataset = DatasetConfiguration(layout: .csv, root: scratch.path + "/root", splits: list)
        let error = #expect(throws: DatasetError.self) { try dataset.clips() }
        guard case .unreadableList(list, let reason)? = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(reason.contains("\(SplitList.mostLines)"))
        #expect(ContinuousClock.now - begin < soon)
    }

    @Test("a pipe or device in place of a list is refused at once", arguments: [DatasetConfiguration.Layout.csv])
    func specialFiles(layout: DatasetConfiguration.Layout) throws {
        let pipe = scratch.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        try scratch.file("root/a/1.mp4", "x")
        for list in [pipe, "/dev/zero"] {
            let begin = ContinuousClock.now
            let dataset = DatasetConfiguration(layout: layout, root: scratch.path + "/root", splits: list)
            #expect(refusal(of: DatasetError.self) { try dataset.clips() }.contains("not a regular file"))
            var excluded = DatasetConfiguration(layout: .folders, root: scratch.path + "/root")
            excluded.exclude = list
            #expect(throws: DatasetError.self) { try excluded.excludedPaths() }
            #expect(ContinuousClock.now - begin < soon)
        }
    }
}
