import Foundation

package struct FuzzRun {
    package let target: FuzzTarget
    /// Valid files to damage, by name.
    package let seeds: [(name: String, bytes: [UInt8])]
    package let folder: String
    /// The caches and runs that are damaged; nil for targets that read one file.
    private let workplace: FuzzWorkplace?

    /// - Parameter seeds: paths of valid files; unreadable ones are ignored. Caches and runs are generated here.
    package init(_ target: FuzzTarget, seeds: [String], folder: String) throws {
        self.target = target
        workplace = target.makesItsFiles ? try FuzzWorkplace(folder: folder) : nil
        self.seeds = seeds.compactMap { path in FileManager.default.contents(atPath: path).map { (path, [UInt8]($0)) } }
        self.folder = folder
    }

    /// The path of the current file, which remains after a crash.
    package var casePath: String { folder + "/case" + target.ending }

    /// The path of the description of the current change.
    package var notePath: String { folder + "/case.txt" }

    /// Reads damaged files of seeds `first` to `first + count - 1`, and reports each. Returns how many there were and
    /// how many were readable. Throws `FuzzTarget.Violation`; the file is at `casePath`.
    package func run(from first: UInt64, count: Int, report: (UInt64) -> Void = { _ in }) throws {
        let all = seeds.map(\.bytes)
        for seed in first..<first + UInt64(count) {
            var mutator = Mutator(seed: seed)
            let what: String
            if let workplace {
                try workplace.restore()
                what = try target == .cache ? workplace.damageCache(&mutator) : workplace.damageRun(&mutator)
            } else {
                let index = Int(mutator.next() % UInt64(all.count))
                let damaged = target.damage(all[index], others: all, &mutator)
                try Data(damaged).write(to: URL(fileURLWithPath: casePath))
                what = seeds[index].name
            }
            try Data("\(target.rawValue), seed \(seed): \(what)\n".utf8).write(to: URL(fileURLWithPath: notePath))
            let choice = Int(mutator.next() % 1024)
            do {
                switch (target, workplace) {
                case (.cache, let place?): try FuzzReaders.readCache(place, choice: choice)
                case (.run, let place?): try FuzzReaders.readRun(place, choice: choice)
                default: try target.run(casePath, in: folder)
                }
            } catch let violation as FuzzTarget.Violation {
                throw FuzzTarget.Violation(description: "\(target.rawValue), seed \(seed), \(what): \(violation)")
            }
            report(seed)
        }
    }
}
