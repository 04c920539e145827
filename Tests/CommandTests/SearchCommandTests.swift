import Foundation
import TestSupport
import Testing
import Video

@Suite struct SearchCommandTests {
    @Test("words are refused where nothing can answer them, with what to do") func refusals() throws {
        let place = try Workplace(clips: 2)
        #expect(try place.run("extract", "p.yaml").status == 0)
        try place.run("search", "features.sqlite", "a dog", status: 1, error: "resnet18 has no text tower")
        try Program.run(
            ["extract", "p.yaml", "--cache", "clip.sqlite", "--set", "extract.backbone=siglip_b16"], in: place.path,
            status: 0)
        try place.run("search", "clip.sqlite", "a dog", status: 1, error: "Extract with `tap: projected`")
        #expect(try place.run("search", "features.sqlite").status == 64)
        #expect(try place.run("search", "none.sqlite", "a dog").status == 1)
    }

    @Test("a video or an image is a question too: what shows the same comes first") func pictures() throws {
        let place = try Workplace(clips: 4)
        #expect(try place.run("extract", "p.yaml").status == 0)
        let video = try place.run(
            "search", "features.sqlite", "--video", "clips/train/run's/1.y4m", "--by", "clip", "--top", "2", "--json",
            status: 0)
        let found = try JSONSerialization.jsonObject(with: Data(video.out.utf8)) as? [[String: Any]]
        #expect(found?.count == 2 && (found?.first?["path"] as? String)?.hasSuffix("1.y4m") == true)
        #expect(found?.first?["probability"] == nil)
        let narrowed = try place.run(
            "search", "features.sqlite", "--video", "clips/train/run's/1.y4m", "--where", "label = 'jump up'")
        #expect(narrowed.status == 0 && !narrowed.out.contains("1.y4m"))
        try place.run(
            "search", "features.sqlite", "--video", "clips/train/run's/1.y4m", "--html", "found.html", "--film",
            "found.mp4", "--root", "clips", status: 0, error: "Video: found.mp4")
        let html = try String(contentsOfFile: place.path + "/found.html", encoding: .utf8)
        #expect(html.contains("run&#39;s/1.y4m") && html.contains("data:image/jpeg;base64,"))
        let film = try openClip(path: place.path + "/found.mp4")
        #expect(film.information.width == 640 && film.information.frameCount > 2)
        try FileManager.default.removeItem(atPath: place.path + "/clips/train/run's/1.y4m")
        let gone = try place.run(
            "search", "features.sqlite", "--image", "clips/train/run's", "--film", "other.mp4", "--root", "nowhere")
        #expect(gone.status != 0 && !FileManager.default.fileExists(atPath: place.path + "/other.mp4"))
        #expect(try place.run("search", "features.sqlite", "--image", "x.png", "--film", "x.gif").status == 64)
        try place.run("search", "features.sqlite", "--image", "none.png", status: 1, error: "does not exist")
    }
}
