import Datasets
import Extraction
import FeatureCache
import Foundation
import SequenceModels

/// Counts the clips of a pipeline without features and the reasons: metrics of the others alone would describe another
/// data set.
package struct ClipCoverage: Sendable, Equatable {
    /// One for each split that has clips.
    package let parts: [MissingClips]
    /// Whether the data set's folder or lists could be read; otherwise only clips in the cache are counted.
    package let isListed: Bool

    /// Maximum fraction of clips without features for training.
    package static let tolerated = 0.1
    /// Maximum number of files that are hashed to detect copies of extracted ones.
    private static let hashed = 64

    /// `extraction`: row ID of the recipe. Throws `CacheError`, `DatasetError`.
    package init(_ dataset: DatasetConfiguration, in cache: CacheFile, extraction: Int64) throws {
        let root = URL(fileURLWithPath: dataset.root).standardizedFileURL.path
        let listed = try dataset.presentClips()
        let clips = try listed ?? Array(SequenceRun.places(of: dataset, in: cache).values)
        let known = try AttemptedClips(cache, dataset: dataset.name, extraction: extraction)
        var parts = Dictionary(uniqueKeysWithValues: Split.allCases.map { ($0, MissingClips(split: $0)) })
        var unread = Self.hashed
        for clip in clips {
            parts[clip.split]?.listed += 1
            let path = root + "/" + clip.path
            switch known.state(of: clip.path, at: path) {
            case .extracted: continue
            case .failed: parts[clip.split]?.failed += 1
            case .unknown where listed == nil: parts[clip.split]?.notExtracted += 1
            case .unknown where !FileManager.default.fileExists(atPath: path): parts[clip.split]?.withoutFile += 1
            case .unknown:
                // A copy of another file is used once, under the other's path.
                unread -= 1
                switch unread >= 0 ? (try? FileDigest.clip(path: path)).map(known.state(of:)) ?? .unknown : .unknown {
                case .extracted: continue
                case .failed: parts[clip.split]?.failed += 1
                case .unknown: parts[clip.split]?.notExtracted += 1
                }
            }
        }
        self.parts = Split.allCases.compactMap { parts[$0] }.filter { $0.listed > 0 }
        isListed = listed != nil
    }

    /// A note for the user; nil if every clip has features.
    package var note: String? { parts.total.count > 0 ? parts.text : nil }

    /// - Throws: `SequenceError.partial` if more than a tenth of the clips have no features.
    package func check(allowsPartial: Bool) throws {
        let total = parts.total
        guard !allowsPartial, Double(total.count) > Self.tolerated * Double(total.listed) else { return }
        throw SequenceError.partial(parts.text)
    }
}

/// Clips of a data set for which extraction was attempted.
private struct AttemptedClips {
    enum State { case extracted, failed, unknown }

    private let digests: Set<String>
    private let failedDigests: Set<String>
    private let paths: Set<String>
    private let files: [String: KnownFile]
    private let failures: Set<String>

    init(_ cache: CacheFile, dataset: String, extraction: Int64) throws {
        let extracted = try cache.extractedClips(dataset: dataset, extraction: extraction)
        digests = Set(extracted.filter { $0.length > 0 }.map(\.digest))
        paths = Set(extracted.filter { $0.length > 0 }.map(\.path))
        files = try cache.knownFiles()
        failures = try Set(cache.failures(extraction: extraction).keys)
            .union(extracted.filter { $0.length == 0 }.map(\.path))
        let failed = failures
        failedDigests = try Set(cache.videos(dataset: dataset).filter { failed.contains($0.path) }.map(\.digest))
    }

    func state(of digest: String) -> State {
        digests.contains(digest) ? .extracted : failedDigests.contains(digest) ? .failed : .unknown
    }

    /// `path`: relative to the data set's root. `file`: absolute.
    func state(of path: String, at file: String) -> State {
        let isExtracted = files[file].map { digests.contains($0.digest) } ?? paths.contains(path)
        return isExtracted ? .extracted : failures.contains(path) ? .failed : .unknown
    }
}
