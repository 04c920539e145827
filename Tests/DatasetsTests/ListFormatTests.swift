import Foundation
import TestSupport
import Testing
@testable import Datasets

@Suite struct ListFormatTests {
    let scratch: ScratchFolder

    init() throws {
        scratch = ScratchFolder()
        for file in ["run/1.mp4", "jump high/a b.mp4", "é/ü.mp4", "frames/f 2/1.png", "#a/1.mp4", "ids/11.webm"] {
            try scratch.file("root/\(file)")
        }
    }

    private func listing(_ list: Data, root: String = "/root") throws -> DatasetListing {
        let file = try scratch.file("list.txt", list)
        return try DatasetConfiguration(layout: .csv, root: scratch.path + root, splits: file).listing()
    }

    private func pairs(_ list: String, root: String = "/root") throws -> [String] {
        try listing(Data(list.utf8), root: root).clips.map { "\($0.path) = \($0.label) (\($0.split))" }
    }

    @Test(
        "rows are read with any field separator, with or without a header row",
        arguments: [
            "path,label\nrun/1.mp4,fast run\njump high/a b.mp4,7\n",
            "path;label\nrun/1.mp4;fast run\njump high/a b.mp4;7\n",
            "path\tlabel\nrun/1.mp4\tfast run\njump high/a b.mp4\t7\n",
            "path|label\nrun/1.mp4|fast run\njump high/a b.mp4|7\n",
            "sep=;\r\npath;label\r\nrun/1.mp4;fast run\r\njump high/a b.mp4;7\r\n",
            "run/1.mp4 fast run\njump high/a b.mp4 7\n", "path label\nrun/1.mp4 fast run\njump high/a b.mp4 7\n",
            "run/1.mp4,fast run\njump high/a b.mp4,7\n", "fast run,run/1.mp4\n7,jump high/a b.mp4\n",
            "run/1.mp4;fast run\n\"jump high/a b.mp4\";\"7\"\n", "run/1.mp4\tfast run\rjump high/a b.mp4\t7\r",
            "# a comment\n\n# path,label\nrun/1.mp4,fast run\n# more, or less\njump high/a b.mp4,7\n",
            "{\"path\":\"run/1.mp4\",\"label\":\"fast run\"}\n{\"path\":\"jump high/a b.mp4\",\"label\":7}\n",
            "[{\"path\":\"run/1.mp4\",\"label\":\"fast run\"},{\"path\":\"jump high/a b.mp4\",\"label\":7}]",
            "{\"run/1.mp4\":\"fast run\",\"jump high/a b.mp4\":\"7\"}",
            "Video Path,Class Name\nrun\\1.mp4,fast run\njump high/a b.mp4,7\n",
        ])
    func separators(list: String) throws {
        #expect(try pairs(list) == ["jump high/a b.mp4 = 7 (train)", "run/1.mp4 = fast run (train)"])
    }

    @Test(
        "a text is decoded from any encoding",
        arguments: [
            (String.Encoding.utf8, []), (.utf8, [0xEF, 0xBB, 0xBF]), (.utf16LittleEndian, []), (.utf16BigEndian, []),
            (.utf16LittleEndian, [0xFF, 0xFE]), (.utf16BigEndian, [0xFE, 0xFF]), (.isoLatin1, []),
        ] as [(String.Encoding, [UInt8])])
    func encodings(encoding: String.Encoding, mark: [UInt8]) throws {
        let text = try #require("path;label\r\né/ü.mp4;été\r\nrun/1.mp4;à\r\n".data(using: encoding))
        let listing = try listing(Data(mark) + text)
        #expect(listing.clips.map(\.path) == ["run/1.mp4", "é/ü.mp4"] && listing.clips.map(\.label) == ["à", "été"])
        #expect(listing.notes.isEmpty == (encoding != .isoLatin1))
    }

    @Test("characters of Windows-1252 are read; a mixture of encodings is an error at its line")
    func windows() throws {
        let curly = try listing(Data("path,label\nrun/1.mp4,".utf8) + Data([0x93, 0x80, 0x94, 0x0A]))
        #expect(curly.clips.map(\.label) == ["“€”"])
        #expect(curly.notes.first?.contains("Windows-1252") == true)
        #expect(
            refusal(of: DatasetError.self) {
                try listing(Data("path,label\nrun/1.mp4,é\na.mp4,".utf8) + Data([0xE9, 0x0A]))
            }.contains("line 3 is not UTF-8"))
    }

    @Test("lists of frame folders have the label after the number of frames, or without it") func frameFolders() throws
    {
        #expect(try pairs("frames/f 2 120 3\n") == ["frames/f 2 = 3 (train)"])
        #expect(try pairs("frames/f 2 3\n") == ["frames/f 2 = 3 (train)"])
        #expect(try pairs("frame_dir,total_frames,label\nframes/f 2,120,3\n") == ["frames/f 2 = 3 (train)"])
        #expect(try pairs("frames/f 2/,x\n") == ["frames/f 2/ = x (train)"])
    }

    @Test("a third column with names of splits is the split; a folder name that begins with # is not a comment")
    func otherRows() throws {
        #expect(
            try pairs("run/1.mp4,a,test\n#a/1.mp4,b,val\n") == ["#a/1.mp4 = b (validation)", "run/1.mp4 = a (test)"])
        #expect(try pairs("#a/1.mp4 3\nrun/1.mp4 4\n") == ["#a/1.mp4 = 3 (train)", "run/1.mp4 = 4 (train)"])
    }

    @Test("Something-Something's classes are its templates, and its identifiers name files")
    func somethingSomething() throws {
        let list = """
            [{"id":"11","label":"holding a cup","template":"Holding [something]","placeholders":["a cup"]}]
            """
        let found = try listing(Data(list.utf8), root: "/root/ids")
        #expect(found.clips == [Clip(path: "11.webm", label: "Holding something", split: .train)])
        #expect(found.notes == ["1 clip has another name than in the list: 11.webm for 11"])
    }

    @Test(
        "an unreadable list is an error with the actual reason",
        arguments: [
            ("", "has no clips: it is empty"), (" \n\n", "it has blank lines only"),
            ("# a\n#b\n", "it has comments only"),
            ("path,label\n\n", "it has a header row only"), ("\u{FEFF}", "it is empty"), ("[]", "an empty JSON list"),
            ("label\trun\npath\trun/1.mp4\n", "no column path"),
            ("run/1.mp4\n", "no header row, and no labels: run/1.mp4"), ("a,b\nc,d\n", "no column label, tag or class"),
            ("run/1.mp4 120 3\n", "that names its 3 columns: run/1.mp4 120 3"),
            ("x-1,5,people,test\n", "its 4 columns"),
            ("path label split\na b.mp4 x test\n", "row 2: it has 4 fields, but the header row has 3"),
            ("{\"database\":{}}", "in the format of ActivityNet or HACS"), ("{\"a\":1}", "an object with the keys a"),
            ("[{\"path\":", "damaged or cut off"), ("[1,2]", "entries are not objects"), ("<!DOCTYPE html>", "an HTML"),
            ("PK\u{3}\u{4}", "a ZIP archive, such as an Excel"), ("%PDF-1.7", "a PDF file"),
            ("SQLite format 3\0", "an SQLite database"),
            ("path,label\na.mp4,\"b\n", "row 2: a quoted field does not end"),
        ])
    func errors(list: String, reason: String) throws {
        #expect(refusal(of: DatasetError.self) { try pairs(list) }.contains(reason))
    }

    @Test("errors for compressed and binary files name their format") func binaries() throws {
        for (bytes, what) in [
            ([0x1F, 0x8B, 8, 0], "gzip"), ([0xFF, 0xFE, 0, 0, 0x61, 0, 0, 0], "UTF-32"), ([0x80, 4, 0x95], "pickle"),
            (Array(repeating: [1, 2, 3, 0], count: 40).flatMap { $0 }, "binary"),
        ] as [([UInt8], String)] {
            #expect(refusal(of: DatasetError.self) { try listing(Data(bytes)) }.contains(what))
        }
    }

    @Test(
        "columns for start and end of a segment are rejected under any name",
        arguments: [
            "start,end", "t_start,t_end", "time_start,time_end", "start_time,end_time", "Start (s),End (s)",
            "start_frame,stop_frame",
            "startTime,endTime", "begin,end", "onset,offset", "start_timestamp,stop_timestamp", "start_sec,end_sec",
        ])
    func times(columns: String) throws {
        let error = #expect(throws: DatasetError.self) { try pairs("path,label,\(columns)\nrun/1.mp4,a,0,1\n") }
        guard case .timeRange(_, row: 2, let names)? = error else { throw Unexpected(found: error) }
        #expect(names == columns.split(separator: ",").map(String.init))
        // Empty cells name no split.
        #expect(try pairs("path,label,\(columns)\nrun/1.mp4,a,,\n").count == 1)
    }

    @Test(
        "columns whose names only resemble times are not rejected",
        arguments: ["weekend", "frontend", "endurance", "num_frames"])
    func noTimes(column: String) throws { #expect(try pairs("path,label,\(column)\nrun/1.mp4,a,1\n").count == 1) }
}
