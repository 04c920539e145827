import Foundation
import Testing
import Threads

@Suite struct JobsTests {
    struct Broken: Error {}

    @Test("every job is done once and its result consumed", arguments: [1, 2, 7])
    func allJobs(workers: Int) throws {
        var results: [Int: Int] = [:]
        try runJobs(count: 50, workers: workers) {
            { $0 * $0 }
        } consume: { index, result in
            #expect(results[index] == nil)
            results[index] = result
        }
        #expect(results == Dictionary(uniqueKeysWithValues: (0..<50).map { ($0, $0 * $0) }))
    }

    @Test("errors of workers and of the consumer stop the work")
    func errors() {
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

    @Test("an empty list of jobs starts no workers")
    func nothing() throws {
        try runJobs(count: 0, workers: 2, makeWorker: { { $0 } }) { _, _ in Issue.record("nothing to consume") }
    }

    @Test("waiting results are passed on in batches, each once and within the limit", arguments: [1, 4])
    func groups(workers: Int) throws {
        var seen: [Int] = []
        var sizes: Set<Int> = []
        try runJobs(count: 60, workers: workers, most: 3) {
            { $0 }
        } consume: { results in
            // A slow consumer gets more than one.
            if seen.isEmpty { Thread.sleep(forTimeInterval: 0.05) }
            sizes.insert(results.count)
            seen += results.map(\.0)
            #expect(results.allSatisfy { $0.0 == $0.1 })
        }
        #expect(seen.sorted() == Array(0..<60))
        #expect(sizes.isSubset(of: [1, 2, 3]) && sizes.contains { $0 > 1 }, "\(sizes)")
    }

    @Test("values computed in parallel are returned in order, or their first error is thrown")
    func map() {
        #expect(concurrentMap(100) { $0 * $0 } == (0..<100).map { $0 * $0 })
        #expect(concurrentMap(0) { $0 }.isEmpty)
        #expect(throws: Broken.self) {
            try concurrentMap(10) { index in
                if index > 3 { throw Broken() }
                return index
            }
        }
    }

    @Test("a value computed in the background can be awaited by several threads, and so can its error")
    func later() throws {
        let value = Future { () -> Int in
            Thread.sleep(forTimeInterval: 0.01)
            return 7
        }
        #expect(try concurrentMap(4) { _ in try value.value() } == [7, 7, 7, 7])
        #expect(throws: Broken.self) { try Future<Int> { throw Broken() }.value() }
    }
}

@Suite struct ConditionTests {
    @Test("waiting threads are woken by each change, and see all earlier changes")
    func waits() throws {
        let numbers = Condition([Int]())
        let sum = Future { numbers.wait { $0.count == 100 ? $0.reduce(0, +) : nil } }
        concurrently(100) { number in numbers.update { $0.append(number) } }
        #expect(try sum.value() == 4950)
    }

    @Test("an error ends a wait and releases the lock")
    func errors() {
        let number = Condition(1)
        #expect(throws: CancellationError.self) { try number.wait { _ -> Int? in throw CancellationError() } }
        #expect(throws: CancellationError.self) { try number.update { _ in throw CancellationError() } }
        #expect(number.wait { $0 } == 1)
    }
}

@Suite struct BoundedQueueTests {
    @Test("a queue never exceeds its capacity, and ends with its last producer")
    func capacity() throws {
        let queue = BoundedQueue<Int>(producers: 2, capacity: 3)
        let most = Future { () -> Int in
            var most = 0
            while let taken = try queue.take(most: 10) {
                most = max(most, taken.count)
                Thread.sleep(forTimeInterval: 0.001)
            }
            return most
        }
        concurrently(2) { _ in
            for number in 0..<50 { #expect(queue.put(number)) }
            queue.finish()
        }
        #expect((1...3).contains(try most.value()))
        #expect(try queue.take() == nil)
    }

    @Test("elements added before an error are taken first; later ones are not accepted")
    func errors() throws {
        let queue = BoundedQueue<Int>(producers: 1, capacity: 3)
        #expect(queue.put(1))
        queue.finish(JobsTests.Broken())
        #expect(try queue.take() == [1])
        #expect(throws: JobsTests.Broken.self) { try queue.take() }
        #expect(!queue.put(2))
    }

    @Test("stopping a queue ends its producers, also one that waits for space")
    func stops() throws {
        let queue = BoundedQueue<Int>(producers: 1, capacity: 1)
        let count = Future { () -> Int in
            defer { queue.finish() }
            var count = 0
            while queue.put(count) { count += 1 }
            return count
        }
        #expect(try queue.take() == [0])
        queue.stop()
        #expect((1...3).contains(try count.value()))
    }
}
