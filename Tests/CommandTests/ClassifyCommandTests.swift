import Backbones
import Foundation
import TestSupport
import Testing

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

    @Test("the published classifier names every frame, and the clip by the mean of its frames")
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

    @Test("ImageNet's names are there, in their order") func labels() {
        #expect(ClassLabels.imagenet.count == 1000)
        #expect(ClassLabels.imagenet.first == "tench" && ClassLabels.imagenet.last == "toilet tissue")
        #expect(ClassLabels.imagenet[417] == "balloon" && ClassLabels.imagenet[281] == "tabby")
    }

    @Test("networks without a classifier, lists of another length and unknown networks are refused in words")
    func refusals() throws {
        let place = try Workplace(clips: 1)
        try place.add("names.txt", "one\ntwo\n")
        func run(_ arguments: String...) throws -> ChildProcess.Output {
            try Program.run(
                ["classify", "clips/train/jump up/0.y4m", "--weights", "random"] + arguments, in: place.path)
        }
        let none = try run("--backbone", "vit_tiny_16", "--labels", "names.txt")
        #expect(none.status == 1 && none.error.contains("2 labels, but the classifier has 1000"), "\(none.error)")
        let dino = try run("--backbone", "dinov2_vits14")
        #expect(dino.status == 1 && dino.error.contains("published without a classifier"), "\(dino.error)")
        #expect(try run("--backbone", "resnet19").status == 64)
    }
}
