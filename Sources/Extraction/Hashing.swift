import Datasets
import Video

extension Extractor {
    /// The digest of each clip; nil where the work was cancelled before.
    func hash(
        _ clips: [Clip], _ isCancelled: @escaping @Sendable () -> Bool, _ report: (Event) -> Void
    ) throws -> [Result<String, VideoError>?] {
        var digests: [Result<String, VideoError>?] = Array(repeating: nil, count: clips.count)
        var done = 0
        let root = dataset.root
        try runJobs(count: clips.count, workers: workers) {
            { index in
                if isCancelled() { return nil }
                return Result { () throws(VideoError) in
                    do {
                        return try FileDigest.clip(path: root + "/" + clips[index].path)
                    } catch let error as VideoError {
                        throw error
                    } catch {
                        throw .unreadable(path: clips[index].path, reason: error.localizedDescription)
                    }
                }
            }
        } consume: { (index: Int, digest: Result<String, VideoError>?) in
            digests[index] = digest
            done += 1
            report(.hashing(done: done, total: clips.count))
        }
        return digests
    }
}
