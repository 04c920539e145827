import Foundation
import TestSupport
import Testing
import Video

@Suite struct PictureCommandTests {
    /// Extracted and trained; the run is `runs/tiny`.
    private static func trained(clips: Int = 8) throws -> Workplace {
        let place = try Workplace(clips: clips)
        _ = try place.run("extract", "p.yaml")
        let run = try place.run("sequence", "p.yaml", "--set", "dataset.validation=0")
        #expect(run.status == 0, "\(run.error)")
        return place
    }

    /// Without gnuplot.
    private static let bare = ["PATH": "/nowhere", "ZOETROPE_TUNING": "off"]

    private static func text(_ place: Workplace, _ name: String) throws -> String {
        try String(contentsOfFile: place.path + "/" + name, encoding: .utf8)
    }

    @Test("evaluate, compare and sweep write reports; without gnuplot they say what to install and go on")
    func reports() throws {
        let place = try Self.trained()
        let written = try place.run("evaluate", "runs/tiny", "--report", "r.html")
        #expect(written.status == 0 && written.error.contains("Report: r.html"), "\(written.error)")
        let page = try Self.text(place, "r.html")
        #expect(page.contains("run&#39;s") && page.contains("jump up") && page.contains("data:image/jpeg;base64,"))

        let bare = try Program.run(
            ["evaluate", "runs/tiny", "--report", "bare.html", "--continuous", "--sequences", "3", "--split", "train"],
            in: place.path, environment: Self.bare)
        #expect(bare.status == 0 && bare.error.contains("gnuplot-nox"), "\(bare.error)")
        #expect(bare.out.contains("windows are classified as the action of most of their frames"))
        #expect(try Self.text(place, "bare.html").contains("Sliding windows over concatenated clips"))
        let single = try place.run("evaluate", "runs/tiny", "--continuous")
        #expect(single.status == 1 && single.error.contains("needs clips of at least two classes"))
        let charts = try Program.run(
            ["evaluate", "runs/tiny", "--report", "charts", "--format", "png"], in: place.path, environment: Self.bare)
        #expect(charts.status == 1 && charts.error.contains("gnuplot-nox"))
        let json = try place.run(
            "evaluate", "runs/tiny", "--continuous", "--json", "--sequences", "3", "--clips", "4", "--split", "train")
        let parsed = try JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [String: Any]
        // 4 clips of 4 frames under a window of 4.
        #expect(parsed?["windows"] as? Int == 3 * 13)

        _ = try place.run(
            "sequence", "p.yaml", "--name", "other", "--set", "sequence.model={kind: average}", "--set",
            "dataset.validation=0")
        let compare = try place.run("compare", "runs/tiny", "runs/other", "--report", "c.html")
        #expect(compare.status == 0, "\(compare.error)")
        #expect(try Self.text(place, "c.html").contains("tiny, other"))
        try place.add("s.yaml", Data((Workplace.pipeline + "\nsweep:\n  sequence.batch_size: [2, 4]\n").utf8))
        let sweep = try place.run("sweep", "s.yaml", "--report", "s.html")
        #expect(sweep.status == 0, "\(sweep.error)")
        #expect(try Self.text(place, "s.html").contains("2 runs over sequence.batch_size"))

        let nowhere = try place.run("evaluate", "runs/tiny", "--report", "no/such/folder/r.html")
        #expect(nowhere.status == 1 && nowhere.error.contains("no/such/folder/r.html cannot be written"))
        #expect(try place.run("evaluate", "runs/tiny", "--format", "png").status == 64)
        #expect(try place.run("evaluate", "runs/tiny", "--report", "r", "--format", "pdf").status == 64)
        try FileManager.default.moveItem(atPath: place.path + "/clips", toPath: place.path + "/elsewhere")
        _ = try place.run("evaluate", "runs/tiny", "--report", "gone.html")
        #expect(try Self.text(place, "gone.html").contains("No frames: clips/"))
        _ = try place.run("evaluate", "runs/tiny", "--report", "back.html", "--root", "elsewhere")
        #expect(try !Self.text(place, "back.html").contains("No frames"))
    }

    @Test("predict writes a GIF of the frames it saw and a film of all frames") func gifAndFilm() throws {
        let place = try Self.trained()
        let video = "clips/test/run's/3.y4m"
        let output = try place.run("predict", "runs/tiny", video, "--gif", "a.gif", "--video", "a.mp4")
        #expect(output.status == 0 && output.out.contains("(4 frames)"), "\(output.error)")
        let (gif, film) = (try openClip(path: place.path + "/a.gif"), try openClip(path: place.path + "/a.mp4"))
        #expect(gif.information.frameCount == 4 && film.information.frameCount == 6)
        #expect(film.information.frameRate == 25 && film.information.width == 24)
        let two = try place.run("predict", "runs/tiny", video, video, "--gif", "b.gif")
        #expect(two.status == 64 && two.error.contains("one video at a time"))
        let unwritable = try place.run("predict", "runs/tiny", video, "--gif", "no/such/a.gif")
        #expect(unwritable.status == 1 && unwritable.error.contains("no/such/a.gif"))
    }

    @Test("predict --windows says what happens when, as text, JSON, CSV and pictures") func windows() throws {
        let place = try Self.trained()
        try place.add("long.y4m", TinyClip.numbered(5, frames: 60))
        try place.add("short.y4m", TinyClip.numbered(5, frames: 2))
        let output = try place.run(
            "predict", "runs/tiny", "long.y4m", "short.y4m", "--windows", "--rolling", "3", "--csv", "t.csv")
        #expect(output.status == 0, "\(output.error)")
        // Clips of 6 frames, 4 of them looked at over 0.16 s or 0.2 s.
        #expect(output.out.contains("windows of 4)"))
        #expect(output.out.contains("shorter than the window that the run was trained on"))
        let lines = try Self.text(place, "t.csv").split(separator: "\n")
        #expect(lines[0] == "video,time,label,probability,jump up,run's")
        #expect(lines.last?.hasPrefix("short.y4m,0.") == true)

        let json = try place.run("predict", "runs/tiny", "long.y4m", "--windows", "--frame-rate", "5", "--json")
        let parsed = try JSONSerialization.jsonObject(with: Data(json.out.utf8)) as? [[String: Any]]
        #expect(parsed?.first?["frame_rate"] as? Double == 5)
        let segments = try #require(parsed?.first?["segments"] as? [[String: Any]])
        #expect(segments.first?["start"] as? Double == 0)
        #expect(abs((segments.last?["end"] as? Double ?? 0) - 2.4) < 1e-6)

        let film = try place.run(
            "predict", "runs/tiny", "long.y4m", "--windows", "--frame-rate", "5", "--gif", "w.gif", "--video", "w.mp4")
        #expect(film.status == 0, "\(film.error)")
        #expect(try openClip(path: place.path + "/w.gif").information.frameCount == 12)
        #expect(try openClip(path: place.path + "/w.mp4").information.frameCount == 60)
        let partly = try place.run("predict", "runs/tiny", "p.yaml", "long.y4m", "--windows")
        #expect(partly.status == 3 && partly.error.contains("p.yaml is not a video"))
        #expect(try place.run("predict", "runs/tiny", "long.y4m", "--rolling", "3").status == 64)
        #expect(try place.run("predict", "runs/tiny", "long.y4m", "--windows", "--strip", "s.pdf").status == 64)
        let strip = try Program.run(
            ["predict", "runs/tiny", "long.y4m", "--windows", "--strip", "s.svg"], in: place.path,
            environment: Self.bare)
        #expect(strip.status == 0 && strip.error.contains("gnuplot-nox"))
    }

    @Test("cam writes a sheet and a GIF for each video") func activationMaps() throws {
        let place = try Self.trained()
        try place.add("other/3.y4m", TinyClip.numbered(4))
        let output = try place.run(
            "cam", "runs/tiny", "clips/test/run's/3.y4m", "other/3.y4m", "gone.mp4", "--output", "maps", "--frames", "3"
        )
        #expect(output.status == 3 && output.error.contains("gone.mp4 does not exist"), "\(output.error)")
        let files = try FileManager.default.contentsOfDirectory(atPath: place.path + "/maps").sorted()
        #expect(files == ["3-2.gif", "3-2.png", "3.gif", "3.png"])
        #expect(try openClip(path: place.path + "/maps/3.gif").information.frameCount == 4)
        let unknown = try place.run("cam", "runs/tiny", "clips/test/run's/3.y4m", "--class", "fly")
        #expect(unknown.status == 1 && unknown.error.contains("It has jump up, run's"))
    }
}
