import Foundation

/// Many damaged files for one target.
public struct FuzzRun {
    /// What reads them.
    public let target: FuzzTarget
    /// Whole files that are damaged, by name.
    public let seeds: [(name: String, bytes: [UInt8])]
    /// A folder of its own.
    public let folder: String

    /// - Parameter seeds: paths of whole files; unreadable ones are left out.
    public init(_ target: FuzzTarget, seeds: [String], folder: String) {
        self.target = target
        self.seeds = seeds.compactMap { path in FileManager.default.contents(atPath: path).map { (path, [UInt8]($0)) } }
        self.folder = folder
    }

    /// Where the file under way is; a crash leaves it behind.
    public var casePath: String {
        folder + "/case" + (target == .yaml ? ".yaml" : target == .onnx ? ".onnx" : target == .video ? ".mp4" : ".bin")
    }

    /// Reads damaged files of seeds `first` to `first + count - 1`.
    ///
    /// - Parameter report: called after each, with its seed.
    /// - Returns: how many there were, and how many could be read in spite of everything.
    /// - Throws: `FuzzTarget.Violation`; the file is at `casePath`.
    public func run(from first: UInt64, count: Int, report: (UInt64) -> Void = { _ in }) throws {
        let all = seeds.map(\.bytes)
        for seed in first..<first + UInt64(count) {
            var mutator = Mutator(seed: seed)
            let whole = all[Int(mutator.next() % UInt64(all.count))]
            let damaged = mutator.mutate(whole, others: all, words: target.words)
            try Data(damaged).write(to: URL(fileURLWithPath: casePath))
            do { try target.run(casePath, in: folder) } catch let violation as FuzzTarget.Violation {
                throw FuzzTarget.Violation(description: "\(target.rawValue), seed \(seed): \(violation)")
            }
            report(seed)
        }
    }
}
