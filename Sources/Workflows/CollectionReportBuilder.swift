import Datasets
import Exploration
import Extraction
import FeatureCache
import Foundation
import Reports
import SequenceModels
import Threads

/// Builds the exploration report of a collection from cached features: a map, near-duplicates, suspected label errors,
/// and outliers.
package struct CollectionReportBuilder: Sendable {
    private let cache: CacheFile
    private let selection: CacheSelection
    /// Folder of the data set's videos; nil if unknown, so that nothing is decoded.
    package let root: String?
    package var workers = ProcessInfo.processInfo.activeProcessorCount
    /// Maximum number of clips with thumbnails in the page.
    package var strips = 2000
    /// Whether the map shows frames instead of clips; then only the map is created.
    package var showsFrames = false

    /// `root`: nil uses the folder from extraction. Throws `CacheError`.
    package init(_ cache: CacheFile, _ selection: CacheSelection, root: String?) throws {
        (self.cache, self.selection) = (cache, selection)
        self.root = try root ?? selection.root(cache)
    }

    package struct Findings: Sendable {
        package let report: ExplorationReport
        /// Suspected label errors, most suspicious first: path, label, suggested label, score.
        package let labelErrors: [(path: String, label: String, suggested: String, score: Double)]
        /// Number of near-duplicate pairs; nil if no video could be decoded.
        package let nearDuplicates: Int?
        package let outliers: Int
        /// What was omitted, and why.
        package let notes: [String]
    }

    /// `run`: provides out-of-fold predictions; nil cross-validates a linear head on the mean features. `report`:
    /// called in the calling thread with the progress. Throws `SequenceError`, `CacheError`.
    package func findings(
        run: RunDirectory?, memory: Int, report: (_ what: String, _ done: Int, _ total: Int) -> Void
    ) throws -> Findings {
        let loaded = try SequenceRun.load(
            cache, dataset: selection.dataset, extraction: selection.extraction, views: 1, memory: memory)
        let features = try run.map { try placing(loaded, as: $0) } ?? loaded
        if showsFrames { return try frameFindings(features, report: report) }
        let vectors = try ClipVectors(features)
        report("comparing", 0, 1)
        let nearest = NearestNeighbors.all(vectors, count: max(ClipMap.neighbors, SuspectedLabelErrors.neighbors))
        let map = ClipMap(vectors, nearest: nearest)
        var notes: [String] = []
        let (predictions, labels) = try predictions(run, features, &notes) { report("predicting", $0, $1) }
        let right = predictions.values.count { $0.label == $0.predicted }
        if !predictions.isEmpty, 2 * right < predictions.count {
            let share = percent(Double(right) / Double(predictions.count))
            notes.append(
                "The held-out accuracy of the linear head is only \(share), so suspected label errors are unreliable. "
                    + "Use a better head with --run.")
        }
        let labelErrors = SuspectedLabelErrors.find(vectors, nearest: nearest, predictions: predictions, labels: labels)
        let shown = try decode(features) { report("decoding", $0, $1) }
        let nearDuplicates = try root.flatMap { root in
            shown.isEmpty ? nil : try self.nearDuplicates(vectors, nearest, root) { report("looking", $0, $1) }
        }
        if shown.isEmpty {
            notes.append(
                "No video could be decoded, so frames and near-duplicates are missing. Name the videos' folder with "
                    + "--root.")
        }
        let recipe = try? ExtractionRecipe(json: selection.extraction.record.recipe)
        let outliers = try Outliers.find(
            features, nearest: nearest, brightness: shown.mapValues(\.brightness),
            rowsAreFrames: recipe?.sampling.windowed == nil)
        let facts = try cache.videoFacts(dataset: selection.dataset, extraction: selection.extraction.id)
        let failures = try cache.failures(extraction: selection.extraction.id)
        let clips = features.examples.indices.map { index in
            let example = features.examples[index]
            let place = map.places[index]
            return ExplorationReport.Clip(
                path: example.path, label: example.label, split: example.split, x: place.x, y: place.y,
                predicted: predictions[example.videoID].map { ($0.predicted, $0.probability) },
                near: nearest[index].prefix(5).map { ($0.index, $0.cosine) }, strip: shown[index]?.jpeg)
        }
        let lists =
            (nearDuplicates.map { [Self.list($0, features.examples)] } ?? [])
            + [Self.list(labelErrors, features.examples), Self.list(outliers, features.examples)]
            + (failures.isEmpty ? [] : [Self.list(failures)])
            + [CollectionLists.damaged(facts), CollectionLists.classes(facts), CollectionLists.shapes(facts)]
            .compactMap(\.self)
        let record = selection.extraction.record
        let page = ExplorationReport(
            title: selection.dataset, subtitle: "\(record.backbone) features (\(record.name))", notes: notes,
            clips: clips, lists: lists)
        return Findings(
            report: page,
            labelErrors: labelErrors.map {
                let example = features.examples[$0.index]
                return (example.path, example.label, $0.suggested, $0.score)
            }, nearDuplicates: nearDuplicates?.pairs.count, outliers: outliers.count, notes: notes)
    }

    /// Maximum number of frames in a map.
    private static let frames = 10_000

    /// The map of single frames, evenly spaced over the collection if there are too many.
    private func frameFindings(
        _ clips: FeatureSet, report: (_ what: String, _ done: Int, _ total: Int) -> Void
    ) throws -> Findings {
        let all = clips.examples.flatMap { example in
            example.views[0].frames.map { frame in
                var example = example
                example.views = [frame]
                return example
            }
        }
        let count = min(all.count, Self.frames)
        let examples = (0..<count).map { all[$0 * all.count / max(1, count)] }
        let features = clips.replacing(examples: examples)
        let vectors = try ClipVectors(features)
        report("comparing", 0, 1)
        let nearest = NearestNeighbors.all(vectors, count: ClipMap.neighbors)
        let map = ClipMap(vectors, nearest: nearest)
        let shown = try decode(clips) { report("decoding", $0, $1) }
        let strips = Dictionary(
            shown.map { (clips.examples[$0.key].videoID, $0.value.jpeg) }, uniquingKeysWith: { first, _ in first })
        var numbers: [Int64: Int] = [:]
        let points = examples.indices.map { index in
            let example = examples[index]
            numbers[example.videoID, default: 0] += 1
            return ExplorationReport.Clip(
                path: "\(example.path), frame \(numbers[example.videoID] ?? 1)", label: example.label,
                split: example.split, x: map.places[index].x, y: map.places[index].y, predicted: nil,
                near: nearest[index].prefix(5).map { ($0.index, $0.cosine) }, strip: strips[example.videoID])
        }
        let record = selection.extraction.record
        let notes = all.count > count ? ["The map shows \(grouped(count)) of \(grouped(all.count)) frames."] : []
        let page = ExplorationReport(
            title: selection.dataset, subtitle: "frames, by \(record.backbone) features (\(record.name))", notes: notes,
            clips: points, lists: [])
        return Findings(report: page, labelErrors: [], nearDuplicates: nil, outliers: 0, notes: notes)
    }

    /// The clips with their roles in a run; others are "unused".
    private func placing(_ features: FeatureSet, as run: RunDirectory) throws -> FeatureSet {
        let clips = try RunClips(run, run.load().configuration, in: cache)
        let videos = try cache.videoIDs()
        // In a cross-validated run, training clips of the final model are also held out by the fold models.
        let roles = Dictionary(
            clips.entries.compactMap { entry in videos[entry.digest].map { ($0, entry.role.rawValue) } },
            uniquingKeysWith: { $1 })
        return features.placing { roles[$0.videoID] ?? "unused" }
    }

    /// Predictions by models that were not trained on the clip.
    private func predictions(
        _ run: RunDirectory?, _ features: FeatureSet, _ notes: inout [String], _ report: (Int, Int) -> Void
    ) throws -> (byVideo: [Int64: PredictionRecord], labels: [String]) {
        if let run {
            let configuration = try run.load().configuration
            let id = try cache.run(of: run, configuration)
            let held = try cache.predictions(run: id, split: "validation") + cache.predictions(run: id, split: "test")
            return (
                Dictionary(held.filter(\.isScored).map { ($0.videoID, $0) }, uniquingKeysWith: { $1 }),
                configuration.labels
            )
        }
        let counts = features.examples.reduce(into: [String: Int]()) { $0[$1.label, default: 0] += 1 }
        let shape = selection.extraction.record.featureShape
        guard counts.count > 1, shape.count == 1 else {
            notes.append("Labels were not checked: this needs at least two classes and one feature vector per frame.")
            return ([:], [])
        }
        // Every clip is held out once, test clips included.
        let pooled = features.placing { _ in Split.train.rawValue }
        var training = TrainingConfiguration(
            model: HeadConfiguration(kind: .average), standardize: true, epochs: 30, validation: 0)
        training.optimizer.weightDecay = 1e-2
        do {
            let validation = try CrossValidation(
                training, folds: 5, repeats: 1, features: pooled,
                input: .init(shape: shape, maximumLength: selection.extraction.record.maxFrames))
            var fits: [CrossValidation.Fit] = []
            try validation.fitAll(workers: workers, isCancelled: { false }) { outcome in
                guard case .fit(let fit) = outcome else { return }
                fits.append(fit)
                report(fits.count, validation.count)
            }
            guard fits.count == validation.count else {
                notes.append("Labels were not checked: the linear head diverged on these features.")
                return ([:], [])
            }
            let result = CrossValidationResult(fits.sorted { $0.index < $1.index }, of: validation)
            return (Dictionary(result.predictions.map { ($0.videoID, $0) }, uniquingKeysWith: { $1 }), result.labels)
        } catch let error as FoldError {
            notes.append("Labels were not checked. " + error.localizedDescription)
            return ([:], [])
        }
    }

    private func decode(_ features: FeatureSet, _ report: (Int, Int) -> Void) throws -> [Int: ClipStrip] {
        guard let root else { return [:] }
        let count = min(strips, features.examples.count)
        // Evenly spaced over the collection.
        let wanted = (0..<count).map { $0 * features.examples.count / max(1, count) }
        var shown: [Int: ClipStrip] = [:]
        var done = 0
        try runJobs(count: wanted.count, workers: workers) {
            { place in
                let path = features.examples[wanted[place]].path
                return Clip.staysInside(path) ? try? ClipStrip(path: root + "/" + path) : nil
            }
        } consume: { (place: Int, strip: ClipStrip?) in
            shown[wanted[place]] = strip
            done += 1
            report(done, wanted.count)
        }
        return shown
    }

    private func nearDuplicates(
        _ vectors: ClipVectors, _ nearest: [[Neighbor]], _ root: String, _ report: (Int, Int) -> Void
    ) throws -> NearDuplicateSearch {
        let search = try NearDuplicateSearch(vectors, nearest: nearest, root: root, workers: workers, report: report)
        try cache.store(
            search.pairs.map { $0.record(vectors.examples) }, dataset: selection.dataset,
            extraction: selection.extraction.id)
        return search
    }

    // MARK: - Lists

    private static func list(_ search: NearDuplicateSearch, _ examples: [FeatureSet.Example]) -> ExplorationReport.List
    {
        .init(
            id: "near-duplicates", heading: "Near-duplicates",
            text:
                "Clips with the same content in different files. If one is a training clip and the other a test clip, "
                + "the test accuracy is too high. " + NearDuplicateSearch.limits,
            columns: ["clip", "near-duplicate", "splits", "likeness", "differs by"],
            rows: search.pairs.map { pair in
                let (one, two) = (examples[pair.first], examples[pair.second])
                return [
                    (one.path, pair.first), (two.path, pair.second),
                    (one.split == two.split ? one.split : "\(one.split), \(two.split)", nil),
                    (String(format: "%.3f", pair.similarity), nil), (pair.change, nil),
                ]
            })
    }

    private static func list(_ labelErrors: [SuspectedLabelError], _ examples: [FeatureSet.Example])
        -> ExplorationReport.List
    {
        .init(
            id: "label-errors", heading: "Suspected label errors",
            text: "Held-out models give the label a low probability, and most neighbours have another label.",
            columns: ["clip", "label", "suggested label", "probability of the label", "neighbours with the label"],
            rows: labelErrors.map { entry in
                let example = examples[entry.index]
                return [
                    (example.path, entry.index), (example.label, nil), (entry.suggested, nil),
                    (String(format: "%.3f", entry.probability), nil),
                    (String(format: "%.0f %%", 100 * entry.neighborShare), nil),
                ]
            })
    }

    private static func list(_ outliers: [Outlier], _ examples: [FeatureSet.Example]) -> ExplorationReport.List {
        .init(
            id: "outliers", heading: "Outliers",
            text: "Clips far from all others, black, with a single frame, or without motion.",
            columns: ["clip", "label", "reason"],
            rows: outliers.map {
                [(examples[$0.index].path, $0.index), (examples[$0.index].label, nil), ($0.reason, nil)]
            })
    }

    private static func list(_ failures: [String: (error: String, at: Date)]) -> ExplorationReport.List {
        .init(
            id: "failures", heading: "Failures", text: "Clips that could not be extracted.",
            columns: ["clip", "reason"],
            rows: failures.sorted { $0.key < $1.key }.map { [($0.key, nil), ($0.value.error, nil)] })
    }
}
