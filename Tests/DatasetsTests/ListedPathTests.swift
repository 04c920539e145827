import Foundation
import TestSupport
import Testing
@testable import Datasets

/// Paths in lists, and files with other names on disk.
@Suite struct ListedPathTests {
    let scratch = ScratchFolder()

    private func clips(_ list: String, root: String, splits name: String = "list.csv") throws -> [Clip] {
        let file = try scratch.file(name, list)
        return try DatasetConfiguration(layout: .csv, root: root, splits: file).clips()
    }

    @Test("absolute paths inside the root are accepted, also through links and if the root is /")
    func absolute() throws {
        try scratch.file("data/set/run/1.mp4")
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "/link", withDestinationPath: scratch.path + "/data/set")
        let (root, link) = (scratch.path + "/data/set", scratch.path + "/link")
        for (root, path) in [
            (root, root), (root, link), (link, root), (link, link), (root + "/", root),
            (root, scratch.path + "/data/./x/../set"),
        ] { #expect(try clips("path,label\n\(path)/run/1.mp4,a\n", root: root).map(\.path) == ["run/1.mp4"]) }
        let whole = try clips("path,label\n\(root)/run/1.mp4,a\n", root: "/")
        #expect(whole.map(\.path) == [String((root + "/run/1.mp4").dropFirst())])
        // A missing file is reported as missing.
        #expect(try clips("path,label\n\(root)/none.mp4,a\n", root: root).map(\.path) == ["none.mp4"])
        #expect(
            refusal(of: DatasetError.self) {
                try clips("path,label\n\(root)/run/1.mp4,a\n", root: root + "/run/x")
            }.contains("row 2: \(root)/run/1.mp4 leads out of the root"))
    }

    @Test(
        "a path may begin with the root's last folders or with /, use backslashes, or be relative to the list",
        arguments: [
            "set/run/1.mp4", "data/set/run/1.mp4", "/run/1.mp4", "run\\1.mp4", ".\\run\\1.mp4", "run/../run/1.mp4",
            "../data/set/run/1.mp4", "run/1.mp4/",
        ])
    func relative(path: String) throws {
        try scratch.file("data/set/run/1.mp4")
        let found = try clips("path,label\n\(path),a\n", root: scratch.path + "/data/set", splits: "lists/list.csv")
        #expect(found.map(\.path) == ["run/1.mp4"])
    }

    @Test("a path that exists exactly as written is used unchanged") func literal() throws {
        for file in ["set/run/1.mp4", "set/set/run/1.mp4", "set/a\\b.mp4", "set/a/b.mp4"] { try scratch.file(file) }
        let found = try clips("path,label\nset/run/1.mp4,a\na\\b.mp4,a\n./run/1.mp4,a\n", root: scratch.path + "/set")
        #expect(Set(found.map(\.path)) == ["set/run/1.mp4", "a\\b.mp4", "./run/1.mp4"])
    }

    @Test(
        "Kinetics' clips are found in folders of splits and classes, with and without times in their names",
        arguments: [
            ("train/AAAAAAAAAAA_000001_000011.mp4", "val/BBBBBBBBBBB_000002_000012.mp4"),
            ("train/play (drums)/AAAAAAAAAAA_000001_000011.mp4", "validate/it's x/BBBBBBBBBBB_000002_000012.mp4"),
            ("train/play_drums/AAAAAAAAAAA_000001_000011.mp4", "validation/its_x/BBBBBBBBBBB_000002_000012.mp4"),
            ("videos_train/AAAAAAAAAAA.mp4", "videos_val/BBBBBBBBBBB.mkv"),
            ("AAAAAAAAAAA_1_11.mp4", "BBBBBBBBBBB.webm"),
            ("play_drums/AAAAAAAAAAA_000001_000011.webm", "it's x/BBBBBBBBBBB_000002.mp4"),
        ])
    func kinetics(train: String, validation: String) throws {
        for file in [train, validation] { try scratch.file("k/\(file)") }
        let list =
            "label,youtube_id,time_start,time_end,split\nplay (drums),AAAAAAAAAAA,1,11.0,train\nit's "
            + "x,BBBBBBBBBBB,000002,12,val\n"
        let found = try clips(list, root: scratch.path + "/k")
        #expect(Set(found.map(\.path)) == [train, validation])
    }

    @Test("a name that matches several files, or an identifier of several clips, is not resolved by guessing")
    func ambiguous() throws {
        for file in [
            "k/train/AAAAAAAAAAA.mp4", "k/train/AAAAAAAAAAA.webm", "k/train/bbbbbbbbbbb.mp4", "k/CCCCCCCCCCC.mp4",
        ] { try scratch.file(file) }
        let list =
            "label,youtube_id,time_start,time_end\nx,AAAAAAAAAAA,1,11\nx,BBBBBBBBBBB,2,12\nx,CCCCCCCCCCC,2,12\n"
            + "x,CCCCCCCCCCC,22,32\n"
        let file = try scratch.file("list.csv", list)
        let found = try DatasetConfiguration(layout: .csv, root: scratch.path + "/k", splits: file).listing()
        #expect(found.clips.allSatisfy { $0.path.hasSuffix("2.mp4") || $0.path.hasSuffix("1.mp4") })
        #expect(found.notes.count == 1 && found.notes[0].contains("several files"), "\(found.notes)")
    }

    @Test(
        "times that are not integer seconds, and lists of one split under several names, are errors",
        arguments: [
            ("1.5", "time_start is 1.5"), ("x", "time_start is x"), ("", "time_start is empty"),
            ("-3", "time_start is -3"),
        ])
    func kineticsErrors(start: String, reason: String) throws {
        #expect(
            refusal(of: DatasetError.self) {
                try clips("label,youtube_id,time_start,time_end\nx,AAAAAAAAAAA,\(start),11\n", root: scratch.path)
            }.contains("row 2: \(reason)"))
        for name in ["kinetics_train_list.csv", "train_b.txt"] {
            try scratch.file("lists/\(name)", "path,label\na.mp4,x\n")
        }
        #expect(
            throws: DatasetError.severalLists(
                folder: scratch.path + "/lists", "train", ["kinetics_train_list.csv", "train_b.txt"])
        ) { try DatasetConfiguration(layout: .csv, root: scratch.path, splits: scratch.path + "/lists").clips() }
    }

    static let spellings = ["HandstandPushups", "HandStandPushups"]

    @Test(
        "both spellings of a UCF101 class are one class, in lists, folders and file names, for videos and frames",
        arguments: spellings.flatMap { folder in
            spellings.flatMap { name in ["avi", "mp4", "webm", "frames"].map { (folder, name, $0) } }
        })
    func handstand(folder: String, name: String, ending: String) throws {
        for group in 1...2 {
            let clip = "u/\(folder)/v_\(name)_g0\(group)_c01"
            try scratch.file(ending == "frames" ? clip + "/1.png" : clip + "." + ending)
        }
        try scratch.file("l/trainlist01.txt", "HandstandPushups/v_HandStandPushups_g01_c01.avi 37\n")
        try scratch.file("l/testlist01.txt", "HandStandPushups/v_HandStandPushups_g02_c01.avi\n")
        let dataset = DatasetConfiguration(layout: .ucf101, root: scratch.path + "/u", splits: scratch.path + "/l")
        let found = try dataset.clips()
        #expect(found.map(\.label) == ["HandstandPushups", "HandstandPushups"])
        #expect(found.map(\.group) == ["HandstandPushups_g01", "HandstandPushups_g02"])
        #expect(found.map(\.split) == [.train, .test])
        #expect(found.allSatisfy { FileManager.default.fileExists(atPath: "\(dataset.root)/\($0.path)") }, "\(found)")
    }

    @Test(
        "HMDB51's clips are found under other extensions, as folders of frames, and with special characters replaced",
        arguments: [
            "brush_hair/#1_Up_(HD)_brush_hair_u_0.avi", "brush_hair/#1_Up_(HD)_brush_hair_u_0.mp4",
            "brush hair/_1_Up__HD__brush_hair_u_0.avi", "Brush_Hair/#1_Up_(HD)_brush_hair_u_0/1.png",
        ])
    func hmdb(file: String) throws {
        try scratch.file("h/\(file)")
        let list = try scratch.file(
            "l/brush_hair_test_split1.txt", "#1_Up_(HD)_brush_hair_u_0.avi 1 \nUnused_brush_hair_1.avi 0\n")
        let dataset = DatasetConfiguration(layout: .hmdb51, root: scratch.path + "/h", splits: scratch.path + "/l")
        let found = try dataset.clips()
        #expect(found.map(\.path) == [file.replacing("/1.png", with: "")])
        #expect(found.map(\.group) == ["brush_hair_#1_Up_(HD)"])
        try scratch.file("l/brush_hair_test_split1.txt", "Unused_brush_hair_1.avi 0\n")
        #expect(refusal(of: DatasetError.self) { try dataset.clips() }.contains("has no clips"), "\(list)")
    }

    @Test(
        "folder names that differ only in case and separators are equal; with other digits or letters they are not"
    ) func keys() {
        for (one, other, isSame) in [
            ("brush hair", "Brush_Hair", true), ("ApplyEyeMakeup", "apply_eye_makeup", true), ("a (b)", "a_b", true),
            ("1_11", "11_1", false), ("c++", "c", false), ("a_1", "a1", false), ("_", "-", false),
        ] { #expect((FileFinder.key(ofFolder: one) == FileFinder.key(ofFolder: other)) == isSame, "\(one), \(other)") }
    }

    @Test("training, testing and valid are splits if they contain class folders, and classes if they contain videos")
    func folders() throws {
        for file in [
            "s/training/a/1.mp4", "s/testing/a/2.mp4", "s/valid/a/3.mp4", "c/training/1.mp4", "c/testing/2.mp4",
        ] { try scratch.file(file) }
        let splits = try DatasetConfiguration(layout: .folders, root: scratch.path + "/s").clips()
        #expect(splits.map(\.split) == [.test, .train, .validation] && Set(splits.map(\.label)) == ["a"])
        let classes = try DatasetConfiguration(layout: .folders, root: scratch.path + "/c").clips()
        #expect(classes.map(\.label) == ["testing", "training"])
    }
}
