import Foundation
import TestSupport
import Testing
import Video

@Suite struct VisualizationCommandTests {
    private static func trained(clips: Int = 8) throws -> Workplace {
        let place = try Workplace(clips: clips, after: "extract")
        try place.run("sequence", "p.yaml", "--set", "dataset.validation=0", status: 0)
        return place
    }

    /// Without gnuplot.
    private static let bare = ["PATH": "/nowhere", "ZOETROPE_TUNING": "off"]

    @Test("evaluate, compare and sweep write reports; without gnuplot they print what to install and continue")
    func reports() throws {
        let place = try Self.trained()
        try place.run("evaluate", "runs/tiny", "--report", "r.html", status: 0, error: "Report: r.html")
        let page = try place.text("r.html")
        #expect(page.contains("run&#39;s") && page.contains("jump up") && page.contains("data:image/jpeg;base64,"))

        try place.run(
            ["evaluate", "runs/tiny", "--report", "bare.html", "--continuous", "--sequences", "3", "--split", "train"],
            environment: Self.bare, status: 0,
            out: "windows are classified as the action of most of their frames", error: "gnuplot-nox")
        #expect(try place.text("bare.html").contains("Sliding windows over concatenated clips"))
        try place.run("evaluate", "runs/tiny", "--continuous", status: 1, error: "needs clips of at least two classes")
        try place.run(
            ["evaluate", "runs/tiny", "--report", "charts", "--format", "png"], environment: Self.bare,
            status: 1, error: "gnuplot-nox")
        let json = try place.run(
            "evaluate", "runs/tiny", "--continuous", "--json", "--sequences", "3", "--clips", "4", "--split", "train")
        // 4 clips of 4 frames under a window of 4.
        #expect((try json.json() as [String: Any])["windows"] as? Int == 3 * 13)

        _ = try place.run(
            "sequence", "p.yaml", "--name", "other", "--set", "sequence.model={kind: average}", "--set",
            "dataset.validation=0")
        try place.run("compare", "runs/tiny", "runs/other", "--report", "c.html", status: 0)
        #expect(try place.text("c.html").contains("tiny, other"))
        try place.add("s.yaml", Workplace.pipeline + "\nsweep:\n  sequence.batch_size: [2, 4]\n")
        try place.run("sweep", "s.yaml", "--report", "s.html", status: 0)
        #expect(try place.text("s.html").contains("2 runs over sequence.batch_size"))

        try place.run(
            "evaluate", "runs/tiny", "--report", "no/such/folder/r.html", status: 1,
            error: "no/such/folder/r.html cannot be written")
        #expect(try place.run("evaluate", "runs/tiny", "--format", "png").status == 64)
        #expect(try place.run("evaluate", "runs/tiny", "--report", "r", "--format", "pdf").status == 64)
        try FileManager.default.moveItem(atPath: place.path + "/clips", toPath: place.path + "/elsewhere")
        _ = try place.run("evaluate", "runs/tiny", "--report", "gone.html")
        #expect(try place.text("gone.html").contains("No frames: clips/"))
        _ = try place.run("evaluate", "runs/tiny", "--report", "back.html", "--root", "elsewhere")
        #expect(try !place.text("back.html").contains("No frames"))
    }

    @Test("predict writes a GIF of the sampled frames and a video of all frames") func gifAndVideo() throws {
        let place = try Self.trained()
        let video = "clips/test/run's/3.y4m"
        try place.run("predict", "runs/tiny", video, "--gif", "a.gif", "--video", "a.mp4", status: 0, out: "(4 frames)")
        let (gif, labelled) = (try openClip(path: place.path + "/a.gif"), try openClip(path: place.path + "/a.mp4"))
        #expect(gif.information.frameCount == 4 && labelled.information.frameCount == 6)
        #expect(labelled.information.frameRate == 25 && labelled.information.width == 24)
        try place.run("predict", "runs/tiny", video, video, "--gif", "b.gif", status: 64, error: "one video at a time")
        try place.run("predict", "runs/tiny", video, "--gif", "no/such/a.gif", status: 1, error: "no/such/a.gif")
    }

    @Test("predict --windows prints a timeline as text, JSON and CSV, and draws it") func windows() throws {
        let place = try Self.trained()
        try place.add("long.y4m", TinyClip.numbered(5, frames: 60))
        try place.add("short.y4m", TinyClip.numbered(5, frames: 2))
        // Clips of 6 frames, 4 of which are sampled over 0.16 s or 0.2 s.
        try place.run(
            "predict", "runs/tiny", "long.y4m", "short.y4m", "--windows", "--rolling", "3", "--csv", "t.csv", status: 0,
            out: "windows of 4)", "shorter than the window that the run was trained on")
        let lines = try place.text("t.csv").split(separator: "\n")
        #expect(lines[0] == "video,time,label,probability,jump up,run's")
        #expect(lines.last?.hasPrefix("short.y4m,0.") == true)

        let predicted: [[String: Any]] = try place.run(
            "predict", "runs/tiny", "long.y4m", "--windows", "--frame-rate", "5", "--json"
        ).json()
        #expect(predicted.first?["frame_rate"] as? Double == 5)
        let segments = try #require(predicted.first?["segments"] as? [[String: Any]])
        #expect(segments.first?["start"] as? Double == 0)
        #expect(abs((segments.last?["end"] as? Double ?? 0) - 2.4) < 1e-6)

        try place.run(
            "predict", "runs/tiny", "long.y4m", "--windows", "--frame-rate", "5", "--gif", "w.gif", "--video", "w.mp4",
            status: 0)
        #expect(try openClip(path: place.path + "/w.gif").information.frameCount == 12)
        #expect(try openClip(path: place.path + "/w.mp4").information.frameCount == 60)
        try place.run(
            "predict", "runs/tiny", "p.yaml", "long.y4m", "--windows", status: 3, error: "p.yaml is not a video")
        #expect(try place.run("predict", "runs/tiny", "long.y4m", "--rolling", "3").status == 64)
        #expect(try place.run("predict", "runs/tiny", "long.y4m", "--windows", "--strip", "s.pdf").status == 64)
        try place.run(
            ["predict", "runs/tiny", "long.y4m", "--windows", "--strip", "s.svg"],
            environment: Self.bare, status: 0, error: "gnuplot-nox")
    }

    @Test("cam writes a contact sheet and a GIF for each video") func activationMaps() throws {
        let place = try Self.trained()
        try place.add("other/3.y4m", TinyClip.numbered(4))
        try place.run(
            "cam", "runs/tiny", "clips/test/run's/3.y4m", "other/3.y4m", "gone.mp4", "--output", "maps", "--frames",
            "3", status: 3, error: "gone.mp4 does not exist")
        let files = try FileManager.default.contentsOfDirectory(atPath: place.path + "/maps").sorted()
        #expect(files == ["3-2.gif", "3-2.png", "3.gif", "3.png"])
        #expect(try openClip(path: place.path + "/maps/3.gif").information.frameCount == 4)
        try place.run(
            "cam", "runs/tiny", "clips/test/run's/3.y4m", "--class", "fly", status: 1, error: "It has jump up, run's")
    }
}
