import Datasets
import FeatureCache
import Foundation
import Threads
import Video

extension Extractor {
    /// The digest of each clip; nil if the work was cancelled before. Clips with the size, modification time and inode
    /// recorded in the cache are not read again.
    func hash(_ clips: [Clip], _ session: Session) throws -> [Result<HashedClip, VideoError>?] {
        let (cache, isCancelled) = (session.cache, session.isCancelled)
        let root = URL(fileURLWithPath: dataset.root).standardizedFileURL.path
        var digests = rehashes ? Array(repeating: nil, count: clips.count) : try remembered(clips, root, cache)
        let unknown = digests.indices.filter { digests[$0] == nil }
        var done = clips.count - unknown.count
        let known = knownDigests
        let begin = Date.now
        try runJobs(count: unknown.count, workers: workers) {
            { place in
                if isCancelled() { return nil }
                let path = clips[unknown[place]].path
                return Result { try HashedClip(path, in: root, known: known) }.mapError { VideoError($0, of: path) }
            }
        } consume: { (place: Int, digest: Result<HashedClip, VideoError>?) in
            digests[unknown[place]] = digest
            done += 1
            session.report(.hashing(done: done, total: clips.count))
        }
        try cache.remember(
            unknown.compactMap { place in
                guard case .success(let clip)? = digests[place] else { return nil }
                return clip.stamp.known(clip.digest, readAt: begin).map { (root + "/" + clips[place].path, $0) }
            })
        return digests
    }

    private func remembered(
        _ clips: [Clip], _ root: String, _ cache: CacheFile
    ) throws -> [Result<HashedClip, VideoError>?] {
        let known = try cache.knownFiles()
        if known.isEmpty { return Array(repeating: nil, count: clips.count) }
        return clips.map { clip in
            let path = root + "/" + clip.path
            guard let file = known[path], let stamp = try? FileStamp(path: path) else { return nil }
            return stamp.agrees(with: file) ? .success(HashedClip(digest: file.digest, stamp: stamp)) : nil
        }
    }
}

extension VideoError {
    /// The error itself, or one that states its description.
    init(_ error: any Error, of path: String) {
        self = error as? VideoError ?? .unreadable(path: path, reason: error.localizedDescription)
    }
}
