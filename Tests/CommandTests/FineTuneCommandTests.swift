import Foundation
import TestSupport
import Testing

@Suite struct FineTuneCommandTests {
    private static let part = """

        finetune:
          model: {kind: lstm, hidden: 6}
          optimizer: {kind: adam, learning_rate: 1e-3}
          batch_size: 3
          epochs: 2

        """

    private static func place() throws -> Workplace {
        let place = try Workplace()
        try place.add("f.yaml", Data((Workplace.pipeline.replacing("resnet18", with: "small_cnn") + part).utf8))
        return place
    }

    @Test("finetune writes a run and a network, and the run predicts new videos") func wholePath() throws {
        let place = try Self.place()
        let tuned = try place.run("finetune", "f.yaml", "--name", "tuned", "--set", "dataset.validation=0")
        #expect(tuned.status == 0, "\(tuned.error)")
        #expect(tuned.error.contains("epoch 2/2") && tuned.out.contains("Run: runs/tuned"))
        #expect(try place.query("SELECT count(*) FROM epoch") == [2])
        #expect(try place.query("SELECT state FROM run") == ["finished"])
        let predicted = try place.run("predict", "runs/tuned", "clips/test/run's/3.y4m", "--json")
        #expect(predicted.status == 0, "\(predicted.error)")
        let stored: [Double] = try place.query(
            "SELECT probability FROM prediction JOIN video ON video.id = video_id WHERE path LIKE '%/3.y4m'")
        let document = try JSONSerialization.jsonObject(with: Data(predicted.out.utf8)) as? [[String: Any]]
        let classes = document?.first?["classes"] as? [[String: Any]]
        #expect(abs((classes?.first?["probability"] as? Double ?? 0) - (stored.first ?? 1)) < 1e-4)
        let cam = try place.run("cam", "runs/tuned", "clips/test/run's/3.y4m")
        #expect(cam.status == 0, "\(cam.error)")
        let early = try place.run("evaluate", "runs/tuned")
        #expect(early.status == 1 && early.error.contains("Run `zoetrope extract`"), "\(early.error)")
        let frames: [Int] = try place.query("SELECT count(*) FROM clip", cache: "frames.sqlite")
        #expect(frames == [8])
        // Once more under another name decodes nothing: the clips are gone, but for their digests.
        let again = try place.run("finetune", "f.yaml", "--name", "tuned")
        #expect(again.status == 1 && again.error.contains("already"))
        let more = try place.run(
            "finetune", "f.yaml", "--name", "tuned", "--resume", "--set", "finetune.epochs=3", "--set",
            "dataset.validation=0")
        #expect(more.status == 0 && more.error.contains("epoch 3/3"), "\(more.error)")
    }

    @Test("what is wrong is said, with the exit code of its kind") func errors() throws {
        let place = try Self.place()
        let missing = try place.run("finetune", "p.yaml")
        #expect(missing.status == 2 && missing.error.contains("`finetune` is missing"))
        let unknown = try place.run("finetune", "f.yaml", "--set", "finetune.unfreeze=[layer4]")
        #expect(unknown.status == 1 && unknown.error.contains("Its layers begin with conv1, bn1"), "\(unknown.error)")
        let exploding = try place.run("finetune", "f.yaml", "--set", "finetune.optimizer.learning_rate=1e30")
        #expect(
            exploding.status == 1 && exploding.error.contains("smaller `optimizer.learning_rate`"), "\(exploding.error)"
        )
        #expect(try place.query("SELECT DISTINCT state FROM run ORDER BY 1 DESC LIMIT 2") == ["failed", "diverged"])
        try place.add("clips/train/jump up/broken.y4m", Data("x".utf8))
        let partly = try place.run("finetune", "f.yaml", "--name", "partly")
        #expect(partly.status == 3 && partly.error.contains("broken.y4m"), "\(partly.error)")
    }
}
