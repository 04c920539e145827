import Foundation
import TestSupport
import Testing
import Video
@testable import Datasets

@Suite("skipped files") struct LeftOutTests {
    let scratch: ScratchFolder
    private var dataset: DatasetConfiguration { DatasetConfiguration(layout: .folders, root: scratch.path) }

    init() throws {
        scratch = ScratchFolder()
        try scratch.file("run/a.mp4")
    }

    private func reasons(_ listing: DatasetListing) -> [String: LeftOut.Reason] {
        Dictionary(listing.leftOut.map { ($0.path, $0.reason) }, uniquingKeysWith: { first, _ in first })
    }

    private func makeFolder(_ name: String) throws {
        try FileManager.default.createDirectory(atPath: scratch.path + "/" + name, withIntermediateDirectories: true)
    }

    @Test("videos are clips whatever their extension; other files are skipped because of their content") func content()
        throws
    {
        for name in ["b.divx", "c", "d.txt"] { try scratch.file("run/" + name, TinyClip.numbered(1)) }
        try scratch.file("run/empty.mp4", "")
        try scratch.file("run/notes.json", "{}")
        try scratch.file("run/nothing", "")
        try scratch.file("run/thumbs.db", "hidden")
        try scratch.file(
            "run/image.png", RGBImage(width: 2, height: 2, pixels: [UInt8](repeating: 1, count: 12)).encoded(as: .png))
        let listing = try dataset.listing()
        #expect(listing.clips.map(\.path) == ["run/a.mp4", "run/b.divx", "run/c", "run/d.txt", "run/empty.mp4"])
        #expect(
            reasons(listing) == [
                "run/notes.json": .noVideo(.text), "run/nothing": .noVideo(.empty), "run/image.png": .noVideo(.image),
            ])
        #expect(listing.summary == "3 files are left out: 3 are not videos")
    }

    @Test("files outside a class, files nested too deeply, empty folders and classes without clips are skipped")
    func places() throws {
        for name in [
            "loose.mp4", "run/deep/b.mp4", "run/deep/deeper/c.mp4", "run/deep/frames/0.png", "run/deep/frames/1.png",
        ] { try scratch.file(name) }
        try scratch.file("readme.md", "Text.")
        try makeFolder("run/nothing")
        try makeFolder("jump")
        let listing = try dataset.listing()
        #expect(listing.clips.map(\.path) == ["run/a.mp4"])
        #expect(
            reasons(listing) == [
                "loose.mp4": .noClass, "readme.md": .noVideo(.text), "run/deep/b.mp4": .tooDeep,
                "run/deep/deeper/c.mp4": .tooDeep, "run/deep/frames": .tooDeep, "run/nothing": .emptyFolder,
                "jump": .noClips,
            ])
        #expect(listing.emptyClasses.map(\.path) == ["jump"])
        #expect(
            listing.summary == "6 files are left out: 3 are deeper than <root>/<label>/<video>, 1 is an empty folder, "
                + "1 is not in a class folder, 1 is not a video; 1 class folder contains no clip")
    }

    @Test("files beside the folders of splits belong to no class") func splits() throws {
        let splits = DatasetConfiguration(layout: .folders, root: scratch.path + "/s")
        for name in ["train/run/a.mp4", "test/run/b.mp4", "test/loose.mp4", "other.mp4"] {
            try scratch.file("s/" + name)
        }
        try makeFolder("s/test/jump")
        let listing = try splits.listing()
        #expect(listing.clips.count == 2)
        #expect(reasons(listing) == ["test/loose.mp4": .noClass, "other.mp4": .noClass, "test/jump": .noClips])
    }

    @Test("a folder with images is one clip; its other files are skipped") func imageFolder() throws {
        for name in ["0.png", "1.png", "notes.txt", "masks/0.png", "Thumbs.db", "b.mp4"] {
            try scratch.file("run/frames/" + name)
        }
        let listing = try dataset.listing()
        #expect(listing.clips.map(\.path) == ["run/a.mp4", "run/frames"])
        #expect(
            reasons(listing) == [
                "run/frames/notes.txt": .noVideo(.text), "run/frames/masks": .tooDeep, "run/frames/b.mp4": .tooDeep,
            ])
    }

    @Test("pipes, devices, broken links and link loops are skipped without waiting", .timeLimit(.minutes(1)))
    func links() throws {
        try scratch.file("run/frames/0.png")
        for name in ["run/pipe.mp4", "run/pipe", "run/frames/1.png", "pipe"] {
            try #require(mkfifo(scratch.path + "/" + name, 0o600) == 0)
        }
        for (name, target) in [
            ("run/zero.mp4", "/dev/zero"), ("run/zero", "/dev/zero"), ("run/gone", "nowhere"),
            ("run/gone.mp4", "nowhere"), ("run/loop", ".."),
            ("loop", "."), ("run/linked.mp4", "a.mp4"), ("run/linked", "frames"), ("linked", "run"),
        ] { try #require(symlink(target, scratch.path + "/" + name) == 0) }
        let listing = try dataset.listing()
        // A file with the name of a video remains a clip, which fails with its reason.
        let own = ["a.mp4", "frames", "gone.mp4", "linked", "linked.mp4", "pipe.mp4", "zero.mp4"]
        #expect(listing.clips.map(\.path) == ["linked", "run"].flatMap { folder in own.map { folder + "/" + $0 } })
        let found = reasons(listing)
        #expect(found["run/pipe"] == .special("a named pipe") && found["run/zero"] == .special("a device"))
        #expect(found["run/frames/1.png"] == .special("a named pipe") && found["pipe"] == .special("a named pipe"))
        #expect(found["run/gone"] == .brokenLink("No such file or directory"))
        #expect(found["run/loop"] == .linkLoop && found["loop"] == .linkLoop)
    }

    @Test("of two names that differ in Unicode normalisation only, the second is skipped with the reason")
    func normalisation() throws {
        for name in ["run/\u{E9}.mp4", "run/e\u{301}.mp4", "\u{E9}/a.mp4", "e\u{301}/b.mp4"] { try scratch.file(name) }
        let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/run")
        // Some file systems treat them as equal.
        guard names.count == 3 else { return }
        let listing = try dataset.listing()
        #expect(listing.clips.count == 3)
        #expect(listing.leftOut.map(\.reason) == [.sameName("e\u{301}.mp4"), .sameName("e\u{301}")])
        #expect(listing.leftOut.allSatisfy { $0.reason.description.contains(#"e\u{301}"#) })
        // Each image is a frame, whatever its name.
        for name in ["\u{E9}.png", "e\u{301}.png"] { try scratch.file("run/frames/" + name) }
        #expect(try dataset.listing().leftOut.count == 2)
        #expect(try ImageFolderContents(scratch.path + "/run/frames").images.count == 2)
        let list = try scratch.file("list.csv", "path,label\nrun/\u{E9}.mp4,run\nrun/e\u{301}.mp4,run\n")
        let csv = try DatasetConfiguration(layout: .csv, root: scratch.path, splits: list).listing()
        #expect(csv.clips.count == 1 && csv.leftOut.map(\.reason) == [.sameName("run/e\u{301}.mp4")])
    }

    @Test("names that are not UTF-8 are skipped and printed as bytes") func bytes() throws {
        let bytes = Array((scratch.path + "/run/latin").utf8CString.dropLast()) + [CChar(bitPattern: 0xE9), 0]
        // Not every file system accepts such names.
        guard mkdir(bytes, 0o700) == 0 else { return }
        defer { rmdir(bytes) }
        #expect(try reasons(dataset.listing()) == [#"run/latin\xE9"#: .notUTF8])
    }

    @Test("the error for a data set without clips lists what the folder contains") func nothing() throws {
        let flat = DatasetConfiguration(layout: .folders, root: scratch.path + "/run")
        #expect(
            refusal(of: DatasetError.self) { try flat.listing() }.contains(
                "(1 file is left out: 1 is not in a class folder)"))
    }

    @Test("files of classes that are not used, and those of `exclude`, are not listed") func chosen() throws {
        try scratch.file("run/notes.txt", "Text.")
        try scratch.file("jump/b.mp4")
        try scratch.file("jump/other.txt", "Text.")
        var chosen = dataset
        chosen.classes = .named(["run"])
        #expect(try chosen.listing().leftOut.map(\.path) == ["run/notes.txt"])
        chosen.exclude = try scratch.file(
            "../\((scratch.path as NSString).lastPathComponent)-out.txt", "run/notes.txt\n")
        defer { try? FileManager.default.removeItem(atPath: chosen.exclude ?? "") }
        #expect(try chosen.listing().leftOut.isEmpty)
    }

    @Test("in GTEA61, folders without `rgb` and files beside frames are skipped") func gtea61() throws {
        for name in ["S1/open/1/rgb/rgb0001.png", "S1/open/1/rgb/notes.txt", "S1/open/2/flow/a.png", "flow/S1/a.png"] {
            try scratch.file("g/" + name)
        }
        let listing = try DatasetConfiguration(layout: .gtea61, root: scratch.path + "/g").listing()
        #expect(listing.clips.map(\.path) == ["S1/open/1/rgb"])
        #expect(reasons(listing) == ["S1/open/1/rgb/notes.txt": .noVideo(.text), "S1/open/2": .noFrames])
    }
}
