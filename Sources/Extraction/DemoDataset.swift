import Datasets
import Foundation
import Threads
import Video

/// Writes the demo data set as MP4 files: `<root>/<train|test>/<action>/<action>-NN.mp4`.
package enum DemoDataset {
    /// Training clips per action.
    package static let trainClips = 32
    /// Test clips per action, with other seeds than the training clips.
    package static let testClips = 12

    /// Creates the missing clips on `workers` threads. Files are identical on every machine. Returns the number of
    /// clips created. Throws `VideoError.writing`.
    package static func write(
        to root: String, trainClips: Int = trainClips, testClips: Int = testClips, workers: Int,
        report: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> Int {
        var jobs: [(path: String, action: DemoAction, seed: UInt64)] = []
        for (number, action) in DemoAction.allCases.enumerated() {
            for (split, count) in [("train", trainClips), ("test", testClips)] {
                let folder = "\(root)/\(split)/\(action.rawValue)"
                do {
                    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                } catch {
                    throw VideoError.writing(path: folder, reason: error.localizedDescription)
                }
                for clip in 0..<count {
                    let path = String(format: "%@/%@-%02d.mp4", folder, action.rawValue, clip)
                    if FileManager.default.fileExists(atPath: path) { continue }
                    let seed = UInt64(number * 10_000 + (split == "train" ? 0 : 5_000) + clip)
                    jobs.append((path, action, seed &* 0x9E37_79B9_7F4A_7C15))
                }
            }
        }
        let work = jobs
        var done = 0
        try runJobs(count: work.count, workers: workers) {
            { index in
                let scene = DemoScene(work[index].action, seed: work[index].seed)
                try MovieWriter.write(
                    frames: (0..<DemoScene.frameCount).lazy.map(scene.frame), width: DemoScene.width,
                    height: DemoScene.height, frameRate: DemoScene.frameRate, to: work[index].path)
            }
        } consume: { _, _ in
            done += 1
            report(done, work.count)
        }
        return done
    }
}
