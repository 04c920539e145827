import Datasets
import GRDB

extension CacheFile {
    /// A stored sample.
    private struct Registered {
        let id: Int64
        let path, label, split: String
        let group: String?
        /// Sorted, with their source; nil if there are none, or several sources.
        var labels: [String] = []
        var source: AnnotationSource?

        func equals(_ video: VideoRecord, _ sample: SampleRecord) -> Bool {
            path == video.path && label == sample.label && split == sample.split && group == sample.group
                && labels == sample.labels && (source == sample.source || labels.isEmpty)
        }
    }

    /// Records videos and their labels, splits and groups in a data set in one transaction. Other videos of the data
    /// set are kept, so that a pipeline with fewer classes removes nothing; so are labels that a person or a model
    /// gave. Returns the row IDs of the videos.
    @discardableResult
    package func registerSamples(_ samples: [(video: VideoRecord, sample: SampleRecord)]) throws -> [Int64] {
        let known = try registered(Set(samples.map(\.sample.dataset)))
        let isKnown = { (video: VideoRecord, sample: SampleRecord) in
            video.details == nil
                ? known[video.digest + " " + sample.dataset].flatMap { $0.equals(video, sample) ? $0.id : nil } : nil
        }
        if samples.allSatisfy({ isKnown($0.video, $0.sample) != nil }) {
            return samples.compactMap { isKnown($0.video, $0.sample) }
        }
        let now = Self.now()
        return try write { database in
            try samples.map { video, sample in
                if let id = isKnown(video, sample) { return id }
                let id = try Self.upsert(video, in: database)
                try database.run(
                    """
                    INSERT INTO sample (dataset, video_id, label, split, "group") VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET label = excluded.label, split = excluded.split,
                      "group" = excluded."group"
                    """, [sample.dataset, id, sample.label, sample.split, sample.group])
                try Self.annotate(id, sample, at: now, in: database)
                return id
            }
        }
    }

    /// Replaces the labels that the data set gives a video; those that stay keep their time of creation.
    private static func annotate(_ video: Int64, _ sample: SampleRecord, at now: String, in database: Database) throws {
        let own = """
            dataset = ? AND video_id = ? AND start_time IS NULL AND end_time IS NULL AND source IN \(datasetSources)
            """
        let old = try database.rows(
            "SELECT id, label, source FROM annotation WHERE \(own)", [sample.dataset, video])
        var kept: Set<String> = []
        for row in old {
            let (label, source): (String, String) = try (row.get("label"), row.get("source"))
            if source == sample.source.rawValue, sample.labels.contains(label), kept.insert(label).inserted { continue }
            try database.run("DELETE FROM annotation WHERE id = ?", [row.get("id") as Int64])
        }
        try database.run(
            "INSERT INTO annotation (dataset, video_id, label, source, created_at) VALUES (?, ?, ?, ?, ?)",
            each: sample.labels.filter { !kept.contains($0) }
        ) { [sample.dataset, video, $0, sample.source.rawValue, now] }
    }

    static let datasetSources =
        "(" + AnnotationSource.ofDataset.map { "'\($0.rawValue)'" }.joined(separator: ", ") + ")"

    /// The samples of data sets, by digest of the video and name of the data set.
    private func registered(_ datasets: Set<String>) throws -> [String: Registered] {
        try read { database in
            var known: [String: Registered] = [:]
            for dataset in datasets {
                let labels = try Self.annotations(of: dataset, in: database)
                let rows = try database.cursor(
                    """
                    SELECT video.id, digest, path, label, split, "group" FROM sample
                    JOIN video ON video.id = sample.video_id WHERE dataset = ?
                    """, [dataset])
                while let row = try rows.next() {
                    var sample = try Registered(
                        id: row.get(0), path: row.get(2), label: row.get(3), split: row.get(4), group: row.get(5))
                    if let own = labels[sample.id] {
                        (sample.labels, sample.source) = (own.labels.sorted(), own.source)
                    }
                    try known[row.get(1) + " " + dataset] = sample
                }
            }
            return known
        }
    }

    /// The labels that a data set gives each video, by row ID; `source` is nil if they have several.
    private static func annotations(
        of dataset: String, in database: Database
    ) throws -> [Int64: (labels: [String], source: AnnotationSource?)] {
        let rows = try database.cursor(
            """
            SELECT video_id, label, source FROM annotation WHERE dataset = ? AND start_time IS NULL
              AND end_time IS NULL AND source IN \(datasetSources)
            """, [dataset])
        var labels: [Int64: (labels: [String], source: AnnotationSource?)] = [:]
        while let row = try rows.next() {
            let (video, label): (Int64, String) = try (row.get(0), row.get(1))
            let source = try AnnotationSource(rawValue: row.get(2))
            let old = labels[video]
            labels[video] = ((old?.labels ?? []) + [label], old == nil || old?.source == source ? source : nil)
        }
        return labels
    }
}

extension SampleRecord {
    /// `name`: of the data set in the cache; nil is its own.
    package init(_ clip: Clip, of dataset: DatasetConfiguration, named name: String? = nil) {
        self.init(
            dataset: name ?? dataset.name, label: clip.label, split: clip.ownSplit.rawValue, group: clip.group,
            labels: dataset.task.names(in: clip.label), source: dataset.layout.hasLists ? .list : .folder)
    }
}
