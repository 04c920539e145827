import Foundation
import TestSupport
import Testing
@testable import Datasets

@Suite struct ListFolderTests {
    let scratch = ScratchFolder()

    private var dataset: DatasetConfiguration {
        DatasetConfiguration(layout: .csv, root: scratch.path, splits: scratch.path + "/lists")
    }

    /// Each list has one clip, which is named after it.
    private func listing(_ names: [String]) throws -> DatasetListing {
        for name in names { try scratch.file("lists/\(name)", "\(name).mp4 x\n") }
        return try dataset.listing()
    }

    @Test(
        "each split has one list: the exact name first, then one that contains the word; all others are noted",
        arguments: [
            (["train.csv", "train_extra.csv", "val.csv"], ["train.csv", "val.csv"], 1),
            (["train.csv", "mytest.csv"], ["train.csv", "mytest.csv"], 1),
            (["mytrain.csv", "mytest.csv"], ["mytrain.csv", "mytest.csv"], 2),
            (["trainlist.txt", "testlist.txt"], ["trainlist.txt", "testlist.txt"], 2),
            (["train.csv", "train.txt", "test.csv"], ["train.csv", "test.csv"], 1),
            (["training.csv", "validation_test.csv", "test.csv"], ["training.csv", "test.csv"], 1),
            (["train.csv", "eval.csv", "dev.csv"], ["train.csv", "dev.csv", "eval.csv"], 0),
            (["k_train.txt", "k_val.txt", "classes.txt", "latest.csv"], ["k_train.txt", "k_val.txt"], 1),
            (["train.csv", "test.xlsx", "val.list", "notes.md"], ["train.csv"], 1),
            (["val.csv", "validation.csv", "train.csv"], ["train.csv", "validation.csv"], 1),
            (["train.txt", "old_train.txt", "test.txt"], ["train.txt", "test.txt"], 1),
        ])
    func choice(names: [String], read: [String], notes: Int) throws {
        let found = try listing(names)
        let order: [Split] = [.train, .validation, .test]
        let clips = found.clips.sorted { (order.firstIndex(of: $0.split) ?? 0) < (order.firstIndex(of: $1.split) ?? 0) }
        #expect(clips.map(\.path) == read.map { "\($0).mp4" })
        #expect(Set(clips.map(\.split)).count == read.count)
        #expect(found.notes.count == notes, "\(found.notes)")
        for name in names where !read.contains(name) && name != "notes.md" {
            #expect(found.notes.contains { $0.contains(name) && $0.contains("not read") }, "\(name): \(found.notes)")
        }
    }

    @Test(
        "several lists of one split without an exact name are an error, also beside exact names of other splits",
        arguments: [
            ["train_v1.csv", "train_v2.csv", "validation.csv"], ["train.csv", "eval.csv", "testing.csv"],
            ["train.txt", "train.json"],
        ])
    func several(names: [String]) throws {
        let error = #expect(throws: DatasetError.self) { try listing(names) }
        guard case .severalLists(_, _, let found)? = error else { throw Unexpected(found: error) }
        #expect(found.count == 2 && found.allSatisfy(names.contains))
    }

    @Test(
        "a folder without lists is an error that names its files and the layout that reads official lists",
        arguments: [
            (["a.csv", "b.txt"], "it has a.csv, b.txt. Name one list of each part train.csv"),
            (["readme.md"], "no file in it ends in .csv"), (["train.xlsx"], "it has train.xlsx"),
            (["classInd.txt", "trainlist01.txt", "testlist01.txt"], "Set `dataset.layout: ucf101`"),
            (["run_test_split1.txt", "jump_test_split1.txt"], "Set `dataset.layout: hmdb51`"),
        ])
    func none(names: [String], words: String) throws {
        let text = refusal(of: DatasetError.self) { try listing(names) }
        #expect(text.contains(words) && !text.contains("cannot be read") && text.hasSuffix("."), "\(text)")
    }

    @Test("a test list of UCF101 as the only list is an error that names the layout") func singleOfficialList() throws {
        let list = try scratch.file("testlist01.txt", "run/1.avi\n")
        #expect(
            refusal(of: DatasetError.self) {
                try DatasetConfiguration(layout: .csv, root: scratch.path, splits: list).clips()
            }.contains("`dataset.layout: ucf101`"))
    }

    @Test(
        "a split without labels is skipped with a note, such as Something-Something's test list",
        arguments: [
            ("ss-test.json", #"[{"id":"9"}]"#), ("ss-test.csv", "id,label\n9,\n8,\n"),
            ("ss-test.txt", "9.mp4\n8.mp4\n"),
            ("ss-test.csv", "youtube_id,time_start,time_end,split\nAAAAAAAAAAA,1,11,test\n"),
        ])
    func unlabelled(name: String, list: String) throws {
        for (part, id) in [("train", 1), ("validation", 2)] {
            try scratch.file(
                "lists/ss-\(part).json", #"[{"id":"\#(id)","label":"x","template":"Holding [something]"}]"#)
        }
        try scratch.file("lists/\(name)", list)
        let found = try dataset.listing()
        #expect(found.clips.map(\.path) == ["1", "2"] && found.clips.map(\.split) == [.train, .validation])
        #expect(
            found.notes.count == 1 && found.notes[0].contains("\(name) is not read because it has no labels"),
            "\(found.notes)")
    }

    @Test("a training split without labels is an error, and so is a folder whose only list has no labels")
    func unlabelledTraining() throws {
        try scratch.file("lists/test.json", #"[{"id":"1","label":"x"}]"#)
        let list = try scratch.file("lists/train.json", #"[{"id":"2"}]"#)
        for splits in [scratch.path + "/lists", list] {
            #expect(
                refusal(of: DatasetError.self) {
                    try DatasetConfiguration(layout: .csv, root: scratch.path, splits: splits).clips()
                }.contains("Its objects have the keys: id. Name the keys path, label"))
        }
    }
}
