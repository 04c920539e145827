import Datasets
import Video

extension Extractor {
    /// The digest of each clip; nil where the work was cancelled before.
    func hash(
        _ clips: [Clip], _ isCancelled: @escaping @Sendable () -> Bool, _ report: (Event) -> Void
    ) throws -> [Result<HashedClip, VideoError>?] {
        var digests: [Result<HashedClip, VideoError>?] = Array(repeating: nil, count: clips.count)
        var done = 0
        let (root, known) = (dataset.root, knownDigests)
        try runJobs(count: clips.count, workers: workers) {
            { index in
                if isCancelled() { return nil }
                return Result { () throws(VideoError) in
                    do {
                        return try HashedClip(clips[index].path, in: root, known: known)
                    } catch let error as VideoError {
                        throw error
                    } catch {
                        throw .unreadable(path: clips[index].path, reason: error.localizedDescription)
                    }
                }
            }
        } consume: { (index: Int, digest: Result<HashedClip, VideoError>?) in
            digests[index] = digest
            done += 1
            report(.hashing(done: done, total: clips.count))
        }
        return digests
    }
}
