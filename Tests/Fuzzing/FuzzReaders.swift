import Exploration
import Extraction
import FeatureCache
import Foundation
import Language
import Workflows
import Reports
import SequenceModels

/// The operations of commands on a cache or a run's folder, in sequence. Each may throw an error.
final class FuzzReaders {
    private let place: FuzzWorkplace
    private var violation: FuzzTarget.Violation?
    private(set) var refused = 0

    init(_ place: FuzzWorkplace) { self.place = place }

    /// The cache is checked and listed in every case, and a quarter of the tables and formats is exported. Only one
    /// operation that computes with features runs, since these take a hundred times longer; `choice` selects it. Throws
    /// `FuzzTarget.Violation`.
    static func readCache(_ place: FuzzWorkplace, choice: Int) throws {
        let readers = FuzzReaders(place)
        guard let cache = readers.read("open", { try CacheFile(path: place.cachePath, create: false) }) else {
            return try readers.finish()
        }
        readers.readTables(cache, part: choice / 24 % 4)
        switch choice % 12 {
        case 0...4: readers.readFeatures(cache, choice: choice % 12)
        case 5...8: readers.evaluate(FuzzWorkplace.runs[choice / 12 % 3], choice: choice % 12 - 5)
        case 9: readers.predict("vectors", choice: choice / 12)
        case 10: readers.change(cache)
        default:
            readers.train(cache, choice / 12 % 2 == 0 ? "new" : FuzzWorkplace.runs[0], resumes: choice / 12 % 2 == 1)
        }
        try readers.finish()
    }

    /// All runs are loaded in every case; one operation, selected by `choice`, runs on each. Throws
    /// `FuzzTarget.Violation`.
    static func readRun(_ place: FuzzWorkplace, choice: Int) throws {
        let readers = FuzzReaders(place)
        for name in FuzzWorkplace.runs {
            guard readers.load(name) else { continue }
            switch choice % 3 {
            case 0: readers.evaluate(name, choice: choice / 3 % 4)
            case 1: readers.predict(name, choice: choice / 3)
            default:
                guard let cache = readers.read("open", { try CacheFile(path: place.cachePath, create: false) }) else {
                    continue
                }
                readers.train(cache, name, resumes: true)
            }
        }
        try readers.finish()
    }

    private func finish() throws { if let violation { throw violation } }

    @discardableResult private func read<Value>(_ name: String, _ body: () throws -> Value) -> Value? {
        do { return try body() } catch {
            refused += 1
            if violation == nil {
                violation = FuzzTarget.problem(of: error).map { .init(description: "\(name): \($0)") }
            }
            return nil
        }
    }

    // MARK: - Caches

    private func readTables(_ cache: CacheFile, part: Int) {
        read("verify") { try cache.verify(workers: 1) }
        read("info") { try cache.summary() }
        read("runs") { try cache.runs() }
        read("damaged") { try cache.damagedSequences() }
        read("files") { try cache.knownFiles() }
        let tables = [
            "video", "sample", "extraction", "sequence", "failure", "run", "epoch", "prediction", "membership", "fold",
            "twin_pair", "phrase", "frame_feature", "coverage", "confusion", "class_accuracy", "twin",
        ]
        for (index, table) in tables.enumerated() where index % 4 == part {
            read("export \(table)") { try cache.exportTable(table, to: place.folder + "/table.csv") }
        }
        for dataset in read("datasets", { try cache.datasets() }) ?? [] {
            read("twins") { try cache.nearDuplicates(dataset: dataset) }
            for found in read("recipes", { try cache.extractions() }) ?? [] {
                let extraction = found.id
                for (index, format) in CacheExport.Format.allCases.enumerated() where index % 4 == part {
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

    private func readFeatures(_ cache: CacheFile, choice: Int) {
        guard let selection = read("selection", { try CacheSelection(cache, recipe: nil, dataset: nil) }) else {
            return
        }
        let extraction = selection.extraction
        switch choice {
        case 0, 1:
            read("explore") {
                var builder = try CollectionReportBuilder(cache, selection, root: place.clips)
                (builder.strips, builder.workers, builder.showsFrames) = (1, 1, choice == 1)
                return try builder.findings(run: nil, memory: .max) { _, _, _ in }.report.html(drawn: [])
            }
        case 2: readSimilar(cache, selection)
        case 3: readSearch(cache, selection)
        default:
            read("mapped search") {
                try MappedFeatures.make(cache, extraction: extraction, in: place.folder + "/mapped")
            }
            read("text") { try TextModel(extraction.record, weights: nil, vocabulary: nil).calibration }
            let all = read("recipes") { try cache.extractions() } ?? []
            read("join") { try FeatureJoin(all + all, in: cache).run(name: "joined", version: "fuzz") }
        }
    }

    private func readSimilar(_ cache: CacheFile, _ selection: CacheSelection) {
        read("similar") {
            let search = try SimilarClips(
                cache, dataset: selection.dataset, extraction: selection.extraction, weights: nil, memory: .max)
            let query = try search.query(place.clip)
            return try (search.clips(like: query, count: 3), search.moments(like: query, count: 3))
        }
    }

    private func readSearch(_ cache: CacheFile, _ selection: CacheSelection) {
        let extraction = selection.extraction
        read("search") {
            let search = PhraseSearch(cache, dataset: selection.dataset, extraction: extraction, calibration: nil)
            let wanted = try ImageEncoder(extraction.record, weights: nil).encode(place.clip)
            let query = SearchQuery(wanted: [wanted])
            return try (search.moments(query, count: 3), search.clips(query, count: 3))
        }
    }

    private func change(_ cache: CacheFile) {
        read("merge") {
            let path = place.folder + "/merged.sqlite"
            for ending in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: path + ending) }
            return try CacheMerge(output: path, inputs: [cache.path]).run()
        }
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
                // With the configuration of the checkpoint, as if the pipeline had been changed accordingly.
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

    private func evaluate(_ name: String, choice: Int) {
        let directory = place.run(name)
        switch choice {
        case 0, 1:
            read("evaluate \(name)") {
                let evaluation = try RunEvaluation(directory, role: choice == 0 ? nil : .train)
                _ = evaluation.scores
                var options = ContinuousEvaluation.Options()
                (options.sequences, options.clips) = (2, 3)
                _ = try evaluation.continuous(directory, options)
            }
        case 2: read("report \(name)") { try RunReport(directory).html(drawn: []) }
        default:
            read("compare \(name)") { try Comparison([directory, place.run(FuzzWorkplace.runs[0])], role: .train) }
        }
    }

    private func predict(_ name: String, choice: Int) {
        let directory = place.run(name)
        switch choice % 4 {
        case 0: read("predict \(name)") { try Predictor(directory, isEnsemble: name == "folds").predict(place.clip) }
        case 1:
            read("windows \(name)") {
                let found = try WindowPredictor(directory).predict(place.clip)
                return (found.timeline.segmentTable, found.timeline.csv(video: "v", includesHeader: true))
            }
        case 2: read("cam \(name)") { try ClassActivationMapper(directory).map(place.clip).spread(2) }
        default:
            read("export \(name)") {
                try ModelExport(directory).write(to: place.folder + "/model.onnx", .init(version: "fuzz"))
            }
        }
    }
}
