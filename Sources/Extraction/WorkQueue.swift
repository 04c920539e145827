import Foundation
import Synchronization

/// Runs `count` jobs on `workers` threads and passes the results, in order of completion, to the calling thread.
///
/// Threads rather than tasks, because oneDNN's thread count is a property of the thread that creates a plan. At most
/// two finished results per worker wait, so that a slow consumer does not fill the memory.
///
/// - `makeWorker`: called once in each thread; returns the function that runs one job.
/// - `consume`: receives each result in the calling thread; an error stops the workers.
/// - Throws: the first error of a worker or of `consume`, after the running jobs have finished.
package func runJobs<Output: Sendable>(
    count: Int, workers: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Output,
    consume: (Int, Output) throws -> Void
) throws {
    try runJobs(count: count, workers: workers, most: 1, makeWorker: makeWorker) { results in
        for (index, output) in results { try consume(index, output) }
    }
}

/// As above; results that are already waiting are passed on together, at least one and at most `most`.
package func runJobs<Output: Sendable>(
    count: Int, workers: Int, most: Int, makeWorker: @escaping @Sendable () throws -> (Int) throws -> Output,
    consume: ([(Int, Output)]) throws -> Void
) throws {
    let results = Results<Output>(producers: min(workers, count), capacity: 2 * workers)
    let next = NextIndex()
    for _ in 0..<min(workers, count) {
        let thread = Thread {
            do {
                let work = try makeWorker()
                while let index = next.take(below: count), try results.put(index, work(index)) {}
                results.finish(nil)
            } catch {
                results.finish(error)
            }
        }
        thread.stackSize = 16 << 20
        thread.start()
    }
    do {
        while let waiting = try results.take(most: most) { try consume(waiting) }
    } catch {
        results.stop()
        throw error
    }
}

private final class NextIndex: Sendable {
    private let value = Atomic<Int>(0)
    func take(below count: Int) -> Int? {
        let index = value.add(1, ordering: .relaxed).oldValue
        return index < count ? index : nil
    }
}

/// A bounded queue between workers and one consumer.
///
/// `@unchecked Sendable`: all mutable state is accessed while holding `condition`.
private final class Results<Output: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private let capacity: Int
    private var waiting: [(Int, Output)] = []
    private var producers: Int
    private var error: (any Error)?
    private var isStopped = false

    init(producers: Int, capacity: Int) {
        self.producers = producers
        self.capacity = capacity
    }

    /// Returns false if no more results are needed.
    func put(_ index: Int, _ output: Output) -> Bool {
        condition.withLock {
            while waiting.count >= capacity && !isStopped { condition.wait() }
            if isStopped { return false }
            waiting.append((index, output))
            condition.broadcast()
            return true
        }
    }

    func finish(_ error: (any Error)?) {
        condition.withLock {
            producers -= 1
            if let error, self.error == nil {
                self.error = error
                isStopped = true
            }
            condition.broadcast()
        }
    }

    /// The next results, at least one; nil when all workers have finished.
    func take(most: Int) throws -> [(Int, Output)]? {
        try condition.withLock {
            while waiting.isEmpty && producers > 0 { condition.wait() }
            if !waiting.isEmpty {
                condition.broadcast()
                let taken = Array(waiting.prefix(most))
                waiting.removeFirst(taken.count)
                return taken
            }
            if let error { throw error }
            return nil
        }
    }

    /// Stops the workers after their current job and waits for them.
    func stop() {
        condition.withLock {
            isStopped = true
            waiting = []
            condition.broadcast()
            while producers > 0 { condition.wait() }
        }
    }
}
