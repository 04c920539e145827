import Foundation
import Testing

@testable import Extraction

@Suite struct WorkQueueTests {
    struct Broken: Error {}

    @Test("every job is done once and its result consumed", arguments: [1, 2, 7]) func allJobs(workers: Int) throws {
        var results: [Int: Int] = [:]
        try runJobs(count: 50, workers: workers) {
            { $0 * $0 }
        } consume: { index, result in
            #expect(results[index] == nil)
            results[index] = result
        }
        #expect(results == Dictionary(uniqueKeysWithValues: (0..<50).map { ($0, $0 * $0) }))
    }

    @Test("errors of workers and of the consumer end the work") func errors() {
        #expect(throws: Broken.self) {
            try runJobs(count: 50, workers: 3) {
                { index in if index == 20 { throw Broken() } }
            } consume: { _, _ in
            }
        }
        #expect(throws: Broken.self) {
            try runJobs(count: 50, workers: 3) {
                { $0 }
            } consume: { index, _ in
                if index == 5 { throw Broken() }
            }
        }
        #expect(throws: Broken.self) {
            try runJobs(count: 5, workers: 2, makeWorker: { () throws -> (Int) -> Int in throw Broken() }) { _, _ in }
        }
    }

    @Test("no jobs need no workers") func nothing() throws {
        try runJobs(count: 0, workers: 2, makeWorker: { { $0 } }) { _, _ in Issue.record("nothing to consume") }
    }

    @Test("results that wait are handed on together, each once and never too many", arguments: [1, 4])
    func groups(workers: Int) throws {
        var seen: [Int] = [], sizes: Set<Int> = []
        try runJobs(count: 60, workers: workers, most: 3) {
            { $0 }
        } consume: { results in
            // Whoever is slow finds more than one.
            if seen.isEmpty { Thread.sleep(forTimeInterval: 0.05) }
            sizes.insert(results.count)
            seen += results.map(\.0)
            #expect(results.allSatisfy { $0.0 == $0.1 })
        }
        #expect(seen.sorted() == Array(0..<60))
        #expect(sizes.isSubset(of: [1, 2, 3]) && sizes.contains { $0 > 1 }, "\(sizes)")
    }
}
