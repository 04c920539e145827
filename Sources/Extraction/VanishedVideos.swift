import Datasets
import FeatureCache
import Foundation
import Threads

/// Videos in a cache that are no longer in the data set. Renamed videos are not included.
package struct VanishedVideos: Sendable {
    /// Row IDs in `video`.
    package let videos: Set<Int64>
    /// Their stored paths, sorted.
    package let paths: [String]

    /// Reads only files whose names are not in the cache. Throws `DatasetError` if the data set cannot be read,
    /// `VanishedError` if none of its videos is left.
    package init(_ dataset: DatasetConfiguration, in cache: CacheFile, workers: Int) throws {
        let known = try cache.videos(dataset: dataset.name)
        let root = dataset.root
        let present = try dataset.clips().map(\.path).filter { FileManager.default.fileExists(atPath: root + "/" + $0) }
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

package enum VanishedError: LocalizedError, Equatable {
    case everything(dataset: String, root: String)

    package var errorDescription: String? {
        switch self {
        case .everything(let dataset, let root):
            "No video that the cache has of \(dataset) is under \(root). Check that the disk is mounted and that "
                + "`dataset.root` is correct. Nothing was removed."
        }
    }
}
