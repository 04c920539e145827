import Foundation
import TestSupport
import Testing
@testable import Datasets

/// Columns that name the split of a clip, with other names than `split`.
@Suite struct SplitColumnTests {
    let scratch = ScratchFolder()

    private func listing(_ list: String, name: String = "list.csv", group: String? = nil) throws -> DatasetListing {
        let file = try scratch.file(name, list)
        return try DatasetConfiguration(layout: .csv, root: scratch.path, splits: file, group: group).listing()
    }

    /// Clips named `a.mp4`, `b.mp4`, … with these values of a column.
    private func listing(_ column: String, _ values: [String], group: String? = nil) throws -> DatasetListing {
        let rows = zip("abcdefghij", values).map { "\($0).mp4,x,\($1)\n" }
        return try listing("path,label,\(column)\n" + rows.joined(), group: group)
    }

    @Test(
        "a column of split names is the split under any column name; an ambiguous column name gives a note",
        arguments: [
            ("subset", false), ("Subset", false), ("set", false), ("partition", false), ("phase", false),
            ("splits", false), ("data-split", false), ("fold_name", false), ("usage", true), ("part", true),
            ("mode", true), ("type", true), ("dataset", true), ("purpose", true), ("Gruppe", true),
        ])
    func names(column: String, isNoted: Bool) throws {
        let found = try listing(column, ["train", "Validation", "TEST", "train"])
        #expect(found.clips.map(\.split) == [.train, .validation, .test, .train])
        #expect(found.notes.map { $0.contains("`\(column)` is read as the split") } == (isNoted ? [true] : []))
    }

    @Test(
        "common words for the splits are read in any case",
        arguments: [
            (["train", "training", "TRAIN", "training set"], Split.train),
            (["val", "valid", "Validation", "validate", "dev"], .validation),
            (["test", "Testing", "eval", "evaluation", "test_set"], .test),
        ])
    func words(values: [String], split: Split) throws {
        #expect(try listing("subset", values).clips.allSatisfy { $0.split == split })
        #expect(try listing("split", values).clips.allSatisfy { $0.split == split })
    }

    @Test("Kinetics' lists with a column `subset` give its splits, as CSV and as JSON") func kinetics() throws {
        let rows = ["AAAAAAAAAAA,1,11,train", "BBBBBBBBBBB,2,12,validate", "CCCCCCCCCCC,3,13,test"]
        let csv = try listing("label,youtube_id,time_start,time_end,subset\n" + rows.map { "yoga,\($0)\n" }.joined())
        let objects = rows.map { row -> String in
            let fields = row.split(separator: ",")
            return
                #""\#(fields[0])":{"annotations":{"label":"yoga","#
                + #""segment":[\#(fields[1]),\#(fields[2])]},"subset":"\#(fields[3])"}"#
        }
        let json = try listing("{\(objects.joined(separator: ","))}", name: "list.json")
        for found in [csv, json] {
            #expect(found.clips.map(\.split) == [.train, .validation, .test] && found.notes.isEmpty)
        }
    }

    @Test(
        "columns of folds and flags are ignored with a note",
        arguments: [
            ("fold", ["0", "1", "2"]), ("is_train", ["1", "0", "True"]), ("isTest", ["no", "yes", "no"]),
            ("train", ["1", "0", "1"]), ("kfold", ["a", "b", "c"]), ("status", ["valid", "valid", "valid"]),
        ])
    func unread(column: String, values: [String]) throws {
        let found = try listing(column, values)
        #expect(found.clips.allSatisfy { $0.split == .train })
        #expect(
            found.notes.count == 1 && found.notes[0].contains("column `\(column)` is not read: name a column `split`"))
        // A column that is the source of the clips is read.
        #expect(try listing(column, values, group: column).notes.isEmpty)
    }

    @Test(
        "other columns give no note",
        arguments: [
            ("type", ["indoor", "outdoor"]), ("mode", ["train", "bus"]), ("test_score", ["0.5", "0.7"]),
            ("set", ["1", "2"]), ("valid", ["very", "hardly"]),
        ])
    func others(column: String, values: [String]) throws {
        let found = try listing(column, values)
        #expect(found.clips.allSatisfy { $0.split == .train } && found.notes.isEmpty, "\(found.notes)")
    }

    @Test("a column with split names in some rows only, and columns that differ, are errors; `split` takes precedence")
    func errors() throws {
        let partly = #expect(throws: DatasetError.self) { try listing("info", ["train", "test", "holdout"]) }
        #expect(partly?.localizedDescription.contains("row 4: the column info names splits") == true)
        #expect(throws: DatasetError.self) { try listing("subset", ["train", "holdout"]) }
        let two = "a.mp4,x,train,test\nb.mp4,x,test,train\n"
        #expect(throws: DatasetError.severalSplitColumns(file: scratch.path + "/list.csv", ["split1", "split2"])) {
            try listing("path,label,split1,split2\n" + two)
        }
        #expect(try listing("path,label,subset,split\n" + two).clips.map(\.split) == [.test, .train])
        #expect(try listing("path,label,usage,subset\n" + two).clips.map(\.split) == [.test, .train])
        let same = "a.mp4,x,train,Train\nb.mp4,x,test,testing\n"
        #expect(try listing("path,label,set,subset\n" + same).clips.map(\.split) == [.train, .test])
    }

    @Test("rows without a split, and more fields than the header row has, are noted") func gaps() throws {
        let gaps = try listing("path,label,split\na.mp4,x,test\nb.mp4,x\nc.mp4,x,\n")
        #expect(gaps.clips.map(\.split) == [.test, .train, .train])
        #expect(gaps.notes.count == 1 && gaps.notes[0].hasSuffix("2 rows have no split, and count as train"))
        let wide = try listing("path,label\na.mp4,x\nb.mp4,jump, high\n")
        #expect(wide.notes.count == 1 && wide.notes[0].contains("row 3: it has 3 fields, but the header row has 2"))
        #expect(try listing("path,label\na.mp4,x,\nb.mp4,y,,\n").notes.isEmpty)
    }

    @Test("a single list that is named like the test split gives a note, since its clips are used for training")
    func singleTestList() throws {
        let found = try listing("path,label\na.mp4,x\n", name: "k400_test.csv")
        #expect(found.clips.map(\.split) == [.train])
        #expect(found.notes.count == 1 && found.notes[0].contains("all clips count as train"))
    }
}
