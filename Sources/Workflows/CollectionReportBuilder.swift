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
    let cache: CacheFile
    let selection: CacheSelection
    let task: DatasetConfiguration.Task
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
        task = try cache.task(dataset: selection.dataset)
        self.root = try root ?? selection.root(cache)
    }

    package struct Findings: Sendable {
        package let report: ExplorationReport
        /// Suspected label errors, most suspicious first: path, label, suggested label, score.
        package let labelErrors: [(path: String, label: String, suggested: String, score: Double)]
        /// Suspected missing and wrong labels of clips with several labels, with their paths, most suspicious first.
        package let suspectedLabels: [(path: String, SuspectedLabel)]
        package let task: DatasetConfiguration.Task
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
        let held = try predictions(run, features, &notes) { report("predicting", $0, $1) }
        notes += held.warning(task).map { [$0] } ?? []
        let (labelErrors, suspectedLabels) =
            task == .classification
            ? (
                SuspectedLabelErrors.find(
                    vectors, nearest: nearest, predictions: held.byVideo, labels: held.labels), []
            )
            : (
                [],
                SuspectedLabels.find(vectors, nearest: nearest, predictions: held.byVideo, labels: held.labels)
            )
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
                path: example.path, labels: task.names(in: example.label), split: example.split, x: place.x,
                y: place.y, predictions: held.shown(example, task),
                near: nearest[index].prefix(5).map { ($0.index, $0.cosine) }, strip: shown[index]?.jpeg)
        }
        let lists =
            [
                nearDuplicates.map { CollectionLists.nearDuplicates($0, features.examples, task) },
                task == .classification
                    ? CollectionLists.labelErrors(labelErrors, features.examples)
                    : CollectionLists.suspectedLabels(
                        suspectedLabels, features.examples, meanAveragePrecision: held.meanAveragePrecision),
                CollectionLists.outliers(outliers, features.examples, task), CollectionLists.failures(failures),
                CollectionLists.damaged(facts), CollectionLists.classes(facts, task), CollectionLists.shapes(facts),
            ].compactMap(\.self)
        let record = selection.extraction.record
        let page = ExplorationReport(
            title: selection.dataset, subtitle: "\(record.backbone) features (\(record.name))", notes: notes,
            clips: clips, lists: lists, task: task, predictable: task == .multilabel ? held.labels : [])
        return Findings(
            report: page,
            labelErrors: labelErrors.map {
                let example = features.examples[$0.index]
                return (example.path, example.label, $0.suggested, $0.score)
            }, suspectedLabels: suspectedLabels.map { (features.examples[$0.index].path, $0) }, task: task,
            nearDuplicates: nearDuplicates?.pairs.count, outliers: outliers.count, notes: notes)
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
                path: "\(example.path), frame \(numbers[example.videoID] ?? 1)",
                labels: task.names(in: example.label), split: example.split, x: map.places[index].x,
                y: map.places[index].y, predictions: nil,
                near: nearest[index].prefix(5).map { ($0.index, $0.cosine) }, strip: strips[example.videoID])
        }
        let record = selection.extraction.record
        let notes = all.count > count ? ["The map shows \(grouped(count)) of \(grouped(all.count)) frames."] : []
        let page = ExplorationReport(
            title: selection.dataset, subtitle: "frames, by \(record.backbone) features (\(record.name))", notes: notes,
            clips: points, lists: [], task: task)
        return Findings(
            report: page, labelErrors: [], suspectedLabels: [], task: task, nearDuplicates: nil, outliers: 0,
            notes: notes)
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
}
