import Foundation
import TestSupport
import Testing

/// Files that are no clip, as the commands say it.
@Suite struct LeftOutCommandTests {
    @Test(
        "`dataset` lists what is left out and why, `extract` counts it, and neither fails for it",
        .timeLimit(.minutes(5)))
    func commands() throws {
        let place = try Workplace(clips: 4)
        try place.add("clips/train/run's/notes.txt", "Text.\n")
        try place.add("clips/train/run's/deep/a.y4m", TinyClip.numbered(30))
        try #require(mkfifo(place.path + "/clips/train/run's/pipe", 0o600) == 0)
        try FileManager.default.createDirectory(
            atPath: place.path + "/clips/train/fall", withIntermediateDirectories: true)
        let look = try place.run("dataset", "p.yaml")
        #expect(look.status == 0 && !look.out.contains("No problems found"), "\(look.error)")
        for text in [
            "3 files left out:", "train/run's/notes.txt: it is a text file", "train/run's/deep/a.y4m: it is deeper",
            "train/run's/pipe: it is a named pipe", "1 class folder without a clip:\n  train/fall",
        ] { #expect(look.out.contains(text), "\(look.out)") }
        let extract = try place.run("extract", "p.yaml", status: 0)
        let note =
            "note: 3 files are left out: 1 is deeper than <root>/<label>/<video>, 1 is not a regular file, 1 is not a video; "
            + "1 class folder contains no clip. `zoetrope dataset PIPELINE` lists them."
        #expect(extract.error.contains(note), "\(extract.error)")
    }

    @Test("more than 20 are counted") func many() throws {
        let place = try Workplace(clips: 4)
        for index in 0..<22 { try place.add("clips/train/run's/\(index).txt", "Text.\n") }
        try place.run("dataset", "p.yaml", out: "22 files left out:", "… and 2 more")
    }

    @Test(
        "`predict` names pipes, folders of videos, playlists and single images as what they are",
        .timeLimit(.minutes(5)))
    func predict() throws {
        let place = try Workplace()
        #expect(try place.run("extract", "p.yaml").status == 0)
        #expect(try place.run("sequence", "p.yaml").status == 0)
        try #require(mkfifo(place.path + "/pipe.mp4", 0o600) == 0)
        try #require(symlink("pipe.mp4", place.path + "/link.mp4") == 0)
        try place.add("list.m3u8", "#EXTM3U\na.mp4\n")
        for (video, reason) in [
            ("pipe.mp4", "it is a named pipe"), ("link.mp4", "it is a named pipe"), ("/dev/zero", "it is a device"),
            ("list.m3u8", "is a playlist"), ("clips/test/run's", "it holds the videos 3.y4m, 7.y4m"),
        ] { try place.run("predict", "runs/tiny", video, status: 1, error: reason) }
        try place.add("image.ppm", Data("P6\n24 16\n255\n".utf8) + Data(repeating: 90, count: 24 * 16 * 3))
        try place.run(
            "predict", "runs/tiny", "image.ppm", status: 0, out: "(1 frame)", error: "image.ppm is a single image")
    }
}
