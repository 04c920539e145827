import FeatureCache
import Foundation
import Testing
@testable import SequenceModels

@Suite struct RunClipsTests {
    private let place: RunPlace

    init() throws { place = try RunPlace() }

    private func trained(
        _ name: String = "run", _ change: (inout TrainingConfiguration) -> Void = { _ in }
    ) throws -> RunDirectory {
        var training = SequenceRunTests.training()
        training.validation = 0.25
        change(&training)
        return RunDirectory(path: try place.train(place.run(name, training)).directory)
    }

    @Test("the cache and the run's folder record the split of each clip") func recorded() throws {
        let directory = try trained()
        let partition = Partition(place.features, validation: 0.25, seed: SequenceRunTests.training().seed)
        let run = try #require(try place.cache.run(named: "run"))
        let members = try place.cache.members(run: run)
        for (role, indices) in [
            (ClipRole.train, partition.train), (.validation, partition.validation), (.test, partition.test),
        ] {
            let expected = Set(indices.map { place.features.examples[$0].path })
            #expect(!expected.isEmpty && Set(members.filter { $0.role == role }.map(\.path)) == expected)
            #expect(try directory.recordedClips()?.digests(role) == expected)
        }
        #expect(members.count == place.features.examples.count)
        let text = try String(contentsOfFile: directory.path + "/clips.csv", encoding: .utf8)
        #expect(text.split(whereSeparator: \.isNewline).first == "path,digest,label,role")
    }

    @Test("a clip used for training is never a test clip, whatever the data set says later") func splitsStay() throws {
        let directory = try trained()
        let before = try RunEvaluation(directory, role: .test)
        let all = try Dictionary(
            uniqueKeysWithValues: ClipRole.allCases.dropLast().map { role in
                (role, try RunEvaluation(directory, role: role).predictions)
            })
        for split in ["test", "train", "validation"] {
            try place.register(split: { _ in split })
            for (role, predictions) in all {
                #expect(try RunEvaluation(directory, role: role).predictions == predictions, "\(split) \(role)")
            }
        }
        #expect(try RunEvaluation(directory).role == .test && RunEvaluation(directory).metrics == before.metrics)
    }

    @Test("a run without a test split has none later, and the error lists its splits") func noTest() throws {
        try place.register(split: { _ in "train" })
        let directory = try trained()
        try place.register(split: { $0.videoID % 5 == 0 ? "test" : "train" })
        #expect(throws: SequenceError.noSplit("test", available: ["validation", "train"])) {
            try RunEvaluation(directory, role: .test)
        }
        #expect(try RunEvaluation(directory).role == .validation)
        #expect(throws: SequenceError.noSplit("test", available: ["validation", "train"])) {
            try Comparison([directory], role: .test)
        }
    }

    @Test("without the list in the run's folder the cache is used, and without both there is an error")
    func eitherIsEnough() throws {
        let directory = try trained()
        let expected = try RunEvaluation(directory, role: .validation).predictions
        let list = directory.path + "/clips.csv"
        try FileManager.default.removeItem(atPath: list)
        #expect(try RunEvaluation(directory, role: .validation).predictions == expected)
        let run = try #require(try place.cache.run(named: "run"))
        try place.cache.store([MembershipRecord](), run: run)
        #expect(throws: SequenceError.noClips(run: directory.path, cache: place.cache.path)) {
            try RunEvaluation(directory)
        }
        try "path,digest,label,role\r\na,b,c,best\r\n".write(toFile: list, atomically: true, encoding: .utf8)
        #expect(throws: SequenceError.runDirectory(path: directory.path, reason: "its clips.csv is damaged")) {
            try RunEvaluation(directory)
        }
    }

    @Test("predictions of a run with the same name in another cache are not used") func sameName() throws {
        let directory = try trained()
        let other = try RunPlace()
        var training = SequenceRunTests.training()
        (training.validation, training.seed) = (0.25, 99)
        try other.train(other.run("run", training))
        let error = SequenceError.unknownRun("run", cache: other.cache.path)
        #expect(throws: error) { try Comparison([directory], cache: other.cache.path) }
    }

    @Test("clips that were added later, or lost their features, are left out and counted") func changedData() throws {
        let directory = try trained()
        let clips = try RunEvaluation(directory, role: .test).metrics.count
        try place.register("new", "up", "test")
        try place.store("new", [1, 2, 3, 4])
        let later = try RunEvaluation(directory, role: .test)
        #expect(later.metrics.count == clips)
        #expect(
            later.notes.contains { $0.contains("1 clip of the data set was added after training") }, "\(later.notes)")
        let test = try #require(place.features.examples.first { $0.split == "test" })
        let row = try #require(try place.cache.videoIDs()[test.path])
        var pruning = CachePruning()
        pruning.vanished = ("order", [row])
        _ = try place.cache.prune(pruning)
        let fewer = try RunEvaluation(directory, role: .test)
        #expect(fewer.metrics.count == clips - 1)
        #expect(fewer.notes.contains { $0.contains("1 test clip of the run has no features") }, "\(fewer.notes)")
    }

    @Test("a resumed run keeps its clips, whatever the data set says by then") func resumes() throws {
        let whole = try trained("whole")
        var training = SequenceRunTests.training()
        training.validation = 0.25
        try place.train(place.run("parts", training), stopAfter: 3)
        try place.register(split: { $0.videoID % 2 == 0 ? "test" : "train" })
        try place.train(place.run("parts", training, resumes: true))
        #expect(try place.weights("parts") == place.weights("whole"))
        #expect(
            try RunDirectory(path: whole.path.replacing("whole", with: "parts")).recordedClips()
                == whole.recordedClips())
    }

    @Test("clips of a cross-validated run are both held out and used for training; each fold's model has its own list")
    func folds() throws {
        var training = OrderProblem.training(.gru, epochs: 3)
        training.folds = 3
        let validation = try CrossValidation(
            training, folds: 3, repeats: 2, features: place.features, input: .init(shape: [4], maximumLength: 8))
        var run = place.run("folded", training)
        run.crossValidation = CrossValidationResult(try (0..<6).compactMap { try validation.fit($0) }, of: validation)
        let directory = RunDirectory(path: try place.train(run).directory)
        let clips = try #require(try directory.recordedClips())
        #expect(clips.digests(.heldout) == clips.digests(.train) && clips.roles == [.test, .heldout, .train])
        let folds = try directory.foldDirectories()
        #expect(
            folds.map { URL(fileURLWithPath: $0.path).lastPathComponent } == ["1-1", "1-2", "1-3", "2-1", "2-2", "2-3"])
        for repeated in [folds[..<3], folds[3...]] {
            let held = try repeated.map { try #require(try $0.recordedClips()).digests(.heldout) }
            #expect(held.reduce(Set()) { $0.union($1) } == clips.digests(.heldout))
            #expect(held.reduce(0) { $0 + $1.count } == clips.digests(.heldout).count)
        }
        let fold = try RunEvaluation(folds[0], role: .heldout)
        let stored = try place.cache.heldOutClips(run: #require(try place.cache.run(named: "folded")))
            .filter { $0.repeat == 1 && $0.fold == 1 }
        #expect(Set(fold.predictions.map(\.videoID)) == Set(stored.map(\.videoID)))
        #expect(throws: SequenceError.self) { try place.cache.run(of: folds[0], folds[0].load().configuration) }
        // As version 1.0 stored a fold's model: without a list, under the name of the complete run.
        let config = folds[0].path + "/config.json"
        let text = try String(contentsOfFile: config, encoding: .utf8).replacing("folded/folds/1-1", with: "folded")
        try text.write(toFile: config, atomically: true, encoding: .utf8)
        try FileManager.default.removeItem(atPath: folds[0].path + "/clips.csv")
        #expect(try RunEvaluation(folds[0], role: .heldout).predictions == fold.predictions)
        #expect(throws: SequenceError.self) { try place.cache.run(of: folds[0], folds[0].load().configuration) }
    }

    @Test("seeds are aggregated only over runs with the same training and test clips")
    func families() throws {
        let runs = try [1, 2].map { seed in try trained("seed\(seed)") { $0.seed = seed } }
        let same = try trained("same") { $0.seed = 1 }
        #expect(try Comparison([runs[0], same]).families.isEmpty && Comparison([runs[0], runs[0]]).families.isEmpty)
        let other = try trained("other") { ($0.seed, $0.batchSize) = (3, 4) }
        #expect(try Comparison(runs).families.map(\.runs) == [["seed1", "seed2"]])
        #expect(try Comparison(runs + [other]).families.map(\.runs.count).sorted() == [1, 2])
        // Another tenth of the clips is the test split: the same settings, another training split.
        try place.register(split: { $0.videoID % 7 == 0 ? "test" : "train" })
        let moved = try trained("moved") { $0.seed = 4 }
        #expect(try Comparison(runs + [moved]).families.map(\.runs.count).sorted() == [1, 2])
        #expect(try Comparison([runs[0], moved]).families.isEmpty)
    }

    @Test("a run keeps the labels of its training, reports changed ones, and does not resume with them")
    func labels() throws {
        let directory = try trained()
        let before = try RunEvaluation(directory, role: .test)
        try place.register(label: { $0.label == "up" ? "down" : "up" })
        let after = try RunEvaluation(directory, role: .test)
        #expect(after.metrics == before.metrics && after.predictions == before.predictions)
        #expect(after.notes.contains { $0.contains("have another label in the data set now") }, "\(after.notes)")
        var training = SequenceRunTests.training()
        (training.validation, training.epochs) = (0.25, training.epochs + 2)
        #expect(throws: SequenceError.otherClips(run: directory.path, count: place.features.examples.count)) {
            try place.train(place.run("run", training, resumes: true))
        }
        // Clips with different labels are not compared.
        let other = try trained("other")
        #expect(throws: SequenceError.noCommonClips("test")) { try Comparison([directory, other]) }
    }

    @Test("a copy of a training clip is in no other split") func copies() throws {
        let features = place.features
        let partition = Partition(features, validation: 0, seed: 1)
        let duplicate = try #require(partition.test.first), original = try #require(partition.train.first)
        var digests = Dictionary(uniqueKeysWithValues: features.examples.map { ($0.videoID, $0.path) })
        digests[features.examples[duplicate].videoID] = features.examples[original].path
        let clips = RunClips(features, partition, digests: digests)
        #expect(clips.digests(.test).count == partition.test.count - 1)
        #expect(clips.digests(.test).isDisjoint(with: clips.digests(.train)))
    }
}
