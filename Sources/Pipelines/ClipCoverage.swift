import Datasets
import Extraction
import FeatureCache
import Foundation
import SequenceModels

/// How many clips of a pipeline have no features, and why: figures over the others alone would be of another data set.
public struct ClipCoverage: Sendable, Equatable {
    /// One for each split that has clips.
    public let parts: [MissingClips]
    /// Whether the data set's folder or lists could be read; otherwise only clips that the cache knows count.
    public let isListed: Bool

    /// Share of clips without features from which training is refused.
    public static let tolerated = 0.1
    /// Files that are read to see whether they are copies of extracted ones.
    private static let hashed = 64

    /// - Parameter extraction: row of the recipe.
    /// - Throws: `CacheError`, `DatasetError`.
    public init(_ dataset: DatasetConfiguration, in cache: CacheFile, extraction: Int64) throws {
        let root = URL(fileURLWithPath: dataset.root).standardizedFileURL.path
        let listed = try? dataset.ownClips()
        let clips = try listed ?? Array(SequenceRun.places(of: dataset, in: cache).values)
        let known = try KnownClips(cache, dataset: dataset.name, extraction: extraction)
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
                // A copy of another file is used once, under the other's name.
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

    /// What the user should know; nil if every clip has features.
    public var note: String? { parts.total.count > 0 ? parts.text : nil }

    /// - Throws: `SequenceError.partial` if more than a tenth of the clips have no features.
    public func check(allowsPartial: Bool) throws {
        let total = parts.total
        guard !allowsPartial, Double(total.count) > Self.tolerated * Double(total.listed) else { return }
        throw SequenceError.partial(parts.text)
    }
}

/// Clips of a dataset that a recipe was tried on.
private struct KnownClips {
    enum State {
        case extracted, failed, unknown
    }

    /// Of videos with features.
    private let digests: Set<String>
    /// Of videos that failed.
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

    /// - Parameters:
    ///   - path: relative to the dataset's root.
    ///   - file: absolute.
    func state(of path: String, at file: String) -> State {
        let isExtracted = files[file].map { digests.contains($0.digest) } ?? paths.contains(path)
        return isExtracted ? .extracted : failures.contains(path) ? .failed : .unknown
    }
}
