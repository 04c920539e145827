import Datasets
import FeatureCache
import Foundation

/// Videos that a cache has of a dataset and the dataset has no longer. One that was renamed has not vanished.
public struct VanishedVideos: Sendable {
    /// Rows of `video`.
    public let videos: Set<Int64>
    /// Where they were, sorted.
    public let paths: [String]

    /// Reads only files that the cache does not know by name.
    ///
    /// - Throws: `DatasetError` where the dataset cannot be read, `VanishedError` where nothing of it is left.
    public init(_ dataset: DatasetConfiguration, in cache: CacheFile, workers: Int) throws {
        let known = try cache.videos(dataset: dataset.name)
        let root = dataset.root
        let present = try dataset.clips().map(\.path).filter {
            FileManager.default.fileExists(atPath: root + "/" + $0)
        }
        let presentPaths = Set(present)
        let missing = known.filter { !presentPaths.contains($0.path) }
        let knownPaths = Set(known.map(\.path))
        let unknown = missing.isEmpty ? [] : present.filter { !knownPaths.contains($0) }
        var digests: Set<String> = []
        try runJobs(count: unknown.count, workers: workers) {
            { index in try? FileDigest.clip(path: root + "/" + unknown[index]) }
        } consume: { (_: Int, digest: String?) in
            if let digest { digests.insert(digest) }
        }
        let gone = missing.filter { !digests.contains($0.digest) }
        if !known.isEmpty && gone.count == known.count {
            throw VanishedError.everything(dataset: dataset.name, root: dataset.root)
        }
        videos = Set(gone.map(\.id))
        paths = gone.map(\.path).sorted()
    }
}

/// Why nothing is taken for vanished.
public enum VanishedError: LocalizedError, Equatable {
    case everything(dataset: String, root: String)

    /// What happened, where, and what to do about it.
    public var errorDescription: String? {
        switch self {
        case .everything(let dataset, let root):
            "No video that the cache has of \(dataset) is under \(root). Check that the disk is mounted and `dataset.root` right. "
                + "Nothing was removed."
        }
    }
}
