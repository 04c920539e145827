import Exploration
import Extraction
import FeatureCache
import Foundation
import Language
import Pipelines
import Reports
import SequenceModels

/// What the commands do with a cache or a run's folder, one after the other, each of which may be refused in words.
final class FuzzReaders {
    private let place: FuzzWorkplace
    private var violation: FuzzTarget.Violation?
    /// Readings that ended with an error.
    private(set) var refused = 0

    init(_ place: FuzzWorkplace) { self.place = place }

    /// - Throws: `FuzzTarget.Violation`.
    static func readCache(_ place: FuzzWorkplace) throws {
        let readers = FuzzReaders(place)
        guard let cache = readers.read("open", { try CacheFile(path: place.cachePath, create: false) }) else {
            return try readers.finish()
        }
        readers.readTables(cache)
        readers.readFeatures(cache)
        for name in FuzzWorkplace.runs { readers.evaluate(name) }
        readers.predict("vectors")
        readers.change(cache)
        try readers.finish()
    }

    /// - Throws: `FuzzTarget.Violation`.
    static func readRun(_ place: FuzzWorkplace) throws {
        let readers = FuzzReaders(place)
        for name in FuzzWorkplace.runs {
            guard readers.load(name) else { continue }
            readers.evaluate(name)
            readers.predict(name)
        }
        if let cache = readers.read("open", { try CacheFile(path: place.cachePath, create: false) }) {
            for name in FuzzWorkplace.runs { readers.train(cache, name, resumes: true) }
        }
        try readers.finish()
    }

    private func finish() throws { if let violation { throw violation } }

    @discardableResult
    private func read<Value>(_ name: String, _ body: () throws -> Value) -> Value? {
        do { return try body() } catch {
            refused += 1
            if violation == nil {
                violation = FuzzTarget.problem(of: error).map { .init(description: "\(name): \($0)") }
            }
            return nil
        }
    }

    // MARK: - Caches

    private func readTables(_ cache: CacheFile) {
        read("verify") { try cache.verify(workers: 1) }
        read("info") { try cache.summary() }
        read("runs") { try cache.runs() }
        read("damaged") { try cache.damagedSequences() }
        read("files") { try cache.knownFiles() }
        for table in [
            "video", "sample", "extraction", "sequence", "failure", "run", "epoch", "prediction", "membership", "fold",
            "twin_pair", "phrase", "frame_feature", "coverage", "confusion", "class_accuracy", "twin",
        ] {
            read("export \(table)") { try cache.exportTable(table, to: place.folder + "/table.csv") }
        }
        for dataset in read("datasets", { try cache.datasets() }) ?? [] {
            read("twins") { try cache.twins(dataset: dataset) }
            for found in read("recipes", { try cache.extractions() }) ?? [] {
                let extraction = found.id
                for format in CacheExport.Format.allCases {
                    read("export \(format)") {
                        try CacheExport(extraction: extraction, dataset: dataset).write(
                            format, from: cache, to: place.folder + "/features.bin")
                    }
                }
                read("failures") { try cache.failures(extraction: extraction) }
                read("views") { try cache.extractedViews(extraction: extraction) }
            }
        }
    }

    private func readFeatures(_ cache: CacheFile) {
        guard let selection = read("selection", { try CacheSelection(cache, recipe: nil, dataset: nil) }) else {
            return
        }
        let extraction = selection.extraction
        for frames in [false, true] {
            read("explore") {
                var exploring = try Exploring(cache, selection, root: place.clips)
                (exploring.strips, exploring.workers, exploring.showsFrames) = (1, 1, frames)
                return try exploring.findings(run: nil, memory: .max) { _, _, _ in }.report.html(drawn: [])
            }
        }
        read("similar") {
            let search = try SimilarClips(
                cache, dataset: selection.dataset, extraction: extraction, weights: nil, memory: .max)
            let query = try search.query(place.clip)
            return try (search.clips(like: query, count: 3), search.moments(like: query, count: 3))
        }
        read("search") {
            let search = PhraseSearch(cache, dataset: selection.dataset, extraction: extraction, calibration: nil)
            let wanted = try PictureEncoder(extraction.record, weights: nil).encode(place.clip)
            return try (
                search.moments(Question(wanted: [wanted]), count: 3), search.clips(Question(wanted: [wanted]), count: 3)
            )
        }
        read("mapped search") { try MappedFrames.make(cache, extraction: extraction, in: place.folder + "/mapped") }
        read("text") { try TextModel(extraction.record, weights: nil, vocabulary: nil).calibration }
        let all = read("recipes") { try cache.extractions() } ?? []
        read("join") { try FeatureJoin(all + all, in: cache).run(name: "joined", version: "fuzz") }
    }

    /// What writes to the cache.
    private func change(_ cache: CacheFile) {
        read("merge") {
            let path = place.folder + "/merged.sqlite"
            for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
            return try CacheMerge(output: path, inputs: [cache.path]).run()
        }
        train(cache, "new", resumes: false)
        train(cache, FuzzWorkplace.runs[0], resumes: true)
        read("prune") {
            var pruning = CachePruning()
            pruning.isUnused = true
            pruning.damaged = try cache.damagedSequences()
            return try cache.prune(pruning)
        }
    }

    private func train(_ cache: CacheFile, _ name: String, resumes: Bool) {
        read("train \(name)") {
            guard let extraction = try cache.extractions().first, let dataset = try cache.datasets().first else {
                return
            }
            let training = TrainingConfiguration(
                model: HeadConfiguration(kind: .gru, hidden: [4]), standardize: true, epochs: 3, validation: 0.3)
            var run = SequenceRun(
                name: name, dataset: dataset, training: training, runs: place.folder + "/runs", version: "fuzz")
            run.resumes = resumes
            if resumes {
                // With what the checkpoint was trained with, as if the pipeline had been changed like it.
                run.training = try place.run(name).checkpointConfiguration().training
                run.training.epochs = min(run.training.epochs, 4)
            }
            _ = try run.run(cache: cache, extraction: extraction) { _ in }
        }
    }

    // MARK: - Runs

    private func load(_ name: String) -> Bool {
        let directory = place.run(name)
        let loaded = read("load \(name)") { try directory.load() }
        for fold in read("folds", { name == "folds" ? try directory.foldDirectories() : [] }) ?? [] {
            read("load a fold") { try fold.load() }
        }
        return loaded != nil
    }

    private func evaluate(_ name: String) {
        let directory = place.run(name)
        for role in [nil, ClipRole.validation, .train] {
            read("evaluate \(name)") {
                let evaluation = try RunEvaluation(directory, role: role)
                _ = evaluation.scores
                var options = ContinuousEvaluation.Options()
                (options.sequences, options.clips) = (2, 3)
                _ = try evaluation.continuous(directory, options)
            }
        }
        read("report \(name)") { try RunReport(directory).html(drawn: []) }
        read("compare \(name)") { try Comparison([directory, place.run(FuzzWorkplace.runs[0])], role: .train) }
    }

    private func predict(_ name: String) {
        let directory = place.run(name)
        read("predict \(name)") { try Predictor(directory, isEnsemble: name == "folds").predict(place.clip) }
        read("windows \(name)") {
            let found = try WindowPredictor(directory).predict(place.clip)
            return (found.timeline.segmentTable, found.timeline.csv(video: "v", includesHeader: true))
        }
        read("cam \(name)") { try ClassActivationMapper(directory).map(place.clip).spread(2) }
        read("export \(name)") {
            try ModelExport(directory).write(to: place.folder + "/model.onnx", .init(version: "fuzz"))
        }
    }
}
