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
                return Result { () throws(VideoError) in
                    do {
                        return try HashedClip(path, in: root, known: known)
                    } catch let error as VideoError {
                        throw error
                    } catch {
                        throw .unreadable(path: path, reason: error.localizedDescription)
                    }
                }
            }
        } consume: { (place: Int, digest: Result<HashedClip, VideoError>?) in
            digests[unknown[place]] = digest
            done += 1
            session.report(.hashing(done: done, total: clips.count))
        }
        try remember(unknown.map { (root + "/" + clips[$0].path, digests[$0]) }, readAt: begin, cache)
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
            let isSame = stamp.bytes == file.bytes && stamp.modified == file.modified && stamp.inode == file.inode
            return isSame ? .success(HashedClip(digest: file.digest, stamp: stamp)) : nil
        }
    }

    /// Files modified shortly before they were read are not recorded, because a later change might alter neither size
    /// nor time, depending on the file system's clock resolution.
    private func remember(
        _ clips: [(path: String, digest: Result<HashedClip, VideoError>?)], readAt begin: Date, _ cache: CacheFile
    ) throws {
        let latest = Int((begin.timeIntervalSince1970 - 2) * 1e9)
        try cache.remember(
            clips.compactMap { path, result in
                guard case .success(let clip)? = result, clip.stamp.modified < latest else { return nil }
                let stamp = clip.stamp
                return (
                    path,
                    KnownFile(digest: clip.digest, bytes: stamp.bytes, modified: stamp.modified, inode: stamp.inode)
                )
            })
    }
}
