import Backbones
import Foundation
import TestSupport
import Testing
import Video

@Suite struct ClassifyCommandTests {
    struct Answer: Decodable {
        struct Entry: Decodable {
            let label: String
            let probability: Double
        }
        struct Moment: Decodable {
            let time: Double
            let classes: [Entry]
        }
        let video: String
        let classes: [Entry]
        let moments: [Moment]
    }

    @Test("the published classifier classifies every frame, and the clip by the mean over its frames")
    func classifies() throws {
        let place = try Workplace(clips: 2)
        let clip = "clips/train/jump up/0.y4m"
        let out = try place.run(
            "classify", clip, "--backbone", "resnet18", "--weights", "random", "--frames", "3", "--top", "1000",
            "--json", status: 0, error: "untrained (random)")
        let answer = try #require(try JSONDecoder().decode([Answer].self, from: Data(out.out.utf8)).first)
        #expect(answer.moments.count == 3 && answer.moments.map(\.time) == answer.moments.map(\.time).sorted())
        #expect(abs(answer.classes.reduce(0) { $0 + $1.probability } - 1) < 1e-5)
        #expect(Set(answer.classes.map(\.label)).isSubset(of: Set(ClassLabels.imagenet)))
        let first = try #require(answer.classes.first)
        let mean =
            answer.moments.reduce(0) { sum, moment in
                sum + (moment.classes.first { $0.label == first.label }?.probability ?? 0)
            } / 3
        #expect(abs(mean - first.probability) < 1e-6)
        #expect(answer.classes.map(\.probability) == answer.classes.map(\.probability).sorted(by: >))
    }

    @Test("ImageNet's class names are available, in their order") func labels() {
        #expect(ClassLabels.imagenet.count == 1000)
        #expect(ClassLabels.imagenet.first == "tench" && ClassLabels.imagenet.last == "toilet tissue")
        #expect(ClassLabels.imagenet[417] == "balloon" && ClassLabels.imagenet[281] == "tabby")
    }

    @Test(
        "backbones without a classifier, class names of another number and unknown backbones are rejected"
    )
    func refusals() throws {
        let place = try Workplace(clips: 1)
        try place.add("names.txt", "one\ntwo\n")
        let classify = ["classify", "clips/train/jump up/0.y4m", "--weights", "random", "--backbone"]
        try place.run(
            classify + ["vit_tiny_16", "--labels", "names.txt"], status: 1,
            error: "2 labels, but the classifier has 1000")
        try place.run(classify + ["dinov2_vits14"], status: 1, error: "published without a classifier")
        try place.run(classify + ["resnet19"], status: 64)
    }
}

@Suite struct SearchCommandTests {
    @Test("text queries are rejected if the encoder has no text tower, with an error that says what to do")
    func refusals() throws {
        let place = try Workplace(clips: 2, after: "extract")
        try place.run("search", "features.sqlite", "a dog", status: 1, error: "resnet18 has no text tower")
        try place.run(
            ["extract", "p.yaml", "--cache", "clip.sqlite", "--set", "extract.backbone=siglip_b16"], status: 0)
        try place.run("search", "clip.sqlite", "a dog", status: 1, error: "Extract with `tap: projected`")
        #expect(try place.run("search", "features.sqlite").status == 64)
        #expect(try place.run("search", "none.sqlite", "a dog").status == 1)
    }

    @Test("a query can be a video or an image; the most similar moment is ranked first") func images() throws {
        let place = try Workplace(clips: 4, after: "extract")
        let found: [[String: Any]] = try place.run(
            "search", "features.sqlite", "--video", "clips/train/run's/1.y4m", "--by", "clip", "--top", "2", "--json",
            status: 0
        ).json()
        #expect(found.count == 2 && (found.first?["path"] as? String)?.hasSuffix("1.y4m") == true)
        #expect(found.first?["probability"] == nil)
        let narrowed = try place.run(
            "search", "features.sqlite", "--video", "clips/train/run's/1.y4m", "--where", "label = 'jump up'")
        #expect(narrowed.status == 0 && !narrowed.out.contains("1.y4m"))
        try place.run(
            "search", "features.sqlite", "--video", "clips/train/run's/1.y4m", "--html", "found.html", "--film",
            "found.mp4", "--root", "clips", status: 0, error: "Video: found.mp4")
        let html = try place.text("found.html")
        #expect(html.contains("run&#39;s/1.y4m") && html.contains("data:image/jpeg;base64,"))
        let moments = try openClip(path: place.path + "/found.mp4")
        #expect(moments.information.width == 640 && moments.information.frameCount > 2)
        try FileManager.default.removeItem(atPath: place.path + "/clips/train/run's/1.y4m")
        let gone = try place.run(
            "search", "features.sqlite", "--image", "clips/train/run's", "--output-video", "other.mp4", "--root",
            "nowhere")
        #expect(gone.status != 0 && !FileManager.default.fileExists(atPath: place.path + "/other.mp4"))
        #expect(try place.run("search", "features.sqlite", "--image", "x.png", "--film", "x.gif").status == 64)
        try place.run("search", "features.sqlite", "--image", "none.png", status: 1, error: "does not exist")
    }
}
