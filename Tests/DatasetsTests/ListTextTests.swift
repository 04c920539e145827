import Foundation
import TestSupport
import Testing
@testable import Datasets

@Suite struct ListTextTests {
    let scratch: ScratchFolder

    init() throws {
        scratch = ScratchFolder()
        for file in ["a.mp4", "b.mp4", "c.mp4", "# d.mp4"] { try scratch.file("root/\(file)") }
    }

    private func pairs(_ list: String) throws -> [String] {
        let file = try scratch.file("list.txt", list)
        let dataset = DatasetConfiguration(layout: .csv, root: scratch.path + "/root", splits: file)
        return try dataset.clips().map { "\($0.path) = \($0.label)" }
    }

    private func message(_ list: String) -> String {
        do {
            return "no error: \(try pairs(list))"
        } catch { return error.localizedDescription }
    }

    @Test(
        "an unclosed quote is an error at the line where it opens",
        arguments: [
            ("path,label\na.mp4,\"jump\nb.mp4,run\nc.mp4,jump\"\n", 2),
            ("path,label\r\na.mp4,x\r\nb.mp4,\"run\r\nc.mp4,jump\"\r\n", 3), ("a.mp4,\"jump\nb.mp4,run\n", 1),
            ("path,label\n\"a.mp4,jump\nb.mp4,run\n\"c.mp4,jump\n", 2), ("# x\n\npath;label\na.mp4;\"jump\n", 4),
            ("path,label,text\na.mp4,x,\"one\nb.mp4,y,two\nc.mp4,z,three\"\n", 2),
            ("path,label,text\na.mp4,x,\"one\nb.mp4,y,two\nc.mp4,z,\"three\"\n", 2),
            ("path,label,text\na.mp4,x,\"two\nlines\"\nb.mp4,\"y,two\nc.mp4,z\",three\n", 4),
            ("path,text,label\na.mp4,\"two\nlines\",\"y\nb.mp4,x,z\"\n", 3), ("a.mp4 \"jump\nb.mp4 run\n", 1),
            ("path,label\na.mp4,x\n# \"comment\nb.mp4, \"jump\nc.mp4,x\n", 4),
        ])
    func openQuotes(list: String, line: Int) {
        let text = message(list)
        #expect(text.contains("list.txt, row \(line): a quoted field does not end"), "\(text)")
        #expect(text.hasSuffix("."))
    }

    @Test("line breaks in labels and paths of JSON are errors") func jsonLineBreaks() {
        #expect(message(#"[{"path":"a.mp4","label":"x\ny"}]"#).contains("row 1: the label contains a line break"))
        #expect(message(#"[{"path":"a\nb.mp4","label":"x"}]"#).contains("row 1: the path contains a line break"))
        #expect(message("path,label\na.mp4,x\u{2028}y\n").contains("row 2: the label contains a line break"))
    }

    @Test("multi-line text in an ignored column is accepted, and rows keep their line numbers")
    func captions() throws {
        let list = "path,label,caption\na.mp4,x,\"first line,\nsecond, third\"\nb.mp4,y,\"\"\"quoted\"\"\"\n"
        #expect(try pairs(list) == ["a.mp4 = x", "b.mp4 = y"])
        #expect(message(list + "c.mp4,,\n").contains("row 5: the label is empty"))
    }

    @Test("quotes inside a field belong to the field, and spaces before a quoted field do not") func innerQuotes()
        throws
    {
        #expect(try pairs("path,label\na.mp4,5\" drop\nb.mp4,x\n") == ["a.mp4 = 5\" drop", "b.mp4 = x"])
        #expect(try pairs("path,label\na.mp4, \"jump, high\"\n") == ["a.mp4 = jump, high"])
        #expect(
            try pairs("path\tlabel\na.mp4\t\nb.mp4\tx\n".replacing("\t\n", with: "\ty\n")) == [
                "a.mp4 = y", "b.mp4 = x",
            ])
    }

    @Test(
        "lines that begin with # and a space are comments anywhere in the file",
        arguments: [
            "# list\npath,label\na.mp4,x\n# c.mp4,z\n  # c.mp4,z\n#\nb.mp4,y\n",
            "# path label\na.mp4 x\n# c.mp4 z\n## c.mp4 z\nb.mp4 y\n", "a.mp4 x\n# c.mp4 z\n#second\nb.mp4 y\n",
            "# c.mp4;z\npath;label\n# it's \"open\na.mp4;x\nb.mp4;y\n# c.mp4;z",
            "path\tlabel\na.mp4\tx\n#\tc.mp4\tz\nb.mp4\ty\n", "# c.mp4 z\na.mp4,x\n# c.mp4,\"z\nb.mp4,y\n",
            "# JSON\n{\"path\":\"a.mp4\",\"label\":\"x\"}\n"
                + "# {\"path\":\"c.mp4\"}\n{\"path\":\"b.mp4\",\"label\":\"y\"}\n",
            "path,label\na.mp4,x\n# path,label\npath,label\nb.mp4,y\n",
        ])
    func comments(list: String) throws { #expect(try pairs(list) == ["a.mp4 = x", "b.mp4 = y"]) }

    @Test("a quoted cell, and the name of an existing file, are data even if they begin with # and a space")
    func marks() throws {
        #expect(try pairs("path,label\n\"# c.mp4\",x\n") == ["# c.mp4 = x"])
        #expect(try pairs("path,label\n# d.mp4,x\n# c.mp4,x\n") == ["# d.mp4 = x"])
        #expect(try pairs("path,label\na.mp4,# fast\n") == ["a.mp4 = # fast"])
        #expect(try pairs("path,label\n#c.mp4,x\n") == ["#c.mp4 = x"])
    }

    @Test("official lists and exclusion lists may contain comments too") func otherLists() throws {
        let folder = scratch.path + "/lists"
        try scratch.file("lists/trainlist01.txt", "# run/0.avi 1\nrun/1.avi 1\n")
        try scratch.file("lists/testlist01.txt", "run/2.avi\n# run/3.avi\n")
        let ucf = DatasetConfiguration(layout: .ucf101, root: scratch.path + "/root", splits: folder)
        #expect(try ucf.clips().map(\.path) == ["run/1.avi", "run/2.avi"])
        var dataset = DatasetConfiguration(layout: .folders, root: scratch.path + "/root")
        for list in ["# old\npath;why\na.mp4;\"dark; short\"\n", "Path\na.mp4\n", "# b.mp4\na.mp4\n"] {
            dataset.exclude = try scratch.file("exclude.csv", list)
            #expect(try dataset.excludedPaths() == ["a.mp4"])
        }
        dataset.exclude = try scratch.file("exclude.csv", "path,why\na.mp4,\"dark\nb.mp4,short\n")
        #expect(throws: DatasetError.openQuote(file: scratch.path + "/exclude.csv", line: 2, what: nil)) {
            try dataset.excludedPaths()
        }
    }
}

@Suite struct UntrustedListTests {
    let scratch = ScratchFolder()

    @Test("whether a path stays inside its folder is decided from its bytes, not from Swift's characters") func paths()
    {
        for path in [
            "../x", "a/../x", "../\u{301}x", "a/\u{301}x/..", "..", "/\u{301}etc", "/etc", "", "a\0", "\u{600}/../x",
        ] { #expect(!Clip.staysInside(path), "\(path)") }
        for path in ["a/b.mp4", "..a", "a..", "..\u{301}/x", "\u{600}..", "a/.b"] {
            #expect(Clip.staysInside(path), "\(path)")
        }
    }

    @Test("commas separate fields whatever characters are next to them", arguments: ["\u{600}", "\u{301}", ""])
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

    @Test("a quoted field without a closing quote is an error at its row, and an empty text has no header")
    func unterminated() throws {
        #expect(throws: CSVTable.Unterminated.self) { try CSVTable("path,label\na,\"b\n") }
        #expect(try CSVTable("").header.isEmpty)
        #expect(try CSVTable("\u{FEFF}path\na").header == ["path"])
    }

    @Test("a list with more lines than any data set has is rejected immediately") func longList() throws {
        let list = try scratch.file("long.csv", "path,label\n" + String(repeating: "a,b\n", count: SplitList.mostLines))
        try scratch.file("root/a", "x")
        let begin = ContinuousClock.now
        let dataset = DatasetConfiguration(layout: .csv, root: scratch.path + "/root", splits: list)
        let error = #expect(throws: DatasetError.self) { try dataset.clips() }
        guard case .unreadableList(list, let reason)? = error else { throw Unexpected(found: error) }
        #expect(reason.contains("\(SplitList.mostLines)"))
        #expect(ContinuousClock.now - begin < soon)
    }

    @Test("a pipe or device given as a list is rejected immediately") func specialFiles() throws {
        let pipe = scratch.path + "/pipe"
        try #require(mkfifo(pipe, 0o600) == 0)
        try scratch.file("root/a/1.mp4", "x")
        for list in [pipe, "/dev/zero"] {
            let begin = ContinuousClock.now
            let dataset = DatasetConfiguration(layout: .csv, root: scratch.path + "/root", splits: list)
            #expect(refusal(of: DatasetError.self) { try dataset.clips() }.contains("not a regular file"))
            var excluded = DatasetConfiguration(layout: .folders, root: scratch.path + "/root")
            excluded.exclude = list
            #expect(throws: DatasetError.self) { try excluded.excludedPaths() }
            #expect(ContinuousClock.now - begin < soon)
        }
    }
}

@Suite struct SuspiciousClassNamesTests {
    @Test(
        "labels that look like one class, several classes or no class are noted",
        arguments: [
            (["Jump", "jump", "run"], "differ only in case", ["`Jump` and `jump`"]),
            (["hand stand", "Hand_stand", "handstand"], "white space", ["`Hand_stand`"]),
            (["jump", "jump\u{A0}", "run"], "white space", [#"`jump\u{a0}`"#]),
            (["jump", "ju\u{200B}mp"], "white space", [#"`ju\u{200b}mp`"#]),
            (["\u{E9}t\u{E9}", "e\u{301}te\u{301}"], "Unicode form", [#"`\u{e9}t\u{e9}`"#]),
            (["'jump'", "jump"], "punctuation", ["`'jump'` and `jump`"]),
            (["01", "1", "1.0", "2"], "the same number", ["`01` and `1` and `1.0`"]),
            (["1,5", "2,5"], "decimal fraction or two numbers", ["`1,5`, `2,5`"]),
            (["jump|run", "jump,run", "run"], "several labels", ["`jump,run`, `jump|run`"]),
            (["jump", "run", "jump + run"], "several labels", ["`jump + run`"]),
            (["nan", "0.0", "1.0"], "missing value", ["`nan`"]),
            (["train", "test", "jump"], "splits of a data set", ["`test` and `train`"]),
        ])
    func suspicious(labels: [String], kind: String, shown: [String]) {
        let notes = SuspiciousClassNames(labels + labels).notes
        #expect(notes.count == 1 && notes[0].contains(kind), "\(notes)")
        for text in shown { #expect(notes.first?.contains(text) == true, "\(notes)") }
    }

    @Test(
        "other labels give no note",
        arguments: [
            ["0", "1", "-1", "10"], ["0.0", "1.0"], ["1_11", "11_1", "c++", "c"], ["train", "bus", "plane"],
            ["Lifting something up, then letting it drop down", "Lifting something up completely"],
            ["none", "jump"], ["playing rock, paper, scissors", "cutting paper"], ["a/b", "a"],
        ])
    func plain(labels: [String]) {
        #expect(SuspiciousClassNames(labels).notes.isEmpty, "\(SuspiciousClassNames(labels).notes)")
    }

    @Test("class names are unchanged, and classes that `dataset.classes` excludes are not noted") func layouts() throws
    {
        let scratch = ScratchFolder()
        for file in ["Jump/1.mp4", "jump/2.mp4", "run/3.mp4"] { try scratch.file("root/\(file)") }
        var dataset = DatasetConfiguration(layout: .folders, root: scratch.path + "/root")
        let found = try dataset.listing()
        #expect(found.clips.map(\.label) == ["Jump", "jump", "run"] && found.notes.count == 1)
        dataset.classes = .named(["jump", "run"])
        #expect(try dataset.listing().notes.isEmpty)
    }
}
