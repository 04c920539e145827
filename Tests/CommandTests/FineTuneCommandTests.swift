import Foundation
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
        try place.add("f.yaml", Workplace.pipeline.replacing("resnet18", with: "small_cnn") + part)
        return place
    }

    @Test("finetune writes a run and a backbone, and the run classifies new videos") func wholePath() throws {
        let place = try Self.place()
        try place.run(
            "finetune", "f.yaml", "--name", "tuned", "--set", "dataset.validation=0", status: 0, out: "Run: runs/tuned",
            error: "epoch 2/2")
        #expect(try place.query("SELECT count(*) FROM epoch") == [2])
        #expect(try place.query("SELECT state FROM run") == ["finished"])
        let predicted = try place.run("predict", "runs/tuned", "clips/test/run's/3.y4m", "--json", status: 0)
        let stored: [Double] = try place.query(
            "SELECT probability FROM prediction JOIN video ON video.id = video_id WHERE path LIKE '%/3.y4m'")
        let document: [[String: Any]] = try predicted.json()
        let classes = document.first?["classes"] as? [[String: Any]]
        #expect(abs((classes?.first?["probability"] as? Double ?? 0) - (stored.first ?? 1)) < 1e-4)
        try place.run("cam", "runs/tuned", "clips/test/run's/3.y4m", status: 0)
        try place.run("evaluate", "runs/tuned", status: 1, error: "Run `zoetrope extract`")
        #expect(try place.query("SELECT count(*) FROM clip", cache: "frames.sqlite") == [8])
        // A second run under another name decodes nothing: the clips are deleted, and their digests suffice.
        try place.run("finetune", "f.yaml", "--name", "tuned", status: 1, error: "already")
        try place.run(
            "finetune", "f.yaml", "--name", "tuned", "--resume", "--set", "finetune.epochs=3", "--set",
            "dataset.validation=0", status: 0, error: "epoch 3/3")
    }

    @Test("errors have the exit code of their kind") func errors() throws {
        let place = try Self.place()
        try place.run("finetune", "p.yaml", status: 2, error: "`finetune` is missing")
        try place.run(
            "finetune", "f.yaml", "--set", "finetune.unfreeze=[layer4]", status: 1,
            error: "Its layers begin with conv1, bn1")
        try place.run(
            "finetune", "f.yaml", "--set", "finetune.optimizer.learning_rate=1e30", status: 1,
            error: "smaller `optimizer.learning_rate`")
        #expect(try place.query("SELECT DISTINCT state FROM run ORDER BY 1 DESC LIMIT 2") == ["failed", "diverged"])
        try place.add("clips/train/jump up/broken.y4m", "x")
        try place.run("finetune", "f.yaml", "--name", "partly", status: 3, error: "broken.y4m")
    }
}
